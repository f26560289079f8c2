package index

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	sum2 = strings.Repeat("2a", 32)
	sum3 = strings.Repeat("3b", 48)
	sum5 = strings.Repeat("5c", 64)
)

func pageURL(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse("https://pypi.example.org/root/simple/foo/")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestHTML(t *testing.T) {
	at := func(name, url string) File { return File{Name: name, URL: url} }
	for _, tt := range []struct {
		what, page string
		want       []File
	}{
		{"nothing", "", nil},
		{"no files", "<!DOCTYPE html><html><head><title>Links for foo</title></head><body><h1>Links for foo</h1></body></html>", nil},
		{"plain", `<a href="https://files.example.org/p/foo-1.0.tar.gz">foo-1.0.tar.gz</a>`,
			[]File{at("foo-1.0.tar.gz", "https://files.example.org/p/foo-1.0.tar.gz")}},
		{"relative", `<a href="foo-1.0.zip">x</a><a href="../../p/foo-1.1.zip">x</a><a href="/foo-1.2.zip">x</a><a href="//h.example.org/foo-1.3.zip">x</a>`,
			[]File{
				at("foo-1.0.zip", "https://pypi.example.org/root/simple/foo/foo-1.0.zip"),
				at("foo-1.1.zip", "https://pypi.example.org/root/p/foo-1.1.zip"),
				at("foo-1.2.zip", "https://pypi.example.org/foo-1.2.zip"),
				at("foo-1.3.zip", "https://h.example.org/foo-1.3.zip"),
			}},
		{"base", `<head><base target=_blank><base href="../files/"><base href="https://evil.example.org/"></head><a href=foo-1.0.zip>`,
			[]File{at("foo-1.0.zip", "https://pypi.example.org/root/simple/files/foo-1.0.zip")}},
		{"hashes", fmt.Sprintf(`<a href="foo-1.zip#sha256=%s"></a><a href='foo-2.zip#SHA256=%s&amp;egg=x'></a><a href=foo-3.zip#sha512=%s&sha384=%s></a><a href="foo-4.zip#md5=0123456789abcdef0123456789abcdef"></a><a href="foo-5.zip#sha256=%s"></a>`,
			strings.ToUpper(sum2), sum2, sum5, sum3, sum2[:63]),
			[]File{
				{Name: "foo-1.zip", URL: "https://pypi.example.org/root/simple/foo/foo-1.zip", Hashes: map[string]string{"sha256": sum2}},
				at("foo-2.zip", "https://pypi.example.org/root/simple/foo/foo-2.zip"),
				{Name: "foo-3.zip", URL: "https://pypi.example.org/root/simple/foo/foo-3.zip", Hashes: map[string]string{"sha512": sum5, "sha384": sum3}},
				at("foo-4.zip", "https://pypi.example.org/root/simple/foo/foo-4.zip"),
				at("foo-5.zip", "https://pypi.example.org/root/simple/foo/foo-5.zip"),
			}},
		{"attributes", `<A HREF="foo-1.zip" data-requires-python="&gt;=3.8, &lt;4" DATA-YANKED="it &amp; that" data-dist-info-metadata="sha256=` + sum2 + `">` +
			`<a href=foo-2.zip data-yanked data-core-metadata=true data-dist-info-metadata="sha256=` + sum2 + `">` +
			`<a href=foo-3.zip data-yanked="" data-core-metadata="false"/>` +
			`<a href="foo-4.zip" href="foo-5.zip" data-core-metadata="md5=00">`,
			[]File{
				{Name: "foo-1.zip", URL: "https://pypi.example.org/root/simple/foo/foo-1.zip", RequiresPython: ">=3.8, <4", Yanked: true, YankedReason: "it & that", Metadata: true, MetadataSHA256: sum2},
				{Name: "foo-2.zip", URL: "https://pypi.example.org/root/simple/foo/foo-2.zip", Yanked: true, Metadata: true},
				{Name: "foo-3.zip", URL: "https://pypi.example.org/root/simple/foo/foo-3.zip", Yanked: true},
				{Name: "foo-4.zip", URL: "https://pypi.example.org/root/simple/foo/foo-4.zip", Metadata: true},
			}},
		{"names", `<a href="foo-1.0%2Bcpu-py3-none-any.whl">foo</a><a href="foo-1.0+gpu.zip?x=1#egg=foo">`,
			[]File{
				at("foo-1.0+cpu-py3-none-any.whl", "https://pypi.example.org/root/simple/foo/foo-1.0%2Bcpu-py3-none-any.whl"),
				at("foo-1.0+gpu.zip", "https://pypi.example.org/root/simple/foo/foo-1.0+gpu.zip?x=1"),
			}},
		{"passed over", `<a>no</a><a href="../">up</a><a href="index.html">i</a><a href="javascript:foo.zip">j</a><a href="file:///etc/foo.zip">f</a>
			<a href="ftp://h.example.org/foo.zip">f</a><a href="https:///foo.zip">h</a><a href="a%2F..%2Ffoo.zip">s</a><a href="%00.zip">n</a><a href="%zz.zip">b</a>
			<a href=".zip">e</a><!-- <a href="foo-1.zip"> --><script>"<a href='foo-2.zip'>"</script><a href="http://[::1/foo.zip">`, nil},
		{"credentials", `<a href="https://me:hunter2@pypi.example.org/foo-1.zip">`, []File{at("foo-1.zip", "https://pypi.example.org/foo-1.zip")}},
		{"version", `<meta name="pypi:repository-version" content="1.9"><meta name="generator" content="2"><a href="foo-1.zip">`,
			[]File{at("foo-1.zip", "https://pypi.example.org/root/simple/foo/foo-1.zip")}},
		{"cut off", `<a href="foo-1.zip">x</a><a href="foo-2.z`, []File{at("foo-1.zip", "https://pypi.example.org/root/simple/foo/foo-1.zip")}},
	} {
		for _, contentType := range []string{"text/html", "application/vnd.pypi.simple.v1+html", "Text/HTML; charset=UTF-8", "text/html; charset"} {
			got, err := parse(contentType, []byte(tt.page), pageURL(t), "foo")
			if err != nil {
				t.Errorf("%s: %v", tt.what, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: %s", tt.what, diff)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	page := `{
		"meta": {"api-version": "1.4", "_last-serial": 7}, "name": "Foo", "versions": ["1.0", {"deep": [[]]}],
		"files": [
			{"filename": "foo-1.0.tar.gz", "url": "https://files.example.org/p/foo-1.0.tar.gz#sha256=` + sum3 + `", "hashes": {"sha256": "` + strings.ToUpper(sum2) + `", "md5": "00", "sha512": "short"},
			 "requires-python": null, "yanked": false, "size": 12345, "upload-time": "2024-05-06T07:08:09.123456Z", "core-metadata": false, "provenance": null},
			{"filename": "foo-1.1-py3-none-any.whl", "url": "../../p/foo-1.1-py3-none-any.whl", "hashes": {}, "requires-python": ">=3.9", "yanked": "broken",
			 "size": null, "upload-time": null, "core-metadata": {"sha256": "` + sum2 + `"}, "dist-info-metadata": false},
			{"filename": "foo-1.2-py3-none-any.whl", "url": "/x", "hashes": {"sha384": "` + sum3 + `"}, "yanked": true, "upload-time": "yesterday", "size": -3, "dist-info-metadata": true},
			{"filename": "foo-1.3-py3-none-any.whl", "url": "http://u:hunter2@h.example.org/y?z", "core-metadata": {"md5": "00"}},
			{"filename": "../foo-1.4.zip", "url": "a.zip"}, {"filename": "foo-1.5.zip", "url": "file:///etc/foo-1.5.zip"}, {"filename": "foo.txt", "url": "foo.txt"}
		],
		"alternate-locations": []
	}`
	want := []File{
		{Name: "foo-1.0.tar.gz", URL: "https://files.example.org/p/foo-1.0.tar.gz", Hashes: map[string]string{"sha256": sum2}, Size: 12345,
			Uploaded: time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)},
		{Name: "foo-1.1-py3-none-any.whl", URL: "https://pypi.example.org/root/p/foo-1.1-py3-none-any.whl", RequiresPython: ">=3.9", Yanked: true, YankedReason: "broken",
			Metadata: true, MetadataSHA256: sum2},
		{Name: "foo-1.2-py3-none-any.whl", URL: "https://pypi.example.org/x", Hashes: map[string]string{"sha384": sum3}, Yanked: true, Metadata: true},
		{Name: "foo-1.3-py3-none-any.whl", URL: "http://h.example.org/y?z", Metadata: true},
	}
	got, err := parse("application/vnd.pypi.simple.v1+json", []byte(page), pageURL(t), "foo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadPage(t *testing.T) {
	const isJSON, isHTML = "application/vnd.pypi.simple.v1+json", "text/html"
	for _, tt := range []struct{ contentType, page, want string }{
		{"", "<a href=foo-1.zip>", `not a page of an index: Content-Type ""`},
		{"text/plain", "x", `Content-Type "text/plain"`},
		{"application/json", `{"files":[]}`, `Content-Type "application/json"`},
		{"/;;", "x", `Content-Type "/;;"`},
		{"application/vnd.pypi.simple.v2+json", `{"files":[]}`, "version 2 of the interface, and only 1 is known"},
		{"application/vnd.pypi.simple.v10+html", "", "version 10 of the interface"},
		{"application/vnd.pypi.simple.latest+json", "", "Content-Type"},
		{isHTML, `<meta name="pypi:repository-version" content="2.0">`, "version 2.0 of the interface, and only 1 is known"},
		{isHTML, `<meta name="pypi:repository-version" content="x">`, `version "x" of the interface: not a version`},
		{isJSON, `{"meta":{"api-version":"2.0"},"files":[]}`, "version 2.0 of the interface, and only 1 is known"},
		{isJSON, `{"meta":{"api-version":1},"files":[]}`, "cannot unmarshal number"},
		{isJSON, `{"meta":{},"name":"bar","files":[]}`, `the page is of project "bar"`},
		{isJSON, `{"meta":{}}`, "the page has no files key"},
		{isJSON, `{"files":{}}`, "files is not an array"},
		{isJSON, `{"files":[3]}`, "files[0]: json: cannot unmarshal number"},
		{isJSON, `{"files":[{"url":"a.zip","filename":"a.zip","hashes":{"sha256":1}}]}`, "files[0]: json: cannot unmarshal number"},
		{isJSON, `{"files":[{"url":"a.zip"}`, "EOF"},
		{isJSON, `{"files":[]`, "EOF"},
		{isJSON, `[]`, "not a JSON object"},
		{isJSON, ``, "not a JSON object"},
		{isJSON, `<html>`, "not a JSON object"},
	} {
		got, err := parse(tt.contentType, []byte(tt.page), pageURL(t), "foo")
		if err == nil || !strings.Contains(err.Error(), tt.want) || got != nil {
			t.Errorf("%s %s: %v, error %v, want %s", tt.contentType, tt.page, got, err, tt.want)
		}
	}
}

// What a hostile page can make of 64 MiB is bounded.
func TestHostilePage(t *testing.T) {
	const isJSON, isHTML = "application/vnd.pypi.simple.v1+json", "text/html"
	long := strings.Repeat("a", 900_000)
	deep := strings.Repeat("[", 20_000)
	for _, tt := range []struct{ what, contentType, page, want string }{
		{"many links", isHTML, strings.Repeat("<a href=f.zip>", maxFiles+1), "more than 250000 files"},
		{"many files", isJSON, `{"files":[` + strings.Repeat("{},", maxFiles) + `{}]}`, "more than 250000 files"},
		{"long tag", isHTML, `<a href="` + strings.Repeat("a", maxTag) + `">`, "max buffer exceeded"},
		{"tag without end", isHTML, `<a ` + strings.Repeat("a ", maxTag), "max buffer exceeded"},
		{"long base", isHTML, `<base href="/` + long + `/">` + strings.Repeat("<a href=f.zip>", 1000), "bytes of addresses"},
		{"long file", isJSON, `{"files":[{"yanked":"` + strings.Repeat("a", maxItem) + `"}]}`, "one of more than 1048576 bytes"},
		{"deep", isJSON, `{"files":[{"yanked":` + deep, "exceeded max depth"},
		{"deep elsewhere", isJSON, `{"x":` + deep, "exceeded max depth"},
	} {
		if _, err := parse(tt.contentType, []byte(tt.page), pageURL(t), "foo"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %.200v, want %s", tt.what, err, tt.want)
		}
	}
}

// checkFiles holds what a parser returns to what File promises.
func checkFiles(t *testing.T, files []File) {
	t.Helper()
	for _, f := range files {
		u, err := url.Parse(f.URL)
		if err != nil || u.User != nil || u.Fragment != "" || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("address %q, %v", f.URL, err)
		}
		if !isFile(f.Name) || strings.Contains(f.Name, "/") || f.Size < 0 || !f.Yanked && f.YankedReason != "" {
			t.Errorf("%+v", f)
		}
		for algorithm, digits := range f.Hashes {
			if !isHex(digits, hashSizes()[algorithm]) || digits != strings.ToLower(digits) {
				t.Errorf("hash %s:%s", algorithm, digits)
			}
		}
	}
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte(`<base href="https://h.example.org/x/"><a href="foo-1.zip#sha256=` + sum2 + `" data-yanked="x" data-core-metadata="sha256=` + sum2 + `">`))
	f.Add([]byte(`<meta name="pypi:repository-version" content="1.0"><a href="//u:p@h/a%2fb.whl#sha512=&x">`))
	f.Fuzz(func(t *testing.T, page []byte) {
		files, _ := parse("text/html", page, pageURL(t), "foo")
		checkFiles(t, files)
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"meta":{"api-version":"1.0"},"name":"foo","files":[{"filename":"foo-1.zip","url":"../foo-1.zip#sha256=` + sum2 + `","hashes":{"sha256":"` + sum2 + `"},"yanked":"x","size":1}]}`))
	f.Add([]byte(`{"files":[{"filename":"a.whl","url":"http://u@h/a","upload-time":"2024-05-06T07:08:09Z","core-metadata":{"sha256":"x"}},{}],"x":[[{}]]}`))
	f.Fuzz(func(t *testing.T, page []byte) {
		files, _ := parse("application/vnd.pypi.simple.v1+json", page, pageURL(t), "foo")
		checkFiles(t, files)
	})
}
