package publish

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
	"time"
)

// house is an entry of houses/index.json.
type house struct {
	Name     string      `json:"name"`
	Distro   string      `json:"distro"`
	Arch     string      `json:"arch"`
	Series   string      `json:"series"`
	Finished time.Time   `json:"finished"`
	Stale    *Stale      `json:"stale"`
	Files    []houseFile `json:"files"`
}

type houseFile struct {
	Blob
	URL string `json:"url"` // relative to houses/
}

var housesPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Wheelhouses</title>
</head>
<body>
<h1>Wheelhouses</h1>
<ul>
{{range .}}<li>{{.Name}}, {{.Finished.UTC.Format "2006-01-02 15:04"}} UTC{{with .Stale}}, stale since {{.Since.UTC.Format "2006-01-02 15:04"}} UTC{{with .Why}}: {{.}}{{end}}{{end}}
<ul>
{{range .Files}}<li><a href="{{.URL}}">{{.Name}}</a>, {{.Size}} bytes, sha256 <code>{{.SHA256}}</code></li>
{{end}}</ul></li>
{{else}}<li>none</li>
{{end}}</ul>
</body>
</html>
`))

// renderHouses renders the list of archives.
func (p *publication) renderHouses() error {
	all := []house{}
	for _, e := range p.Set.Entries {
		if len(e.Files) == 0 {
			continue
		}
		h := house{Name: e.Name, Distro: e.Distro, Arch: e.Arch, Series: e.Series, Finished: e.Finished, Stale: e.Stale}
		for _, b := range e.Files {
			h.Files = append(h.Files, houseFile{b, "../" + (&url.URL{Path: b.Path()}).EscapedPath()})
		}
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b house) int { return cmp.Compare(a.Name, b.Name) })
	var page bytes.Buffer
	if err := housesPage.Execute(&page, all); err != nil {
		return err
	}
	list, err := json.MarshalIndent(map[string]any{"houses": all}, "", "  ")
	if err != nil {
		return err
	}
	p.add("houses/index.html", page.Bytes())
	p.add("houses/index.json", append(list, '\n'))
	return nil
}
