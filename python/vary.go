package python

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/nfpm"
)

// Variations are what can be other in a second build than in the first, and must
// not show in the packages:
//
//	directory  where the source, the staged tree and the build are
//	time       400 days later (libfaketime of the distro, preloaded; files keep their times)
//	zone       TZ of the job
//	locale     LC_ALL, LANG and LANGUAGE of the job
//	umask      077
//	host       the host name
//	user       who builds: a number that the system does not know
//	jobs       1 job, instead of as many as there are cores; 2 instead of 1
//	order      in which directories are read: backwards by name (a library that is
//	           compiled in the builder, preloaded)
//
// Whatever is varied, what a former job prepared is made again.
var Variations = []string{"directory", "time", "zone", "locale", "umask", "host", "user", "jobs", "order"}

// circumstances are those of a job; nil are the usual ones.
type circumstances struct {
	vary []string // of Variations
	fake []byte   // libfaketime.so.1, for the variation time
}

func (c *circumstances) varies(what string) bool { return c != nil && slices.Contains(c.vary, what) }

// place moves a path below jobDir to where it is under the circumstances.
func (c *circumstances) place(p string) string {
	if c.varies("directory") {
		return "/srv/somewhere/else-and-longer" + strings.TrimPrefix(p, jobDir)
	}
	return p
}

// uid is who builds.
func (c *circumstances) uid() int {
	if c.varies("user") {
		return 4242
	}
	return 1000
}

func (c *circumstances) user() string { return fmt.Sprintf("%d:%d", c.uid(), c.uid()) }

func (c *circumstances) host() string {
	if c.varies("host") {
		return "another-host"
	}
	return ""
}

// jobs is how many processes run at once, where there would be n.
func (c *circumstances) jobs(n int) int {
	switch {
	case !c.varies("jobs"):
		return n
	case n > 1:
		return 1
	}
	return 2
}

// home is a directory that belongs to who builds.
func (c *circumstances) home() string { return c.place(jobDir) + "/home" }

// environ is the environment of a job, where it would be env.
func (c *circumstances) environ(env []string) []string {
	var other []string
	if c.varies("zone") {
		other = append(other, "TZ=<-11>11")
	}
	if c.varies("locale") {
		other = append(other, "LC_ALL=C", "LANG=tr_TR.UTF-8", "LANGUAGE=tr")
	}
	if c.varies("user") {
		other = append(other, "HOME="+c.home(), "USER=somebody", "LOGNAME=somebody")
	}
	for _, e := range other {
		name, _, _ := strings.Cut(e, "=")
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	return append(env, other...)
}

// command is what runs argv as a step.
func (c *circumstances) command(argv []string) []string {
	if c.varies("umask") {
		argv = append([]string{"sh", "-c", `umask 077; exec "$@"`, "sh"}, argv...)
	}
	if preload := c.preload(); len(preload) > 0 {
		argv = append([]string{
			"env", "LD_PRELOAD=" + strings.Join(preload, ":"), "FAKETIME=+400d", "FAKETIME_DONT_RESET=1",
			"FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1",
		}, argv...)
	}
	return argv
}

// preload are the libraries that make the job see another time and order.
func (c *circumstances) preload() (paths []string) {
	if c.varies("time") {
		paths = append(paths, c.place(path.Join(jobDir, fakeTime)))
	}
	if c.varies("order") {
		paths = append(paths, c.place(path.Join(jobDir, disorder)))
	}
	return paths
}

// Files of a job's directory.
const (
	fakeTime = "libfaketime.so.1"
	disorder = "disorder.so"
)

// prepare makes in a job what its circumstances need, before anything else is there.
func (c *circumstances) prepare(ctx context.Context, j *job) error {
	if c == nil {
		return nil
	}
	err := j.put(ctx, func(w *tar.Writer) error {
		for _, dir := range []string{c.place(jobDir), c.home()} {
			h := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: 0o755, Uid: c.uid(), Gid: c.uid(), ModTime: time.Unix(0, 0)}
			if err := w.WriteHeader(h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var files []fetch.MemFile
	if c.varies("time") {
		files = append(files, fetch.MemFile{Name: fakeTime, Data: c.fake})
	}
	if c.varies("order") {
		files = append(files, fetch.MemFile{Name: "disorder.c", Data: disorderSource})
	}
	if err := j.putFiles(ctx, c.place(jobDir), files); err != nil {
		return err
	}
	if c.varies("order") {
		_, err = j.output(ctx, "gcc", "-O2", "-shared", "-fPIC", "-o", disorder, "disorder.c", "-ldl", "-pthread")
	}
	return err
}

// circumstances are such as differ from the usual ones in what is to vary.
func (b *Builder) circumstances(ctx context.Context, p *Plan, vary []string) (*circumstances, error) {
	c := &circumstances{vary: vary}
	if !c.varies("time") {
		return c, nil
	}
	pin, err := b.pinnedSet(ctx, p, runtimeSet, "libfaketime", []string{"libfaketime"}, nil)
	if err != nil {
		return nil, err
	}
	debs, err := b.Distros.Files(ctx, p.Target(), p.base, pin.Packages)
	if err != nil {
		return nil, err
	}
	for i, pkg := range pin.Packages {
		if pkg.Name == "libfaketime" {
			deb, err := os.Open(debs[i])
			if err != nil {
				return nil, err
			}
			defer deb.Close()
			c.fake, err = nfpm.ReadFile(deb, func(name string) bool { return path.Base(name) == fakeTime })
			return c, err
		}
	}
	return nil, fmt.Errorf("libfaketime is not among what %s installs for it", p.Distro.Codename)
}
