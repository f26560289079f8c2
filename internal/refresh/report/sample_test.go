package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// sample is a project of some artifacts over some nights, the same every time.
// Artifacts come four to a row, on two distros, but one alone.
func sample(artifacts, nights int) []Night {
	r := rand.New(rand.NewPCG(uint64(artifacts), uint64(nights)))
	all := matrix(artifacts)
	size := make([]int64, len(all))
	for i := range size {
		size[i] = 30_000_000 + r.Int64N(20_000_000)
	}
	since := map[string]time.Time{}
	var out []Night
	for k := range nights {
		began := time.Date(2026, 7, 12, 2, 0, 0, 0, time.UTC).AddDate(0, 0, k-nights+1)
		n := Night{
			Project: "shop", Started: began, Generation: k + 1, Signed: true, URL: "https://baked.example.org/",
			Notes: []string{"Python 3.9 has had no security fixes since 2025-10-31.", "no wheels legacy.lock 3.13 bookworm amd64: the lock does not take Python 3.13.5"},
		}
		// Every fourth night a package of a distro moves, the newest night too.
		moved := (nights-1-k)%4 == 0 && k > 0
		if moved {
			n.Moves = []string{
				"openssl 3.0.17-1 → 3.0.18-1 in bookworm (base image)", "libssl3 3.0.17-1 → 3.0.18-1 in bookworm (base image)",
				"gcc-14 14.2.0-19 → 14.2.0-20 in trixie (toolchain)", "setuptools 80.9.0 → 80.10.1 (builds psycopg2 2.9.10)",
			}
		}
		seconds := 0.0
		down := map[string]bool{}
		for i, base := range all {
			a := base
			a.State, a.Compared = Fresh, 143
			a.Key = strings.Repeat(fmt.Sprintf("%016x", uint64(i+1)*0x9e3779b97f4a7c15), 4)
			a.Checks, a.Passed = 24, 24
			if k == 0 || moved && a.Column == "bookworm" && r.IntN(4) == 0 {
				a.State, a.Reasons = Rebuilt, []string{"builder.package.openssl 3.0.17-1 → 3.0.18-1"}
				if k == 0 {
					a.Reasons = []string{"not in the store"}
				}
				a.Seconds = 20 + r.Float64()*300
				size[i] += r.Int64N(600_000) - 300_000
			}
			fails := len(all) > 1 && (i == len(all)/3 && k >= nights-1 || i == len(all)/2 && k >= nights-3) && k > 0
			for _, need := range a.Needs {
				if down[need] && k > 0 {
					a.State, a.Reasons, a.Error = Stale, []string{need + " comes first"}, "what it needs is not there: "+need+" failed"
				}
			}
			if fails {
				a.State, a.Seconds, a.Reasons = Failed, 33.4, []string{"builder.package.gcc-14 14.2.0-19 → 14.2.0-20"}
				a.Error = "build psycopg2 2.9.10: error: command '/usr/bin/gcc' failed with exit code 1"
				a.Tail = strings.Split(logTail, "\n")
				a.Log = "logs/" + strings.ReplaceAll(a.Name, " ", "-") + ".txt"
			}
			if a.State == Failed || a.State == Stale {
				if since[a.Name].IsZero() {
					since[a.Name] = began
				}
				a.Since, down[a.Name], a.Checks, a.Passed = since[a.Name], true, 0, 0
			}
			a.Size = size[i]
			seconds += a.Seconds
			n.Artifacts = append(n.Artifacts, a)
		}
		n.Finished = began.Add(time.Duration(seconds/2+12) * time.Second)
		out = append([]Night{n}, out...)
	}
	return out
}

// matrix are some artifacts without anything that a night adds.
func matrix(total int) (all []Artifact) {
	pythons := []string{"3.13", "3.12", "3.11", "3.10"}
	distros := []string{"trixie", "bookworm"}
	add := func(a Artifact) {
		if len(all) < total {
			all = append(all, a)
		}
	}
	for _, py := range pythons {
		for _, d := range distros {
			add(Artifact{
				Name: "python " + py + " " + d + " amd64", Kind: "python", Row: "python " + py, Column: d,
				Links: []Link{{"pybake-python" + py + "_" + py + ".5-2_amd64.deb", "../pool/5f/5f1c/x.deb"}, {"pybake-python" + py + "-venv_" + py + ".5-2_all.deb", "../pool/5e/5e1c/y.deb"}},
			})
		}
	}
	locks := total/8 + 1
	for l := range locks {
		lock := []string{"requirements.lock", "uv.lock", "jobs/worker/requirements.lock"}[l%3]
		if l >= 3 {
			lock = fmt.Sprintf("services/team-%02d/requirements.lock", l)
		}
		for _, py := range pythons {
			for _, d := range distros {
				if len(all) >= total-2 {
					continue
				}
				add(Artifact{
					Name: "wheels " + lock + " " + py + " " + d + " amd64", Kind: "wheels", Row: lock + " on " + py, Column: d,
					Needs: []string{"python " + py + " " + d + " amd64"},
					Links: []Link{{"simple index", "../simple/" + d + "/" + py + "/"}, {"wheelhouse", "../pool/5d/5d1c/house.tar"}},
				})
			}
		}
	}
	for _, d := range distros {
		add(Artifact{
			Name: "image web " + d + " amd64", Kind: "image", Row: "image web", Column: d,
			Needs: []string{"python 3.13 " + d + " amd64", "wheels requirements.lock 3.13 " + d + " amd64"},
		})
	}
	return all
}

const logTail = `  running build_ext
  building 'psycopg2._psycopg' extension
  creating build/temp.linux-x86_64-cpython-313/psycopg
  gcc -fno-strict-overflow -Wsign-compare -DNDEBUG -g -O3 -Wall -fPIC -DPSYCOPG_VERSION="2.9.10 (dt dec pq3 ext lo64)" -DPSYCOPG_DEBUG=1 -I. -I/opt/python/3.13/include/python3.13 -I/usr/include/postgresql -c psycopg/adapter_asis.c -o build/temp.linux-x86_64-cpython-313/psycopg/adapter_asis.o
  In file included from psycopg/adapter_asis.c:28:
  ./psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory
     36 | #include <libpq-fe.h>
        |          ^~~~~~~~~~~~
  compilation terminated.
  error: command '/usr/bin/gcc' failed with exit code 1
  ERROR Backend subprocess exited when trying to invoke build_wheel`

// evil is text that wants to be something else.
const evil = "<script>alert(1)</script>\"'`&{{.}}\x1b[31mred\x1b[0m\x1b]8;;http://evil.example\x07link\x00\x07\b\u202egnp.exe\xff\xfe\u2028]]>"

// hostile are two nights where everything is as bad as it can be.
func hostile() []Night {
	long := strings.Repeat("very-long-", 500)
	bad := Artifact{
		Name: "wheels " + evil, Kind: evil, Row: evil, Column: evil, State: Failed, Key: evil,
		Reasons: []string{evil, long, evil, "", evil, evil}, Compared: -1, Error: evil + "\nsecond line\r\n" + long,
		Tail: []string{"10%\r50%\r100% done\r\n", evil, "tab\there", long, ""}, Log: "javascript:alert(1)", Size: -5, Seconds: math.NaN(),
		Checks: 3, Passed: 30, Needs: []string{"wheels " + evil, "nobody"},
		Links: []Link{{evil, "javascript:alert(1)"}, {"host", "//evil.example/x"}, {"data", "data:text/html,x"}, {"path", "/etc/passwd"}, {"good", "../pool/a b/ü.deb?x=<1>"}, {"", ""}},
	}
	same := bad
	same.Name = "wheels " + evil + "\r"
	named := Artifact{Name: "failures", State: Stale, Error: "x", Log: "/var/log/x", Needs: []string{"matrix"}}
	cycle := Artifact{Name: "matrix", Kind: "image", State: "<b>", Needs: []string{"failures"}, Seconds: math.Inf(1)}
	twice := Artifact{Name: "matrix", Kind: "image", State: Fresh}
	twin := Artifact{Name: "MATRIX", Kind: "python", State: Rebuilt, Seconds: 1e12, Size: math.MaxInt64 / 4}
	longName := Artifact{Name: long, Row: long, Column: long, State: Rebuilt}
	n := Night{
		Project: evil, URL: "javascript:alert(1)", Generation: 3, Moves: []string{evil, long}, Trouble: []string{evil, long}, Notes: []string{evil, long},
		Started: time.Date(2026, 7, 12, 2, 0, 0, 5, time.FixedZone("x", 3600)), Finished: time.Date(2026, 7, 11, 2, 0, 0, 0, time.UTC),
		Artifacts: []Artifact{bad, same, named, cycle, twice, twin, longName},
	}
	before := n
	before.Started = before.Started.AddDate(0, 0, -1)
	return []Night{n, before}
}
