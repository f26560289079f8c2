package sdist

import (
	"os"
	"strings"
	"testing"
)

func TestReadProject(t *testing.T) {
	system := func(backend string, requires ...string) string {
		return "[build-system]\nrequires = [\"" + strings.Join(requires, `", "`) + "\"]\nbuild-backend = \"" + backend + "\"\n"
	}
	const dynamic = "[project]\nname = \"Web.Shop\"\ndynamic = [\"version\"]\n"
	for _, c := range []struct {
		name      string
		pyproject string
		setupCfg  string
		setupPy   string
		want      Project
	}{
		{"static", system("flit_core.buildapi", "flit_core") + "[project]\nname = \"Web.Shop\"\nversion = \"1\"\n", "", "", Project{Name: "web-shop"}},
		{"setup.py alone", "", "", "setup(name='shop')", Project{}},
		{"setup.cfg", "", "[metadata]\nname = Web_Shop\nversion = 1\n[options]\nname = x\n", "setup()", Project{Name: "web-shop"}},
		{"setup.cfg without the section", "", "[options]\nname = x\n", "setup()", Project{}},
		{"a name that is none", system("poetry.core.masonry.api", "poetry-core") + "[tool.poetry]\nname = \"a b\"\n", "", "", Project{}},
		{"poetry", system("poetry.core.masonry.api", "poetry-core") + "[tool.poetry]\nname = \"shop\"\nversion = \"1\"\n", "", "", Project{Name: "shop"}},
		{
			"setuptools-scm", system("setuptools.build_meta", "setuptools", "setuptools_scm[toml]>=8") + dynamic + "[tool.setuptools_scm]\n", "", "",
			Project{"web-shop", setuptoolsSCM},
		},
		{"setuptools-scm without table", system("setuptools.build_meta", "setuptools-scm[simple]") + dynamic, "", "", Project{"web-shop", setuptoolsSCM}},
		{
			"setuptools-scm for its files alone", system("setuptools.build_meta", "setuptools-scm") + dynamic + "[tool.setuptools.dynamic]\nversion = {attr = \"shop.v\"}\n",
			"", "", Project{Name: "web-shop"},
		},
		{
			"a static version beside setuptools-scm", system("setuptools.build_meta", "setuptools-scm") + "[project]\nname = \"shop\"\nversion = \"1\"\n[tool.setuptools_scm]\n",
			"", "", Project{Name: "shop"},
		},
		{"use_scm_version", "", "", "setup(use_scm_version=True, setup_requires=['setuptools_scm'])", Project{VCS: setuptoolsSCM}},
		{"setuptools with an attribute", system("setuptools.build_meta", "setuptools") + dynamic, "", "", Project{Name: "web-shop"}},
		{"hatch-vcs", system("hatchling.build", "hatchling", "hatch-vcs") + dynamic + "[tool.hatch.version]\nsource = \"vcs\"\n", "", "", Project{"web-shop", setuptoolsSCM}},
		{"hatch with a file", system("hatchling.build", "hatchling") + dynamic + "[tool.hatch.version]\npath = \"a.py\"\n", "", "", Project{Name: "web-shop"}},
		{
			"uv-dynamic-versioning", system("hatchling.build", "hatchling", "uv-dynamic-versioning") + dynamic + "[tool.hatch.version]\nsource = \"uv-dynamic-versioning\"\n",
			"", "", Project{"web-shop", uvDynamic},
		},
		{"flit-scm", system("flit_scm:buildapi", "flit_scm") + dynamic, "", "", Project{"web-shop", setuptoolsSCM}},
		{"pdm", system("pdm.backend", "pdm-backend") + dynamic + "[tool.pdm.version]\nsource = \"scm\"\n", "", "", Project{"web-shop", pdmSCM}},
		{"pdm with a file", system("pdm.backend", "pdm-backend") + dynamic + "[tool.pdm.version]\nsource = \"file\"\n", "", "", Project{Name: "web-shop"}},
		{
			"scikit-build-core", system("scikit_build_core.build", "scikit-build-core", "setuptools-scm") + dynamic +
				"[tool.scikit-build]\nmetadata.version.provider = \"scikit_build_core.metadata.setuptools_scm\"\n", "", "", Project{"web-shop", setuptoolsSCM},
		},
		{
			"poetry-dynamic-versioning", system("poetry_dynamic_versioning.backend", "poetry-core", "poetry-dynamic-versioning") +
				"[tool.poetry]\nname = \"shop\"\nversion = \"0.0.0\"\n[tool.poetry-dynamic-versioning]\nenable = true\n", "", "", Project{"shop", poetryDynamic},
		},
		{
			"poetry-dynamic-versioning turned off", system("poetry_dynamic_versioning.backend", "poetry-dynamic-versioning") +
				"[tool.poetry]\nname = \"shop\"\nversion = \"1\"\n", "", "", Project{Name: "shop"},
		},
		{"versioneer", system("setuptools.build_meta", "setuptools", "versioneer") + dynamic + "[tool.versioneer]\nVCS = \"git\"\n", "", "", Project{"web-shop", versioneer}},
		{"versioneer of old", "", "[versioneer]\nVCS = git\n", "setup()", Project{VCS: versioneer}},
	} {
		root := t.TempDir()
		for file, text := range map[string]string{"pyproject.toml": c.pyproject, "setup.cfg": c.setupCfg, "setup.py": c.setupPy} {
			if text != "" {
				put(t, root, "a/"+file, text)
			}
		}
		got, err := ReadProject(os.DirFS(root), "a")
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

func TestReadProjectBad(t *testing.T) {
	root := t.TempDir()
	put(t, root, "empty/setup.cfg", "[metadata]\nname = a\n")
	put(t, root, "syntax/pyproject.toml", "[project\n")
	put(t, root, "table/pyproject.toml", "[build-system]\nbuild-backend = 3\n")
	put(t, root, "huge/pyproject.toml", strings.Repeat("# long\n", 1<<20))
	put(t, root, "link/x", "")
	if err := os.Symlink("/etc/passwd", root+"/link/pyproject.toml"); err != nil {
		t.Fatal(err)
	}
	put(t, root, "linked/real.py", "")
	if err := os.Symlink("real.py", root+"/linked/setup.py"); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"empty":        "empty: nothing that builds: neither pyproject.toml nor setup.py",
		"syntax":       "syntax/pyproject.toml:1:",
		"table":        "table/pyproject.toml:2:17: build-system.build-backend: want a string",
		"huge":         `huge: "pyproject.toml": has more than`,
		"link":         `link: "pyproject.toml": is no regular file`,
		"none":         "none: no such file or directory",
		"empty/x/../x": "want one within the project",
		"../a":         "want one within the project",
		"link/x":       "link/x: is not a directory",
	} {
		if _, err := ReadProject(os.DirFS(root), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
	}
	if _, err := ReadProject(os.DirFS(root), "linked"); err != nil {
		t.Errorf("a link for setup.py: %v", err)
	}
}
