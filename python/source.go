package python

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/fetch"
)

// upstream is where the Python Software Foundation publishes releases.
const upstream = "https://www.python.org/ftp/python/"

// Places are where sources are looked for, in this order: those that the user
// names (directories or addresses, with files by upstream's names), python.org.
// The distro's own source pool is the last, and added when the base image is
// there to ask.
func Places(named []string, client *http.Client) []fetch.Place {
	org := fetch.URL(upstream, "python.org", client)
	org.Names = func(f fetch.File) []string { return []string{releaseDir(f.Name) + "/" + f.Name} }
	return append(Named(named, client), org)
}

// Named are the places that the user names.
func Named(named []string, client *http.Client) (places []fetch.Place) {
	for _, name := range named {
		var p fetch.Place
		if strings.Contains(name, "://") {
			p = fetch.URL(name, "source "+name, client)
		} else {
			p = fetch.Dir(name, "source "+name)
		}
		p.Strict = true
		places = append(places, p)
	}
	return places
}

// releaseDir is the directory of a release on python.org: Python-3.15.0b4.tgz
// is in 3.15.0.
func releaseDir(file string) string {
	version := strings.TrimPrefix(file, "Python-")
	end := strings.IndexFunc(version, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		version = version[:end]
	}
	return strings.TrimRight(version, ".")
}

// pool makes places of a distro's archives, in which a source package holds
// upstream's file under another name: pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz
// (Debian policy, section 5.6.2; the file's hash is all that is believed).
func pool(p *Plan, uris []string, client *http.Client) []fetch.Place {
	var places []fetch.Place
	for _, uri := range uris {
		place := fetch.URL(strings.TrimSuffix(uri, "/")+"/", "source pool of "+p.Distro.Codename, client)
		place.Names = func(f fetch.File) []string {
			ext := strings.TrimPrefix(f.Name, "Python-"+p.Version)
			if ext == ".tgz" {
				ext = ".tar.gz"
			}
			name := "python" + p.Series
			file := fmt.Sprintf("%s/%s_%s.orig%s", name, name, p.release.DebianVersion(), ext)
			return []string{path.Join("pool/main/p", file), path.Join("pool/updates/main/p", file)}
		}
		places = append(places, place)
	}
	return places
}

// seekSource gets the plan's source from the places that need no base image:
// the cache, those that the user names, python.org. That none of them has it is
// no error yet.
func (b *Builder) seekSource(ctx context.Context, p *Plan) error {
	if b.source.Path != "" || b.sought != nil {
		return nil
	}
	return b.timed("source", func() error {
		got, err := b.Fetcher.Get(ctx, p.Sources, b.Places)
		if errors.As(err, &b.sought) {
			return nil
		}
		return b.gotSource(p, got, err)
	})
}

// fetchSource gets the plan's source into the cache, once a run: after the
// other places from the distro's source pool.
func (b *Builder) fetchSource(ctx context.Context, p *Plan) error {
	if err := b.seekSource(ctx, p); err != nil || b.source.Path != "" {
		return err
	}
	if b.Fetcher.Offline {
		return fmt.Errorf("source of python %s: %w", p.Version, b.sought)
	}
	return b.timed("source pool", func() error {
		uris, err := b.Distros.Sources(ctx, p.Target(), p.base)
		if err != nil {
			return err
		}
		got, err := b.Fetcher.Get(ctx, p.Sources, pool(p, uris, b.HTTP))
		if failed, ok := errors.AsType[*fetch.FailedError](err); ok {
			// The cache has said already that it is not there.
			rest := slices.DeleteFunc(failed.Trail, func(a fetch.Answer) bool { return strings.HasPrefix(a.Place, "cache ") })
			err = &fetch.FailedError{Want: failed.Want, Trail: slices.Concat(b.sought.Trail, rest)}
		}
		return b.gotSource(p, got, err)
	})
}

func (b *Builder) gotSource(p *Plan, got fetch.Got, err error) error {
	if err != nil {
		return fmt.Errorf("source of python %s: %w", p.Version, err)
	}
	for _, answer := range got.Trail {
		if _, lied := errors.AsType[*fetch.MismatchError](answer.Err); lied {
			b.Report.Note("source of python %s: %v", p.Version, answer.Err)
		}
	}
	b.Report.Note("source of python %s: %s, from %s", p.Version, got.File.Name, got.Place)
	b.source = got
	return nil
}
