package project

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
)

// Image is a table [images.NAME]: a runtime image.
type Image struct {
	Name    string `toml:"-"` // "web"; of a variant "web-tests"
	Variant string `toml:"-"` // "tests"; empty for what is no variant

	From       string             `toml:"from"`       // "trixie", or the name of another image of the file
	Apt        []string           `toml:"apt"`        // packages of the distro: "libpq5"
	Python     string             `toml:"python"`     // "3.13.5" or "3.13"; or empty
	Wheels     string             `toml:"wheels"`     // a lock: "requirements.lock", within the directory of pybake.toml; or empty
	Extras     []string           `toml:"extras"`     // of that lock: "postgres"
	Groups     []string           `toml:"groups"`     // of that lock: "tests"
	NoGroups   []string           `toml:"no-groups"`  // not these
	App        string             `toml:"app"`        // directory to install: ".", within the directory of pybake.toml; or empty
	Files      map[string]string  `toml:"files"`      // "/etc/shop/prod.toml": "conf/prod.toml", likewise
	Entrypoint []string           `toml:"entrypoint"` // "gunicorn", "shop:app"; nil if it is not given
	Cmd        []string           `toml:"cmd"`        // "--bind", "0.0.0.0:8080"; likewise
	User       string             `toml:"user"`       // "app", "root", "shop:2000"; or empty
	Workdir    string             `toml:"workdir"`    // "/srv"; or empty
	Env        map[string]string  `toml:"env"`        // "PORT": "8080"
	Ports      []string           `toml:"ports"`      // "8080", "53/udp"
	Labels     map[string]string  `toml:"labels"`     // "org.example.team": "shop"
	Init       bool               `toml:"init"`       // process 1 is tini, which forwards signals
	Check      []string           `toml:"check"`      // has to exit 0 in the finished image: "shop", "--version"
	Keep       []string           `toml:"keep"`       // what is not slimmed away: "tests", "typing"
	Tags       []string           `toml:"tags"`       // "registry.example.org/shop:{version}"
	MaxSize    map[string]Size    `toml:"max-size"`   // by name of a layer, or "total"
	Variants   map[string]Variant `toml:"variants"`   // by name: "tests"
	Run        *Run               `toml:"run"`        // nil if it is not given
	Runs       map[string]Run     `toml:"runs"`       // by name: "migrate"

	origin map[string]string // of a variant: what is its own, "apt[2]": "variants.tests.apt[0]"
}

// Variant is a table [images.NAME.variants.VARIANT]: an image NAME-VARIANT that
// has everything of NAME but its tags, and this.
type Variant struct {
	Apt        []string          `toml:"apt"`
	Extras     []string          `toml:"extras"`
	Groups     []string          `toml:"groups"`    // also takes these out of NAME's no-groups
	NoGroups   []string          `toml:"no-groups"` // also takes these out of NAME's groups
	Files      map[string]string `toml:"files"`
	Entrypoint []string          `toml:"entrypoint"` // instead of NAME's
	Cmd        []string          `toml:"cmd"`        // likewise
	Env        map[string]string `toml:"env"`
	Labels     map[string]string `toml:"labels"`
	Check      []string          `toml:"check"` // instead of NAME's
	Keep       []string          `toml:"keep"`
	Tags       []string          `toml:"tags"`
}

// AllImages are the images of the file, variants among them as images of their
// own, each after the one it stands on, else by name. Each has a tag:
// NAME:latest where the file gives none.
func (p *Project) AllImages() []Image {
	var all []Image
	done := map[string]bool{}
	for _, name := range p.imageNames() {
		var chain []Image
		image, ok := p.ImageNamed(name)
		for ok && !done[image.Name] {
			chain, done[image.Name] = append(chain, image), true
			image, ok = p.ImageNamed(image.From)
		}
		slices.Reverse(chain)
		all = append(all, chain...)
	}
	return all
}

// imageNames are the names of all images, sorted.
func (p *Project) imageNames() []string {
	names := slices.Collect(maps.Keys(p.Images))
	for name, image := range p.Images {
		for variant := range image.Variants {
			names = append(names, name+"-"+variant)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ImageNamed is the image or variant of that name, as AllImages has it.
func (p *Project) ImageNamed(name string) (Image, bool) {
	image, ok := p.Images[name]
	image.Name = name
	for i := 0; i < len(name) && !ok; i++ {
		if name[i] != '-' {
			continue
		}
		base := p.Images[name[:i]]
		if variant, found := base.Variants[name[i+1:]]; found {
			base.Name = name[:i]
			image, ok = base.with(name[i+1:], variant), true
		}
	}
	if len(image.Tags) == 0 {
		image.Tags = []string{name + ":latest"}
	}
	return image, ok
}

// with is a variant of an image.
func (i Image) with(name string, v Variant) Image {
	m := merger{variant: keyOf("variants", name), origin: map[string]string{}}
	i.Apt = m.list("apt", asIs, i.Apt, v.Apt, nil)
	i.Extras = m.list("extras", pep.NormalizeName, i.Extras, v.Extras, nil)
	i.Groups, i.NoGroups = m.list("groups", pep.NormalizeName, i.Groups, v.Groups, v.NoGroups),
		m.list("no-groups", pep.NormalizeName, i.NoGroups, v.NoGroups, v.Groups)
	i.Files = m.table("files", i.Files, v.Files)
	if v.Entrypoint != nil { // comes without the arguments and the check of the other
		i.Cmd, i.Check = nil, nil
	}
	i.Entrypoint = m.other("entrypoint", i.Entrypoint, v.Entrypoint)
	i.Cmd = m.other("cmd", i.Cmd, v.Cmd)
	i.Env = m.table("env", i.Env, v.Env)
	i.Labels = m.table("labels", i.Labels, v.Labels)
	i.Check = m.other("check", i.Check, v.Check)
	i.Keep = m.list("keep", asIs, i.Keep, v.Keep, nil)
	i.Tags = v.Tags
	m.origin["tags"] = m.variant + ".tags"
	i.Name, i.Variant, i.Variants, i.origin = i.Name+"-"+name, name, nil, m.origin
	return i
}

// merger makes the fields of a variant, and notes where what is not at the same
// key of its image stands.
type merger struct {
	variant string            // "variants.tests"
	origin  map[string]string // "apt[2]": "variants.tests.apt[0]"
}

// list is base without some names, then those of own that it lacks.
func (m merger) list(field string, same func(string) string, base, own, without []string) []string {
	m.other(field, nil, own)
	seen := map[string]bool{}
	for _, name := range without {
		seen[same(name)] = true
	}
	var list []string
	add := func(from string, names []string) {
		for n, name := range names {
			if !seen[same(name)] {
				m.origin[fmt.Sprintf("%s[%d]", field, len(list))] = fmt.Sprintf("%s[%d]", from, n)
				list = append(list, name)
			}
		}
	}
	add(field, base)
	for _, name := range list {
		seen[same(name)] = true
	}
	add(m.variant+"."+field, own)
	return list
}

// table is base with the entries of own.
func (m merger) table(field string, base, own map[string]string) map[string]string {
	if len(own) == 0 {
		return base
	}
	m.origin[field] = m.variant + "." + field
	table := maps.Clone(base)
	if table == nil {
		table = map[string]string{}
	}
	for name, value := range own {
		table[name] = value
		m.origin[keyOf(field, name)] = keyOf(m.variant+"."+field, name)
	}
	return table
}

// other is own, or base where that is not given.
func (m merger) other(field string, base, own []string) []string {
	if own == nil {
		return base
	}
	m.origin[field] = m.variant + "." + field
	return own
}

func asIs(s string) string { return s }

// Standing is the chain that ends with the image: first the one right above
// the distro.
func (i Image) Standing(p *Project) []Image {
	chain := []Image{i}
	seen := map[string]bool{i.Name: true}
	for {
		below, ok := p.ImageNamed(chain[len(chain)-1].From)
		if !ok || seen[below.Name] { // Load lets no cycle pass
			slices.Reverse(chain)
			return chain
		}
		chain, seen[below.Name] = append(chain, below), true
	}
}

// Distro is the codename at the bottom of the chain: "trixie". Whether that is
// known is for the recipes to say.
func (i Image) Distro(p *Project) string { return i.Standing(p)[0].From }

// Key is the key of a field in the file, for [Project.At]: of "from" it is
// "images.web.from", of what a variant has of its own, such as "apt" or
// "apt[2]", "images.web.variants.tests.apt[0]". An entry of a table is written
// as in TOML: "env.PORT", `files."/etc/shop"`.
func (i Image) Key(field string) string {
	table := keyOf("images", strings.TrimSuffix(i.Name, "-"+i.Variant))
	if i.Variant == "" {
		table = keyOf("images", i.Name)
	}
	if own, ok := i.origin[field]; ok {
		return table + "." + own
	}
	if list, index, ok := strings.Cut(field, "["); ok && i.origin[list] != "" {
		return table + "." + i.origin[list] + "[" + index
	}
	return table + "." + field
}

var barePattern = pattern.New(`^[A-Za-z0-9_-]+$`)

// keyOf is the key of a part of a table: images.web, env."A.B".
func keyOf(table, part string) string {
	if !barePattern.MatchString(part) {
		part = strconv.Quote(part)
	}
	return table + "." + part
}
