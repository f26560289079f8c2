package python

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
)

// checkHardening wants what the distro's flags ask of the linker.
func checkHardening(f elfFile) error {
	missing := slices.DeleteFunc(slices.Clone(f.elf.Missing), func(m string) bool { return m == elfcheck.NoBuildID })
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, ", "))
	}
	return nil
}

// checkRunPaths wants no library to be looked for in a directory of somebody
// else's choice.
func checkRunPaths(f elfFile) error {
	if stray := f.elf.StrayRunPaths(); len(stray) > 0 {
		return fmt.Errorf("run path %s", strings.Join(stray, ":"))
	}
	return nil
}

// checkGlibc wants no symbol that came after the distro's glibc ("2.41").
func checkGlibc(f elfFile, distro string) error {
	var is [2]int
	for i, n := range strings.SplitN(distro, ".", 2) {
		var err error
		if is[i], err = strconv.Atoi(n); err != nil {
			return err
		}
	}
	if asks := f.elf.GLIBC; slices.Compare(asks[:], is[:]) > 0 {
		return fmt.Errorf("asks for glibc %d.%d", asks[0], asks[1])
	}
	return nil
}

// alwaysFortified are the functions of libc whose calls fortified compilation
// replaces whatever their arguments are (glibc's bits/stdio2.h, bits/wchar2.h,
// bits/syslog.h and bits/setjmp2.h). Others, memcpy among them, it replaces
// only where the compiler knows the size of the object and not that of the
// data, so that a plain call of them says nothing.
var alwaysFortified = []string{
	"_longjmp", "asprintf", "dprintf", "fprintf", "fwprintf", "longjmp", "obstack_printf", "obstack_vprintf", "printf",
	"siglongjmp", "syslog", "vasprintf", "vdprintf", "vfprintf", "vfwprintf", "vprintf", "vsyslog", "vwprintf", "wprintf",
}

// fortified is whether a file calls a function with a check of the size.
func fortified(imports []string) bool {
	return slices.ContainsFunc(imports, func(s string) bool { return strings.HasPrefix(s, "__") && strings.HasSuffix(s, "_chk") })
}

// checkFortified finds what was compiled without _FORTIFY_SOURCE.
func checkFortified(imports []string) error {
	plain := slices.DeleteFunc(slices.Clone(imports), func(s string) bool { return !slices.Contains(alwaysFortified, s) })
	if len(plain) > 0 {
		return fmt.Errorf("calls %s, which fortified code never does", strings.Join(plain, ", "))
	}
	return nil
}

// startupImports are what the compiler's startup files call in every library,
// also in one that has no code of its own.
var startupImports = []string{"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__cxa_finalize", "__gmon_start__"}

// checkStack finds what was compiled without a stack protector. The debug
// information says so of every compilation unit, also of those with nothing to
// protect; without it, or with another compiler's, only a call of
// __stack_chk_fail does.
func checkStack(f elfFile) error {
	imports, err := elfcheck.Imports(f.Source)
	if err != nil {
		return err
	}
	var producers []string
	if f.debug != "" {
		if producers, err = elfcheck.Producers(f.debug); err != nil {
			return err
		}
	}
	for _, p := range producers {
		if !protected(p) {
			return fmt.Errorf("compiled without -fstack-protector-strong: %s", p)
		}
	}
	code := slices.ContainsFunc(imports, func(s string) bool { return !slices.Contains(startupImports, s) })
	told := len(producers) > 0 || !code
	if (f.core() || !told) && !slices.Contains(imports, "__stack_chk_fail") {
		return errors.New("has no __stack_chk_fail")
	}
	return nil
}

// protected is whether the last flag about it asks for a stack protector, as
// strong as the distro's or stronger.
func protected(producer string) bool {
	last := ""
	for _, flag := range strings.Fields(producer) {
		if strings.HasPrefix(flag, "-fstack-protector") || flag == "-fno-stack-protector" {
			last = flag
		}
	}
	return last == "-fstack-protector-strong" || last == "-fstack-protector-all"
}

// checkSymbols wants the detached symbols of a file where gdb looks for them,
// by its build id.
func checkSymbols(f elfFile) error {
	if f.elf.BuildID == "" {
		return errors.New(elfcheck.NoBuildID)
	}
	if f.debug == "" {
		return fmt.Errorf("%s is not in the symbol package", symbolFile(f.elf.BuildID))
	}
	id, err := elfcheck.BuildID(f.debug)
	if err == nil && id != f.elf.BuildID {
		err = fmt.Errorf("its build id is %s", id)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", symbolFile(f.elf.BuildID), err)
	}
	return nil
}

// orphans are the files of detached symbols that belong to no file.
func orphans(symbols map[string]string, elfs []elfFile) []string {
	left := maps.Clone(symbols)
	for _, f := range elfs {
		delete(left, symbolFile(f.elf.BuildID))
	}
	var out []string
	for _, path := range slices.Sorted(maps.Keys(left)) {
		out = append(out, path+": no file has this build id")
	}
	return out
}

// libraryGroup is what recipes call a package: "python" of pybake-python3.13,
// "libpython" of pybake-libpython3.13, "tk" of pybake-python3.13-tk.
func (p *Plan) libraryGroup(pkg string) string {
	switch rest := strings.TrimPrefix(pkg, "pybake-python"+p.label()); {
	case rest == "":
		return "python"
	case rest == pkg:
		return "libpython"
	default:
		return strings.TrimPrefix(rest, "-")
	}
}

// checkNeeded holds the libraries that files need against those that the
// recipes of distro and series have for the package.
func (p *Plan) checkNeeded(elfs []elfFile) (string, error) {
	needed := map[string]map[string]string{} // by group, the library to one file that needs it
	own := map[string]bool{}
	for _, f := range elfs {
		own[f.elf.Soname] = true
	}
	libraries := map[string]bool{}
	for _, f := range elfs {
		for _, library := range f.elf.Needed {
			if own[library] {
				continue
			}
			libraries[library] = true
			group := p.libraryGroup(f.pkg)
			if needed[group] == nil {
				needed[group] = map[string]string{}
			}
			needed[group][library] = f.Path
		}
	}
	if len(p.Distro.Libraries) == 0 {
		return "", p.noLibraries(needed)
	}
	var bad []string
	for _, group := range slices.Sorted(maps.Keys(needed)) {
		allowed := p.Distro.Libraries[group]
		if group == "python" {
			allowed = slices.Concat(allowed, p.Recipe.Libraries)
		}
		for _, library := range slices.Sorted(maps.Keys(needed[group])) {
			if !slices.Contains(allowed, library) {
				bad = append(bad, fmt.Sprintf("%s needs %s, which is not in libraries.%s of recipes/distros/%s.toml",
					needed[group][library], library, group, p.Distro.Codename))
			}
		}
	}
	return fmt.Sprintf("%d ELF files need %d libraries, all of the recipe's", len(elfs), len(libraries)), findings("libraries", bad)
}

// noLibraries says which lines the recipe of a distro lacks.
func (p *Plan) noLibraries(needed map[string]map[string]string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "recipes/distros/%s.toml does not say which libraries the packages may need; where these are right, add\n[libraries]\n", p.Distro.Codename)
	for _, group := range slices.Sorted(maps.Keys(needed)) {
		fmt.Fprintf(&b, "%s = [\"%s\"]\n", group, strings.Join(slices.Sorted(maps.Keys(needed[group])), `", "`))
	}
	return finding(strings.TrimSpace(b.String()))
}
