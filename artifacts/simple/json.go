package simple

import (
	"bytes"
	"encoding/json"
	"time"
)

type jsonMeta struct {
	APIVersion string `json:"api-version"`
}

type jsonIndex struct {
	Meta     jsonMeta   `json:"meta"`
	Projects []jsonName `json:"projects"`
}

type jsonName struct {
	Name string `json:"name"`
}

type jsonProject struct {
	Meta     jsonMeta    `json:"meta"`
	Name     string      `json:"name"`
	Status   *jsonStatus `json:"project-status,omitempty"`
	Versions []string    `json:"versions"`
	Files    []jsonFile  `json:"files"`
}

type jsonStatus struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

type jsonFile struct {
	Name           string   `json:"filename"`
	URL            string   `json:"url"`
	Hashes         jsonHash `json:"hashes"`
	RequiresPython string   `json:"requires-python,omitempty"`
	Metadata       jsonHash `json:"core-metadata,omitzero"`
	Yanked         string   `json:"yanked,omitempty"`
	Size           int64    `json:"size"`
	Uploaded       string   `json:"upload-time,omitempty"`
}

type jsonHash struct {
	SHA256 string `json:"sha256"`
}

// indexJSON is the page of all projects.
func indexJSON(projects []project) []byte {
	page := jsonIndex{jsonMeta{apiVersion}, make([]jsonName, 0, len(projects))}
	for _, p := range projects {
		page.Projects = append(page.Projects, jsonName{p.name})
	}
	return marshal(page)
}

// projectJSON is the page of a project. root leads from it to the root.
func projectJSON(p project, root string) []byte {
	page := jsonProject{Meta: jsonMeta{apiVersion}, Name: p.name, Versions: p.versions, Files: make([]jsonFile, 0, len(p.files))}
	if p.status.State != "" {
		page.Status = &jsonStatus{p.status.State, p.status.Reason}
	}
	for _, f := range p.files {
		file := jsonFile{
			Name: f.Name, URL: address(f, root), Hashes: jsonHash{f.SHA256},
			RequiresPython: f.RequiresPython, Metadata: jsonHash{f.MetadataSHA256},
			Yanked: f.Yanked, Size: f.Size,
		}
		if !f.Uploaded.IsZero() {
			file.Uploaded = f.Uploaded.UTC().Truncate(time.Microsecond).Format("2006-01-02T15:04:05.000000Z")
		}
		page.Files = append(page.Files, file)
	}
	return marshal(page)
}

// marshal is JSON in one line. What it is given cannot fail.
func marshal(page any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(page); err != nil {
		panic(err) // strings, numbers and lists of them
	}
	return b.Bytes()
}
