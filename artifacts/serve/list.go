package serve

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"
)

var listPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
</head>
<body>
<h1>{{.Title}}</h1>
<ul>
{{- range .Entries}}
<li><a href="{{.Href}}">{{.Name}}</a></li>
{{- end}}
</ul>
</body>
</html>
`))

// listed is a file of a list.
type listed struct{ Name, Href string }

// serveList answers with what a directory holds, without what is hidden.
func serveList(w http.ResponseWriter, r *http.Request, root, dir *os.Root, name string) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	page := struct {
		Title   string
		Entries []listed
	}{Title: "/" + name + "/"}
	if name == "." {
		page.Title = "published"
	} else {
		page.Entries = append(page.Entries, listed{"../", "../"})
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		isDir := entry.IsDir()
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := root.Stat(path.Join(name, entry.Name()))
			if err != nil {
				continue // leads nowhere, or out
			}
			isDir = info.IsDir()
		}
		text := entry.Name()
		if isDir {
			text += "/"
		}
		to := url.URL{Path: "./" + text}
		page.Entries = append(page.Entries, listed{text, to.String()})
	}
	var b bytes.Buffer
	if err := listPage.Execute(&b, page); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", withCharset(textHTML))
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(b.Bytes()))))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.Bytes()))
	return nil
}
