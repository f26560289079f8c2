package recipes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSuiteOn puts what is known on a distro over what is known on all.
func TestSuiteOn(t *testing.T) {
	set, err := load(t, map[string]string{"python/3.13.toml": `
[suite]
files = ["test_json"]
[suite.skip]
test_winreg = "needs another world"
[suite.distros.bookworm]
skip = { test_json = "too old there" }
fail = { "test.test_x.A.test_y" = "broken there" }
`})
	if err != nil {
		t.Fatal(err)
	}
	series, err := set.Series("3.13")
	if err != nil {
		t.Fatal(err)
	}
	everywhere, there := series.Suite.On("trixie"), series.Suite.On("bookworm")
	if everywhere.Skip["test_winreg"] != "needs another world" || everywhere.Skip["test_kqueue"] != "needs BSD" || everywhere.Skip["test_json"] != "" {
		t.Errorf("on trixie %q", everywhere.Skip)
	}
	everywhere.Skip["test_json"] = "too old there"
	if diff := cmp.Diff(everywhere.Skip, there.Skip); diff != "" {
		t.Errorf("on bookworm: %s", diff)
	}
	if there.Fail["test.test_x.A.test_y"] != "broken there" || everywhere.Fail["test.test_x.A.test_y"] != "" || len(everywhere.Fail) == 0 {
		t.Errorf("fail: on bookworm %q, on trixie %q", there.Fail, everywhere.Fail)
	}
}
