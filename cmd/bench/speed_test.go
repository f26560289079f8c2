package main

import (
	"strings"
	"testing"
)

func TestPrintSpeeds(t *testing.T) {
	speeds := []*speed{
		{Name: "-c pass", Start: true, Seconds: [][]float64{{0.009}, {0.010}, {0.008}}},
		{Name: "json", Seconds: [][]float64{{0.004, 0.002, 0.003}, {0.004, 0.008, 0.004}, {0.008}}},
		{Name: "logging", Patched: true, Seconds: [][]float64{{4e-6}, {1e-6}, {4e-6}}},
		{Name: "float", Seconds: [][]float64{{8e-8}, {4e-8}, {0.00000016}}},
	}
	var out strings.Builder
	if err := printSpeeds(&out, speeds); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
BENCHMARK       PYBAKE         / Debian               / docker-library
json            2 ms (3 ms)    0.500 (0.750)          0.250 (0.375)
logging         4 µs (4 µs)    4.000 (4.000) patched  1.000 (1.000)
float           80 ns (80 ns)  2.000 (2.000)          0.500 (0.500)
geometric mean                 1.000 (1.225)          0.500 (0.572)
-c pass         9 ms (9 ms)    0.900 (0.900)          1.125 (1.125)
Debian: 2 benchmarks, geometric mean 1.000, target ≤ 0.95: missed
Debian: every benchmark ≤ 1.05: missed by float 2.000
Debian: start ≤ 1.00: met
docker-library: 3 benchmarks, geometric mean 0.500, target ≤ 0.90: met
docker-library: every benchmark ≤ 1.05: met
docker-library: start ≤ 1.00: missed by -c pass 1.125
`, "\n")
	if out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestBenchmarksOnly(t *testing.T) {
	b := &interpreterBench{names: "json,xml"}
	got, err := b.benchmarks()
	if err != nil || strings.Join(got, " ") != "json_dumps json_loads xml_etree" {
		t.Errorf("%q, %v", got, err)
	}
	b.names = ""
	if all, err := b.benchmarks(); err != nil || len(all) < 30 {
		t.Errorf("%q, %v", all, err)
	}
	b.names = "no-such"
	if got, err := b.benchmarks(); err == nil {
		t.Errorf("%q", got)
	}
}

// TestSlimRecipe: what the recipe of docker-library says on another distro and for an older series.
func TestSlimRecipe(t *testing.T) {
	text, err := testdata.ReadFile("testdata/slim.dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range releases() {
		got := r.slimRecipe(string(text))
		old, other := r.series != "3.13", r.distro != distro
		if strings.Contains(got, "-fno-omit-frame-pointer") == old || strings.Contains(got, "apt-get dist-clean") == other {
			t.Errorf("%s on %s:\n%s", r.version, r.distro, got)
		}
		if !strings.Contains(got, "\n\tmake -j \"$nproc\" \\\n") || !strings.Contains(got, "--with-lto") {
			t.Errorf("%s on %s lacks the build:\n%s", r.version, r.distro, got)
		}
	}
}
