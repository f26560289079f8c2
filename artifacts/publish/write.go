package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// carry is a file that comes from a former generation as it is.
type carry struct {
	listed
	from string // path on this machine
}

// write makes the generation in a directory of .work: all files, and the list that says
// what they are.
func (p *publication) write(ctx context.Context, draft string) error {
	record, err := p.record()
	if err != nil {
		return err
	}
	set, err := json.Marshal(stored{p.Set, p.ownUploaded()})
	if err != nil {
		return err
	}
	files := append(slices.Clone(p.files), File{recordFile, record}, File{setFile, append(set, '\n')})
	heads := make([]listed, len(files))
	if err := p.makeDirs(draft, files); err != nil {
		return err
	}
	if err := parallel(ctx, runtime.GOMAXPROCS(0), len(files), func(i int) error {
		heads[i] = listed{files[i].Path, int64(len(files[i].Data)), hashBytes(files[i].Data)}
		return p.writeHead(draft, files[i], heads[i])
	}); err != nil {
		return err
	}
	carried, err := p.writeCarried(draft, heads)
	if err != nil {
		return err
	}
	if err := p.setList(slices.Concat(heads, carried, p.pool)); err != nil {
		return err
	}
	return p.writeList(draft)
}

// makeDirs makes the directories of files and of what is carried.
func (p *publication) makeDirs(draft string, files []File) error {
	dirs := map[string]bool{".": true}
	add := func(name string) {
		for dir := path.Dir(name); !dirs[dir]; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	for _, f := range files {
		add(f.Path)
	}
	for _, c := range p.carried {
		add(c.Path)
	}
	var sorted []string
	for dir := range dirs {
		sorted = append(sorted, dir)
	}
	slices.Sort(sorted)
	for _, dir := range sorted {
		if err := p.do("make "+dir, func() error { return mkdir(filepath.Join(draft, local(dir))) }); err != nil {
			return err
		}
	}
	return nil
}

// writeHead writes a file, or links that of the current generation if it has the same
// bytes.
func (p *publication) writeHead(draft string, f File, as listed) error {
	place := filepath.Join(draft, local(f.Path))
	if was, ok := p.before.find(f.Path); ok && was == as {
		former := filepath.Join(p.former.Dir, local(f.Path))
		if there, err := os.ReadFile(former); err == nil && bytes.Equal(there, f.Data) {
			if p.do("link "+f.Path, func() error { return os.Link(former, place) }) == nil {
				return nil
			}
		}
	}
	return p.do("write "+f.Path, func() error { return writeFile(place, f.Data) })
}

// writeCarried links what is carried, or writes it where no link can be made.
func (p *publication) writeCarried(draft string, heads []listed) ([]listed, error) {
	have := map[string]bool{}
	for _, f := range heads {
		have[f.Path] = true
	}
	var all []listed
	for _, c := range p.carried {
		if have[c.Path] {
			continue
		}
		data, err := os.ReadFile(c.from)
		if err != nil || hashBytes(data) != c.SHA256 {
			p.warn("%s is missing or damaged: clients of that generation may fail until they update again", c.from)
			continue
		}
		have[c.Path] = true
		all = append(all, c.listed)
		place := filepath.Join(draft, local(c.Path))
		if p.do("link "+c.Path, func() error { return os.Link(c.from, place) }) == nil {
			continue
		}
		if err := p.do("write "+c.Path, func() error { return writeFile(place, data) }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// setList makes the list. A path that comes twice must be the same file twice.
func (p *publication) setList(files []listed) error {
	slices.SortFunc(files, func(a, b listed) int { return strings.Compare(a.Path, b.Path) })
	files = slices.Compact(files)
	for i := range files {
		if i > 0 && files[i-1].Path == files[i].Path {
			return fmt.Errorf("%s would be two files: of %d bytes, sha256 %s, and of %d bytes, sha256 %s", files[i].Path,
				files[i-1].Size, files[i-1].SHA256, files[i].Size, files[i].SHA256)
		}
	}
	p.list = list{Number: p.number, Date: p.Now, Content: p.content, Files: files}
	return nil
}

// writeList writes the list and its signatures.
func (p *publication) writeList(draft string) error {
	note, err := p.Keys.Note(p.list.text())
	if err != nil {
		return err
	}
	detached, err := p.Keys.Detach(note, p.Now)
	if err != nil {
		return err
	}
	if detached != nil {
		if err := p.do("write "+listSignature, func() error { return writeFile(filepath.Join(draft, listSignature), detached) }); err != nil {
			return err
		}
	}
	return p.do("write "+listFile, func() error { return writeFile(filepath.Join(draft, listFile), note) })
}

// parallel calls work for 0 to n-1, some at once, until one fails or ctx ends.
func parallel(ctx context.Context, workers, n int, work func(i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	group.Go(func() error {
		defer close(next)
		for i := range n {
			select {
			case next <- i:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			for i := range next {
				if err := work(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
