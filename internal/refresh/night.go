package refresh

import (
	"crypto/sha256"
	"encoding/hex"
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
	addPublished(&t, published)
	return t
}

// addPublished adds key, sizes and links of what is published.
func addPublished(t *report.Artifact, e *publish.Entry) {
	t.Key = string(e.Key)
	if e.Stale != nil {
		t.Since = e.Stale.Since
	}
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

// NightsDir is the directory of the nights of a project, whose root is absolute:
// "baked/nights/5f1c09ab23de". Projects may share a store, but not their history.
func NightsDir(store, root string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(root)))
	return filepath.Join(store, "nights", hex.EncodeToString(sum[:6]))
}

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
	files, err := nightFiles(dir)
	if err != nil {
		return nil, err
	}
	var nights []report.Night
	for _, file := range files {
		if len(nights) == most {
			break
		}
		text, err := os.ReadFile(file)
		var n report.Night
		if err != nil || json.Unmarshal(text, &n) != nil {
			continue
		}
		nights = append(nights, n)
	}
	return nights, nil
}

// OldNights are the files of nights beyond the newest.
func OldNights(dir string, keep int) ([]string, error) {
	files, err := nightFiles(dir)
	if err != nil {
		return nil, err
	}
	return files[min(keep, len(files)):], nil
}

// nightFiles are the files of nights, newest first. There need be none.
func nightFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the nights: %w", err)
	}
	var files []string
	for _, e := range slices.Backward(entries) { // names sort by time
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), nightSuffix) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// RollBack makes a night tell of a generation that repeats an earlier one. What was done
// that night it still says.
func RollBack(n *report.Night, g *publish.Generation) {
	n.Generation, n.Signed = g.Number, g.Signed != "" || g.Note != ""
	n.Notes = append(n.Notes, fmt.Sprintf("Rolled back to generation %d at %s UTC", g.Of, g.Date.UTC().Format(time.DateTime)))
	for i := range n.Artifacts {
		t := &n.Artifacts[i]
		t.Key, t.Size, t.Links = "", 0, nil
		if e := Former(&g.Set, t.Name); e != nil {
			addPublished(t, e)
		} else {
			t.Since = time.Time{}
		}
	}
}
