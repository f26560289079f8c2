package project

import (
	"reflect"
	"testing"
)

func TestParseVolume(t *testing.T) {
	for text, want := range map[string]Volume{
		"/srv/data:/data":          {"/srv/data", "/data", false},
		"/srv/a b/{x}:/data:rw":    {"/srv/a b/{x}", "/data", false},
		"cache:/var/cache/shop:ro": {"cache", "/var/cache/shop", true},
		"/:/host:ro":               {"/", "/host", true},
	} {
		if got, err := ParseVolume(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", ":", "::", "a", "a:", ":/a", "a:b", "a:/", "a:/b/", "../a:/b", "~/a:/b", "a/b:/c", "/a/:/b", "/a:/b:", "/a:/b:ro,z", "/a:/b:RO", "-a:/b"} {
		if got, err := ParseVolume(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestParseTmpfs(t *testing.T) {
	for text, want := range map[string][2]string{"/tmp": {"/tmp", ""}, "/run:size=50%,noexec,mode=1777": {"/run", "size=50%,noexec,mode=1777"}} {
		if target, options, err := ParseTmpfs(text); err != nil || want != [2]string{target, options} {
			t.Errorf("%s: %q, %q, %v", text, target, options, err)
		}
	}
	for _, bad := range []string{"", "/", "tmp", "/tmp/", "/tmp:", "/tmp:size=", "/tmp:a,,b", "/tmp:a:b"} {
		if target, options, err := ParseTmpfs(bad); err == nil {
			t.Errorf("%q: %q, %q", bad, target, options)
		}
	}
}

func TestParsePublish(t *testing.T) {
	for text, want := range map[string]Publish{
		"80":                   {"", "", "80", "tcp"},
		":80":                  {"", "", "80", "tcp"},
		"53/udp":               {"", "", "53", "udp"},
		"8080:80":              {"", "8080", "80", "tcp"},
		"127.0.0.1:8080:80":    {"127.0.0.1", "8080", "80", "tcp"},
		"127.0.0.1::80/sctp":   {"127.0.0.1", "", "80", "sctp"},
		"[::1]:8080:80/tcp":    {"::1", "8080", "80", "tcp"},
		"[::1]::65535":         {"::1", "", "65535", "tcp"},
		"[127.0.0.1]:1:1":      {"127.0.0.1", "1", "1", "tcp"},
		"[::ffff:1.2.3.4]:1:1": {"::ffff:1.2.3.4", "1", "1", "tcp"},
	} {
		if got, err := ParsePublish(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{
		"", ":", "::", "0", "65536", "-1", "+1", "080", " 80", "80 ", "a:80", "80:a", "0:80", "80:", "127.0.0.1:80", "1.2.3:80:80", "[::1]:80", "[::1]80:80",
		"[]:80:80", "[::1%lo]:1:1", "::1:80:80", "80/", "80/TCP", "80/tcp/udp", "/tcp", "1:2:3:4", "80-81",
	} {
		if got, err := ParsePublish(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestParseGPUs(t *testing.T) {
	for text, want := range map[string]GPUs{
		"all": {Count: -1}, "2": {Count: 2}, "device=0": {IDs: []string{"0"}},
		"device=0,GPU-3a23c669-1f69,MIG-GPU-3a/1/2": {IDs: []string{"0", "GPU-3a23c669-1f69", "MIG-GPU-3a/1/2"}},
	} {
		if got, err := ParseGPUs(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "ALL", "none", "0", "-1", "+2", "02", "1.5", "device=", "device=0,", "device=,0", "device= 0", "0,1", "99999"} {
		if got, err := ParseGPUs(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}
