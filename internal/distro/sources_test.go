package distro

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/recipes"
)

func TestMirrored(t *testing.T) {
	const mirror = "https://mirror.example.org/debian"
	const plain = "Types: deb\nURIs: " + mirror + "\nSuites: trixie\nComponents: main contrib\n"
	target := Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}
	target.Distro.Base.Mmdebstrap.Components = []string{"main", "contrib"}
	tests := []struct {
		name, text string
		want       []string // texts
	}{
		{"nothing", "", []string{plain}},
		{
			"lines", "deb http://deb.example.org/debian trixie main\ndeb http://deb.example.org/debian trixie-updates main\n" +
				"deb-src http://deb.example.org/debian trixie main\n",
			[]string{plain, "deb http://deb.example.org/debian trixie-updates main\n"},
		},
		{
			"the keys stay", "deb [arch=amd64 signed-by=/k.gpg,/l.gpg] http://deb.example.org/debian trixie main\n",
			[]string{plain + "Signed-By: /k.gpg /l.gpg\n"},
		},
		{
			"stanzas", "Types: deb\nURIs: http://deb.example.org/debian\nSuites: trixie\n trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n xyz\n" +
				"\nTypes: deb\nURIs: http://deb.example.org/debian-security\nSuites: trixie-security\nComponents: main\n",
			[]string{
				plain + "Signed-By: \n -----BEGIN\n .\n xyz\n",
				"Types: deb\nURIs: http://deb.example.org/debian\nSuites: trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n xyz\n",
				"Types: deb\nURIs: http://deb.example.org/debian-security\nSuites: trixie-security\nComponents: main\n",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range mirrored(parseSources(tt.text), target, mirror) {
				got = append(got, e.text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := addresses(mirrored(parseSources("deb http://deb.example.org/debian trixie-updates main\n"), target, mirror)); got[0] != mirror {
		t.Errorf("the first of %q is not the mirror", got)
	}
}
