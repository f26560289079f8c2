package refresh

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/refresh/report"
)

// Told is the line of the report about an outcome. published is what is published of
// the cell now, or nil.
func Told(o Outcome, published *publish.Entry) report.Artifact {
	t := report.Artifact{
		Name: o.Name, Kind: o.Kind, Row: o.Row(), Column: o.Distro, Reasons: o.Reasons, Compared: o.Compared,
		Seconds: o.Took.Round(100 * time.Millisecond).Seconds(), Needs: o.Needs,
	}
	switch o.State {
	case Fresh:
		t.State, t.Seconds = report.Fresh, 0
	case Rebuilt:
		t.State = report.Rebuilt
	case Failed:
		t.State = report.Failed
	default: // skipped, or due and not tried
		t.State = report.Skipped
		if published != nil {
			t.State = report.Stale
		}
	}
	if o.Err != nil {
		t.Error = o.Err.Error()
	}
	if o.Artifact != nil {
		t.Checks = len(o.Artifact.Checks)
		for _, c := range o.Artifact.Checks {
			if c.OK {
				t.Passed++
			}
		}
	}
	if published == nil {
		return t
	}
	t.Key = string(published.Key)
	if published.Stale != nil {
		t.Since = published.Stale.Since
	}
	addLinks(&t, published)
	return t
}

// addLinks adds sizes and links of what is published.
func addLinks(t *report.Artifact, e *publish.Entry) {
	link := func(b publish.Blob) {
		t.Links = append(t.Links, report.Link{Text: b.Name, Href: "../" + b.Path()})
	}
	for _, d := range e.Debs {
		t.Size += d.Size
		link(d.Blob)
	}
	for _, w := range e.Wheels {
		t.Size += w.Size
	}
	if len(e.Wheels) > 0 {
		t.Links = append(t.Links, report.Link{Text: "simple index", Href: strings.Join([]string{"../simple", e.Distro, e.Series, ""}, "/")})
	}
	for _, f := range e.Files {
		link(f)
	}
	for _, ref := range e.Refs { // which is no address
		t.Links = append(t.Links, report.Link{Text: ref})
	}
	t.Size += e.Size
}

const nightSuffix = ".json"

// SaveNight writes a night into the directory of nights, by rename. Its name is the
// time that it began: "20261121T020000Z.json".
func SaveNight(dir string, n report.Night) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(n, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".night-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, n.Started.UTC().Format("20060102T150405Z")+nightSuffix))
}

// LoadNights reads the newest nights, newest first. One that cannot be read is left
// out: the history is worth less than the night.
func LoadNights(dir string, most int) ([]report.Night, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the nights: %w", err)
	}
	var nights []report.Night
	for _, e := range slices.Backward(entries) { // names sort by time
		if len(nights) == most {
			break
		}
		if strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), nightSuffix) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		var n report.Night
		if err != nil || json.Unmarshal(text, &n) != nil {
			continue
		}
		nights = append(nights, n)
	}
	return nights, nil
}
