package distro

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

// Request is what apt is asked to have installed.
type Request struct {
	Names     []string // of packages, for which an older one of the base is replaced: "gcc", "libpq5=17.5-1"
	Relations []string // as a package's Depends has them, for which what the base has may do: "libc6 (>= 2.36)", "a | b (<< 2)"
}

// UnresolvableError says that apt has no answer to a request, or the archive not
// what the answer names. It may have those of others.
type UnresolvableError struct {
	Target   Target
	Request  Request
	Explains error // what apt said
}

func (e *UnresolvableError) Error() string {
	return fmt.Sprintf("resolve packages of %s: %v", e.Target, e.Explains)
}

func (e *UnresolvableError) Unwrap() error { return e.Explains }

// Resolver answers many requests from one container with a network, in which
// apt has read its lists once. Its methods are called one after the other.
type Resolver struct {
	m        *Maker
	t        Target
	c        *engine.Container
	unsigned []string // archives that no key vouches for: "http://deb.example.org/debian/"
}

// unsignedArchives prints the archives of indexes that apt does not trust.
const unsignedArchives = `apt-get update ` + aptOptions + ` >&2
apt-get indextargets --format '$(TRUSTED) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^no //p' | sort -u`

// Resolver starts what resolves packages on a base image that the engine has,
// and reads the distro's lists. It is to be closed.
func (m *Maker) Resolver(ctx context.Context, t Target, base project.BasePin) (*Resolver, error) {
	if m.Offline {
		return nil, fmt.Errorf("resolve packages of %s: %w", t, ErrOffline)
	}
	c, err := m.networked(ctx, t, BaseRef(t, base.Digest))
	if err != nil {
		return nil, fmt.Errorf("resolve packages of %s: %w", t, err)
	}
	said, err := m.print(ctx, c, unsignedArchives)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("resolve packages of %s: %w", t, err), c.Remove(ctx))
	}
	return &Resolver{m, t, c, strings.Fields(said)}, nil
}

// Close removes the container.
func (r *Resolver) Close(ctx context.Context) error { return r.c.Remove(ctx) }

// askApt prints a line for each package that has to be installed for the
// relations $1 and the names that follow. Relations are those of a package made
// here. The weaker hashes that an index may have too are not wanted. What was
// downloaded before would not be printed.
const askApt = `rm -f ` + archives + `/*.deb
relations=$1
shift
if [ -n "$relations" ]; then
	dir=/tmp/` + requestPackage + `
	mkdir -p "$dir/DEBIAN"
	printf 'Package: ` + requestPackage + `\nVersion: 0\nArchitecture: %s\nMaintainer: pybake\nDepends: %s\nDescription: a request\n' \
		"$(dpkg --print-architecture)" "$relations" > "$dir/DEBIAN/control"
	dpkg-deb -Znone --build "$dir" "$dir.deb" > /dev/null
	set -- "$dir.deb" "$@"
fi
apt-get install -y --print-uris -o Acquire::ForceHash=SHA256 ` + aptOptions + ` "$@"`

const requestPackage = "pybake-request"

// Resolve finds what has to be installed on the base for a request, with the
// hashes that the distro's signed index has. It is what [Maker.Resolve] finds,
// but nothing is downloaded. Sorted by name. The error is an
// *[UnresolvableError] if it is apt that has no answer.
func (r *Resolver) Resolve(ctx context.Context, q Request) ([]project.Package, error) {
	if err := q.check(); err != nil {
		return nil, &UnresolvableError{r.t, q, err}
	}
	if len(q.Names)+len(q.Relations) == 0 {
		return nil, nil
	}
	var out strings.Builder
	err := r.c.Exec(ctx, engine.Command{
		Argv: append([]string{"sh", "-euc", askApt, "sh", strings.Join(q.Relations, ", ")}, q.Names...), User: "0:0",
		Stdout: &out, Stderr: &out,
	})
	if exit, ok := errors.AsType[*engine.ExitError](err); ok {
		fmt.Fprint(r.m.Report.Output(), out.String())
		said := errors.New(lastErrors(out.String()))
		if !exit.OOM && !strings.Contains(out.String(), "No space left on device") {
			return nil, &UnresolvableError{r.t, q, said}
		}
		err = fmt.Errorf("%w: %w", said, err)
	}
	if err != nil {
		return nil, fmt.Errorf("resolve packages of %s: %w", r.t, err)
	}
	packages, err := parseURIs(out.String(), r.unsigned)
	if err != nil {
		return nil, &UnresolvableError{r.t, q, err}
	}
	return packages, nil
}

// The forms of a name on apt-get's command line, and of a relation (Debian
// policy 7.1) in a binary package. Nothing else may reach apt or a control file.
var (
	namePattern     = pattern.New(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[0-9][A-Za-z0-9.+:~-]*)?$`)
	relationPattern = pattern.New(`^` + oneRelation + `( *\| *` + oneRelation + `)*$`)
)

const oneRelation = `[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?( *\( *(<<|<=|=|>=|>>) *[0-9][A-Za-z0-9.+:~-]* *\))?`

func (q Request) check() error {
	for _, name := range q.Names {
		if !namePattern.MatchString(name) {
			return fmt.Errorf("request %q: want NAME or NAME=VERSION", name)
		}
	}
	for _, relation := range q.Relations {
		if !relationPattern.MatchString(relation) {
			return fmt.Errorf("request %q: want a relation such as %q", relation, "libc6 (>= 2.36)")
		}
	}
	return nil
}

// uriLine is what apt prints for a file that it would fetch:
//
//	'http://deb.example.org/debian/pool/main/m/make-dfsg/make_4.4.1-2_amd64.deb' make_4.4.1-2_amd64.deb 463104 SHA256:70a9…
var uriLine = pattern.New(`(?m)^'([^']*)' (\S+) [0-9]+ (\S*)$`)

// parseURIs reads them.
func parseURIs(out string, unsigned []string) ([]project.Package, error) {
	var packages []project.Package
	for _, m := range uriLine.FindAllStringSubmatch(out, -1) {
		uri, name := m[1], m[2]
		p, err := parseDebName(name)
		if err != nil {
			return nil, err
		}
		if p.Name == requestPackage {
			continue
		}
		if slices.ContainsFunc(unsigned, func(archive string) bool { return strings.HasPrefix(uri, archive) }) {
			return nil, fmt.Errorf("%s comes from an archive that is not signed", name)
		}
		digits, ok := strings.CutPrefix(m[3], "SHA256:")
		p.Digest = "sha256:" + digits
		if _, err := p.MarshalText(); err != nil || !ok {
			return nil, fmt.Errorf("%s: no SHA-256 in the index (%q)", name, m[3])
		}
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b project.Package) int { return strings.Compare(a.Name, b.Name) })
	return packages, nil
}

// Fetch downloads what is not in the cache yet of packages that Resolve found.
// The error is an *[UnresolvableError] if the archive answers, but without them.
func (r *Resolver) Fetch(ctx context.Context, packages []project.Package) error {
	var missing []project.Package
	var q Request
	for _, p := range packages {
		if _, err := r.m.cached(ctx, p); err != nil && !slices.Contains(missing, p) {
			missing = append(missing, p)
			q.Names = append(q.Names, p.Name+"="+p.Version)
		}
	}
	if len(missing) == 0 {
		return ctx.Err()
	}
	err := r.m.download(ctx, r.t, r.c, missing)
	if errors.As(err, new(*MovedError)) || errors.As(err, new(*engine.ExitError)) && onlyAbsent(err.Error()) {
		return &UnresolvableError{r.t, q, err}
	}
	return err
}

var failedFetch = pattern.New(`Failed to fetch \S+ +(404|410)?`)

// onlyAbsent is whether apt complains of files that the archive does not have,
// which happens while a mirror is updated, and of no others.
func onlyAbsent(said string) bool {
	failed := failedFetch.FindAllStringSubmatch(said, -1)
	return len(failed) > 0 && !slices.ContainsFunc(failed, func(m []string) bool { return m[1] == "" })
}
