package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/oci"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/strict"
)

// imageFlags are the flags of pybake image.
type imageFlags struct {
	// An image that no file defines.
	python, distro, wheels, app        string
	extras, groups, noGroups, apt      []string
	entrypoint, cmd, env, ports, check []string
	user, workdir                      string
	init                               bool

	tags    []string
	outputs []string
	push    bool
	dryRun  bool
	frozen  bool
	repin   bool
	jobs    int
}

// adHoc are the flags that define an image.
var adHoc = []string{
	"python", "distro", "wheels", "app", "extra", "group", "no-group", "apt", "entrypoint", "cmd", "env", "port", "check", "user", "workdir", "init",
}

func (a *app) imageCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image [NAME...]",
		Short: "Make slim runtime images that hold neither a compiler nor pip",
		Long: `Image makes runtime images in layers: base, python, apt, wheels, app, files. Each
is made only when something that it is made of changed, and is shared between
images. Packages are installed from files that never enter the image; every
image is checked before it gets its tags. It prints a tag of each image.

NAME is a table [images.NAME] of pybake.toml, and brings the images that it
stands on. Without NAME, all images of the file are made; with --python,
--wheels, --app or the like instead, one image that no file describes:

  from distro: --distro; layers: --python, --apt, --wheels, --app

What is missing is made first: the Python, the wheelhouse of the lock, the wheel
of the project. The version of the project is that of its metadata or, where
these ask the repository for it, what git describe says. Of a lock with groups
for developers by default ("dev" of uv), these are left out unless groups or
--group names them.

--output writes the images that were named, beside the engine's copy:
  oci:DIR                an OCI image layout, of one image or more
  oci-archive:FILE       the same, as a tar
  docker-archive:FILE    for docker load

With --json: a list of {"name", "key", "origin": "built"|"found", "id",
"digest", "tags", "size", "layers": [{"name", "image", "key", "digest",
"diffID", "size", "unpacked", "origin", "why"}], "checks", "steps"}. With
--dry-run: a list of plans, {"name", "key", "layers": [{"name", "image", "key",
"inputs", "by", "origin", "why"}], "config", "tags", "inputs"}.`,
		Example: `  pybake image
  pybake image web --push
  pybake image --wheels uv.lock --app . --tag shop:1
  pybake image web --output docker-archive:shop.tar`,
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range adHoc {
				if len(args) > 0 && cmd.Flags().Changed(name) {
					return usagef("pybake image "+strings.Join(args, " "), "--%s is for an image that no file describes, and %s is in pybake.toml", name, args[0])
				}
			}
			defined := slices.ContainsFunc(adHoc, cmd.Flags().Changed)
			return a.image(cmd.Context(), args, defined, f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.python, "python", "", "the Python, as a `version` 3.13.5 or a series 3.13 (default: as for pybake wheels)")
	flags.StringVar(&f.distro, "distro", "", "the `codename` of the distro (default: pybake.toml's, else this machine's)")
	flags.StringVar(&f.wheels, "wheels", "", "the `lock` whose packages are installed")
	flags.StringVar(&f.app, "app", "", "the `directory` of the project to install")
	flags.StringArrayVar(&f.extras, "extra", nil, "an extra of the lock; may be repeated, as all of these")
	flags.StringArrayVar(&f.groups, "group", nil, "a dependency `group` of the lock")
	flags.StringArrayVar(&f.noGroups, "no-group", nil, "a dependency `group` to leave out")
	flags.StringArrayVar(&f.apt, "apt", nil, "a `package` of the distro")
	flags.StringArrayVar(&f.entrypoint, "entrypoint", nil, "a `word` of the command that runs")
	flags.StringArrayVar(&f.cmd, "cmd", nil, "a `word` of its default arguments")
	flags.StringArrayVar(&f.check, "check", nil, "a `word` of a command that has to exit with 0 in the finished image")
	flags.StringArrayVar(&f.env, "env", nil, "a variable, `NAME=VALUE`")
	flags.StringArrayVar(&f.ports, "port", nil, "a `port` that it listens at: 8080, 53/udp")
	flags.StringVar(&f.user, "user", "", "who runs: `app`, root or NAME:UID (default: app, with uid 1000)")
	flags.StringVar(&f.workdir, "workdir", "", "the working `directory` (default: the user's home)")
	flags.BoolVar(&f.init, "init", false, "tini is process 1 and forwards signals")
	flags.StringArrayVarP(&f.tags, "tag", "t", nil, "a `reference` to give it, instead of those of the file; for one NAME")
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, "where to write it too: oci:`DIR`, oci-archive:FILE, docker-archive:FILE")
	flags.BoolVar(&f.push, "push", false, "push it under its tags, with the credentials of docker login")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the layers, which would be made, and why; make no image, only the app's wheel")
	flags.BoolVar(&f.frozen, "frozen", false, "fail if something is not pinned yet")
	flags.BoolVar(&f.repin, "repin", false, "resolve what the images install of the distro anew, and pin what is found")
	flags.IntVarP(&f.jobs, "jobs", "j", 0, "`processes` at once (default: the engine's cores); changes nothing in the image")
	cmd.RegisterFlagCompletionFunc("distro", a.completeDistros)
	return cmd
}

func (a *app) completeImages(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	p, err := a.project()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return imageNames(p.AllImages()), cobra.ShellCompDirectiveNoFileComp
}

// image makes images, each after those that it stands on.
func (a *app) image(ctx context.Context, args []string, defined bool, f imageFlags) error {
	if f.repin && (f.frozen || f.dryRun || a.flags.offline) {
		return usagef("", "--repin excludes --frozen, --dry-run and --offline")
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	chosen, err := a.chosenImages(p, args, defined, f)
	if err != nil {
		return err
	}
	outputs, err := parseOutputs(f.outputs)
	if err != nil {
		return err
	}
	if many := len(args) > 1 || len(args) == 0 && len(chosen) > 1; many {
		for _, out := range outputs {
			if out.kind != "oci" {
				return usagef("", "--output %s:%s takes one image: say which, or use oci:DIR", out.kind, out.path)
			}
		}
	}
	run, err := a.newImageRun(p, f)
	if err != nil {
		return err
	}
	made, err := run.all(ctx, chosen, args, outputs)
	if err = ended(err, run.done()); err != nil && len(made)+len(run.plans) == 0 {
		return err
	}
	if f.dryRun {
		return errors.Join(err, run.printPlans())
	}
	return errors.Join(err, a.printImages(made))
}

// chosenImages are the images to make, each after those that it stands on.
func (a *app) chosenImages(p *project.Project, args []string, defined bool, f imageFlags) ([]project.Image, error) {
	all := p.AllImages()
	switch {
	case defined:
		one, err := a.adHocImage(p, f)
		if err == nil {
			err = checkTags(p, one)
		}
		return []project.Image{one}, err
	case len(args) == 0 && len(all) == 0:
		return nil, usagef("pybake image --python 3.13.5 --distro trixie --wheels requirements.lock --tag shop:1",
			"which image? pybake.toml has no [images.NAME], and no flag says what to install")
	}
	wanted := map[string]bool{}
	for _, name := range args {
		one, ok := p.ImageNamed(name)
		if !ok {
			return nil, a.noSuchImage(all, name)
		}
		for _, link := range one.Standing(p) {
			wanted[link.Name] = true
		}
	}
	if len(f.tags) > 0 && len(args) != 1 {
		return nil, usagef("", "--tag is for one image, and there are %d", max(len(args), len(all)))
	}
	for _, tag := range f.tags {
		if err := project.CheckTag(tag); err != nil {
			return nil, usagef("", "--tag %s: %w", tag, err)
		}
	}
	var chosen []project.Image
	for _, one := range all {
		if len(args) > 0 && !wanted[one.Name] {
			continue
		}
		if len(f.tags) > 0 && one.Name == args[0] {
			one.Tags = f.tags
		}
		if err := checkTags(p, one); err != nil {
			return nil, err
		}
		chosen = append(chosen, one)
	}
	return chosen, nil
}

// madeImage is what image --json prints.
type madeImage struct {
	Name   string            `json:"name"`
	Key    artifacts.Key     `json:"key"`
	Origin string            `json:"origin"` // "built" or "found"
	Dir    string            `json:"dir"`
	ID     string            `json:"id"`
	Digest string            `json:"digest"`
	Tags   []string          `json:"tags"`
	Size   int64             `json:"size"` // bytes, unpacked
	Layers []image.Reported  `json:"layers"`
	Checks []artifacts.Check `json:"checks"`
	Steps  []artifacts.Step  `json:"steps"`

	image *image.Image
	plan  *image.Plan
	req   image.Request
}

func (a *app) printImages(made []madeImage) error {
	if a.flags.json {
		return a.printJSON(made)
	}
	for _, m := range made {
		if m.Origin == "built" {
			writeLayers(a.display.lines(), m.Name, m.Layers, true)
		}
		if _, err := fmt.Fprintln(a.sys.stdout, m.Tags[0]); err != nil {
			return err
		}
	}
	return nil
}

// writeLayers prints the layers of an image, and what they take beside the base.
func writeLayers(w io.Writer, name string, layers []image.Reported, why bool) {
	rows := [][]string{{"layer", "of", "unpacked", "packed", "key", "", ""}}
	var all, base int64
	for _, l := range layers {
		row := []string{l.Name, l.Layer.Image, bytesText(l.Unpacked), bytesText(l.Size), l.Key.Short(), l.Origin, ""}
		if row[6] = l.By; why && l.Why != "" {
			row[6] = oneLine(l.Why)
		}
		rows = append(rows, row)
		if all += l.Unpacked; l.Name == "base" {
			base += l.Unpacked
		}
	}
	table(w, rows)
	fmt.Fprintf(w, "%s: %s, %s of them above the base\n", name, bytesText(all), bytesText(all-base))
}

// output is a place that an image is written to.
type output struct{ kind, path string }

func parseOutputs(values []string) ([]output, error) {
	var out []output
	for _, value := range values {
		kind, path, ok := strings.Cut(value, ":")
		if !ok || path == "" || !slices.Contains([]string{"oci", "oci-archive", "docker-archive"}, kind) {
			return nil, usagef("", "--output %s: want oci:DIR, oci-archive:FILE or docker-archive:FILE", value)
		}
		out = append(out, output{kind, path})
	}
	return out, nil
}

// deliver writes an image where it is wanted beside the engine.
func (r *imageRun) deliver(ctx context.Context, m *madeImage, outputs []output) error {
	img := m.image.OCI()
	for _, out := range outputs {
		err := func() (err error) {
			end := r.a.display.Step("write " + out.path)
			defer func() { end(err) }()
			switch out.kind {
			case "oci":
				return img.WriteLayout(ctx, r.a.path(out.path), m.Tags...)
			case "oci-archive":
				return r.a.writeOutput(out.path, func(w io.Writer) error { return img.WriteLayoutTar(ctx, w, m.Tags) })
			}
			return r.a.writeOutput(out.path, func(w io.Writer) error { return img.WriteDockerArchive(ctx, w, m.Tags) })
		}()
		if err != nil {
			return err
		}
	}
	if !r.flags.push {
		return nil
	}
	end := r.a.display.Step("push " + strings.Join(m.Tags, " "))
	err := img.Push(ctx, m.Tags, oci.Options{Keychain: authn.DefaultKeychain, Transport: r.a.httpClient().Transport})
	end(err)
	if oci.IsUnauthorized(err) {
		host, _, _ := strings.Cut(m.Tags[0], "/")
		return &advised{err, statusFailed, "docker login " + host}
	}
	return err
}

func (a *app) noSuchImage(all []project.Image, name string) error {
	hint := a.nearImage(all, name)
	if len(all) == 0 {
		return usagef(hint, "image %s: pybake.toml has no [images.%s]", name, name)
	}
	return usagef(hint, "image %s: pybake.toml has %s", name, strings.Join(imageNames(all), ", "))
}

func imageNames(all []project.Image) (names []string) {
	for _, one := range all {
		names = append(names, one.Name)
	}
	return names
}

// nearImage is the command with the image that was likely meant, or "".
func (a *app) nearImage(all []project.Image, name string) string {
	if near := strict.Near(name, imageNames(all)); len(near) > 0 {
		return corrected(a.args, name, near[0], "")
	}
	return ""
}

// plannedImage is what image --dry-run --json prints a list of.
type plannedImage struct {
	*image.Plan
	Layers []plannedLayer `json:"layers"`
}

// plannedLayer is a layer of a plan, and what would become of it.
type plannedLayer struct {
	*image.Planned
	Origin string `json:"origin"`        // "built" or "reused"
	Why    string `json:"why,omitempty"` // it would be made
}

// printPlans prints the layers of images that are not made.
func (r *imageRun) printPlans() error {
	all := []plannedImage{}
	for _, plan := range r.plans {
		one := plannedImage{Plan: plan}
		for i, l := range image.Preview(r.store, plan) {
			one.Layers = append(one.Layers, plannedLayer{plan.Layers[i], l.Origin, l.Why})
		}
		all = append(all, one)
	}
	if r.a.flags.json {
		return r.a.printJSON(all)
	}
	for _, one := range all {
		rows := [][]string{{"layer", "of", "key", "", ""}}
		for _, l := range one.Layers {
			row := []string{l.Name, l.Image, l.Key.Short(), "in the store", l.By}
			if l.Origin == "built" {
				row[3], row[4] = "to be made", oneLine(l.Why)
			}
			rows = append(rows, row)
		}
		if err := table(r.a.sys.stdout, rows); err != nil {
			return err
		}
	}
	return nil
}
