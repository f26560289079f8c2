package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pep"
)

// maxItem is what one file may take of a page, in bytes.
const maxItem = 1 << 20

// jsonFile is a file of PEP 691 and 700.
type jsonFile struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python"`
	CoreMetadata   any               `json:"core-metadata"`
	DistInfo       any               `json:"dist-info-metadata"`
	Yanked         any               `json:"yanked"` // boolean, or the reason
	Size           int64             `json:"size"`
	UploadTime     string            `json:"upload-time"`
}

// json reads a page of PEP 691, one file at a time.
func (c *collector) json(body []byte, name string) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return errors.Join(errors.New("not a JSON object"), err)
	}
	listed := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "meta":
			var meta struct {
				Version string `json:"api-version"`
			}
			if err = dec.Decode(&meta); err == nil && meta.Version != "" {
				err = checkVersion(meta.Version)
			}
		case "name":
			var found string
			if err = dec.Decode(&found); err == nil && pep.NormalizeName(found) != name {
				err = fmt.Errorf("the page is of project %.80q", found)
			}
		case "files":
			listed = true
			err = c.jsonFiles(dec)
		default:
			err = dec.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if !listed {
		return errors.New("the page has no files key")
	}
	return nil
}

func (c *collector) jsonFiles(dec *json.Decoder) error {
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return errors.Join(errors.New("files is not an array"), err)
	}
	for n := 0; dec.More(); n++ {
		var item json.RawMessage
		if err := dec.Decode(&item); err != nil {
			return err
		}
		if n == maxFiles || len(item) > maxItem {
			return fmt.Errorf("more than %d files, or one of more than %d bytes", maxFiles, maxItem)
		}
		var f jsonFile
		if err := json.Unmarshal(item, &f); err != nil {
			return fmt.Errorf("files[%d]: %w", n, err)
		}
		if err := c.add(f.file(), f.URL); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func (j jsonFile) file() File {
	f := File{Name: j.Filename, RequiresPython: strings.TrimSpace(j.RequiresPython), Size: max(j.Size, 0)}
	for algorithm, digits := range j.Hashes {
		f.addHash(algorithm, digits)
	}
	switch yanked := j.Yanked.(type) {
	case bool:
		f.Yanked = yanked
	case string:
		f.Yanked, f.YankedReason = true, yanked
	}
	metadata := j.CoreMetadata
	if metadata == nil {
		metadata = j.DistInfo
	}
	switch m := metadata.(type) {
	case bool:
		f.Metadata = m
	case map[string]any:
		f.Metadata = true
		if digits, _ := m["sha256"].(string); isHex(digits, 64) {
			f.MetadataSHA256 = strings.ToLower(digits)
		}
	}
	if t, err := time.Parse(time.RFC3339, j.UploadTime); err == nil {
		f.Uploaded = t.UTC()
	}
	return f
}
