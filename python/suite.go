package python

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/recipes"
)

// suiteResult is what CPython's test suite (python -m test, "regrtest") came to:
// one run of all files, and a second, verbose one of those that failed. A file of
// tests has the name that regrtest gives it, "test_zlib" or
// "test.test_asyncio.test_events"; a test that of unittest,
// "test.test_zlib.ChecksumTestCase.test_crc32start".
type suiteResult struct {
	files   []string            // that ran or were skipped, sorted
	skipped map[string]string   // files of which no test ran, and why, if regrtest said so
	failed  map[string][]string // files that failed twice, and their tests that did; none: the file itself
	flaky   []string            // files that failed and passed in the second run, sorted
	tests   int                 // of the first run, skipped ones among them
	seen    map[string]bool     // the names of those that were not skipped
	skips   map[string][]string // tests that were skipped, by reason, without those of skipped files
}

// suiteRun is what one run printed.
type suiteRun struct {
	files  map[string][]string // that ran or were skipped, with the tests that failed, if it was verbose
	why    map[string]string   // files that were skipped: why
	blocks map[string][]string // files by what the summary says of them: "failed", "skipped", "run no tests"
}

var (
	// "0:00:08 load avg: 9.27 [ 2/480/1] test.test_asyncio.test_streams failed (1 error)"
	progressLine = pattern.New(`^[0-9:]+ (?:load avg: [0-9.]+ )?\[ *[0-9]+/[0-9]+(?:/[0-9]+)?\] ([A-Za-z0-9_.]+)(?: |$)`)
	// "FAIL: test_sub (test.test_json.A.test_sub) (i=0)", "ERROR: setUpModule (test.test_zlib)"
	failedLine  = pattern.New(`^(?:FAIL|ERROR|UNEXPECTED SUCCESS): ([A-Za-z0-9_]+) \(([A-Za-z0-9_.]+)\)`)
	skippedLine = pattern.New(`^([A-Za-z0-9_.]+) skipped -- (.*)$`)
	resultLine  = pattern.New(`^== Tests result: .* ==$`)
	// "12 tests skipped (resource denied):", with the names indented below
	blockLine = pattern.New(`^[0-9]+ tests? ([a-z -]+?)(?: \([a-z ]+\))?:$`)
)

// readRun reads what a run printed.
func readRun(output string) (*suiteRun, error) {
	lines := strings.Split(output, "\n")
	end := len(lines) - 1
	for end >= 0 && !resultLine.MatchString(lines[end]) {
		end--
	}
	if end < 0 {
		return nil, errors.New("it came to no result: " + tail(output))
	}
	r := &suiteRun{files: map[string][]string{}, why: map[string]string{}, blocks: readBlocks(lines[end:])}
	file := ""
	for _, line := range lines[:end] {
		if m := progressLine.FindStringSubmatch(line); m != nil {
			file = m[1]
			r.files[file] = append([]string{}, r.files[file]...)
		}
		if m := skippedLine.FindStringSubmatch(line); m != nil {
			r.why[m[1]] = m[2]
		}
		if m := failedLine.FindStringSubmatch(line); m != nil {
			test := m[2]
			if !strings.HasSuffix(test, "."+m[1]) {
				test += "." + m[1] // series before 3.11 leave it out
			}
			if !slices.Contains(r.files[file], test) {
				r.files[file] = append(r.files[file], test)
			}
		}
	}
	if left := r.blocks["omitted"]; len(left) > 0 {
		return nil, fmt.Errorf("it left out %d files of tests: %s", len(left), strings.Join(left, " "))
	}
	return r, nil
}

// readBlocks reads the lists of files at the end of the output, by what they are.
func readBlocks(lines []string) map[string][]string {
	blocks := map[string][]string{}
	name := ""
	for _, line := range lines {
		if m := blockLine.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if name != "" && strings.HasPrefix(line, "    ") {
			blocks[name] = append(blocks[name], strings.Fields(line)...)
		} else {
			name = ""
		}
	}
	return blocks
}

// newSuiteResult puts the runs together. again is nil if nothing had failed; junit
// is of the first.
func newSuiteResult(first, again *suiteRun, junit io.Reader) (*suiteResult, error) {
	r := &suiteResult{skipped: map[string]string{}, failed: map[string][]string{}, files: slices.Sorted(maps.Keys(first.files))}
	for _, file := range first.blocks["skipped"] {
		r.skipped[file] = first.why[file]
	}
	// So old series report a file whose setUpModule failed, too.
	for _, file := range first.blocks["run no tests"] {
		r.skipped[file] = "it ran no tests"
	}
	for _, file := range first.blocks["failed"] {
		if slices.Contains(again.blocks["failed"], file) {
			r.failed[file] = again.files[file]
		} else {
			r.flaky = append(r.flaky, file)
		}
	}
	slices.Sort(r.flaky)
	return r, r.readJUnit(junit)
}

// readJUnit counts tests and collects why some were skipped.
func (r *suiteResult) readJUnit(junit io.Reader) error {
	r.skips, r.seen = map[string][]string{}, map[string]bool{}
	var test string
	for d := xml.NewDecoder(junit); ; {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("results of the test suite: %w", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch element.Name.Local {
		case "testcase":
			test = ""
			for _, a := range element.Attr {
				if a.Name.Local == "name" {
					test = a.Value
					r.tests++
					r.seen[test] = true
				}
			}
		case "skipped":
			var reason string
			if err := d.DecodeElement(&reason, &element); err != nil {
				return fmt.Errorf("results of the test suite: %w", err)
			}
			r.skips[reason] = append(r.skips[reason], test)
			delete(r.seen, test)
		}
	}
}

// judge compares with what is known. Unexpected is what a recipe does not list:
// then the packages do not pass. Notes are what else should be said: what is
// listed and passes, and what passed only in a second run.
func (r *suiteResult) judge(known recipes.SuiteKnown) (unexpected, notes []string) {
	for _, file := range slices.Sorted(maps.Keys(r.failed)) {
		unexpected = append(unexpected, r.judgeFailed(file, known.Fail)...)
	}
	for _, file := range slices.Sorted(maps.Keys(r.skipped)) {
		if known.Skip[file] == "" {
			unexpected = append(unexpected, strings.TrimSuffix(fmt.Sprintf("%s: skipped: %s", file, r.skipped[file]), ": "))
		}
	}
	if len(r.flaky) > maxFlaky {
		unexpected = append(unexpected, fmt.Sprintf("%d files of tests failed and passed in a second run, more than %d", len(r.flaky), maxFlaky))
	}
	for _, file := range r.flaky {
		notes = append(notes, file+" failed and passed in a second run")
	}
	for _, name := range slices.Sorted(maps.Keys(known.Fail)) {
		if !r.fails(name) && r.ran(name) {
			notes = append(notes, fmt.Sprintf("%s passes, listed as failing: %s", name, known.Fail[name]))
		}
	}
	for _, file := range slices.Sorted(maps.Keys(known.Skip)) {
		if _, skipped := r.skipped[file]; !skipped && r.ran(file) {
			notes = append(notes, fmt.Sprintf("%s runs, listed as skipped: %s", file, known.Skip[file]))
		}
	}
	return unexpected, notes
}

// maxFlaky is how many files of tests may fail and pass in a second run.
const maxFlaky = 5

// judgeFailed are the tests of a file that failed and are not listed.
func (r *suiteResult) judgeFailed(file string, known map[string]string) (unexpected []string) {
	if known[file] != "" {
		return nil
	}
	if len(r.failed[file]) == 0 {
		return []string{file + ": failed as a whole: it crashed, timed out or could not be imported"}
	}
	for _, test := range r.failed[file] {
		if known[test] == "" {
			unexpected = append(unexpected, file+": "+test+" failed")
		}
	}
	return unexpected
}

// fails is whether a file or a test failed.
func (r *suiteResult) fails(name string) bool {
	if _, failed := r.failed[name]; failed {
		return true
	}
	for _, tests := range r.failed {
		if slices.Contains(tests, name) {
			return true
		}
	}
	return false
}

// ran is whether a file of tests, or a test, ran at all.
func (r *suiteResult) ran(name string) bool {
	_, skipped := r.skipped[name]
	return r.seen[name] || slices.Contains(r.files, name) && !skipped
}
