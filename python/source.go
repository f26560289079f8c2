package python

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
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
	var places []fetch.Place
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
	org := fetch.URL(upstream, "python.org", client)
	org.Names = func(f fetch.File) []string { return []string{releaseDir(f.Name) + "/" + f.Name} }
	return append(places, org)
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

// fetchSource gets the plan's source into the cache, once a run.
func (b *Builder) fetchSource(ctx context.Context, p *Plan) error {
	if b.source.Path != "" {
		return nil
	}
	return b.timed("source", func() error {
		places := b.Places
		if !b.Fetcher.Offline {
			uris, err := b.Distros.Sources(ctx, p.Target(), p.base)
			if err != nil {
				return err
			}
			places = append(places[:len(places):len(places)], pool(p, uris, b.HTTP)...)
		}
		got, err := b.Fetcher.Get(ctx, p.Sources, places)
		if err != nil {
			return fmt.Errorf("source of python %s: %w", p.Version, err)
		}
		for _, answer := range got.Trail {
			b.Report.Note("source of python %s: %s: %v", p.Version, answer.Place, answer.Err)
		}
		b.Report.Note("source of python %s: %s, from %s", p.Version, filepath.Base(got.File.Name), got.Place)
		b.source = got
		return nil
	})
}
