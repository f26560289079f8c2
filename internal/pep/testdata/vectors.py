"""Writes the answers of pypa/packaging that the tests of internal/pep compare with.

    python3 vectors.py > vectors.json          needs packaging, of the version that
                                               vectors.json names, to write it again
    python3 vectors.py --harvest DIR > strings.json
                                               collects the strings that the tests of
                                               packaging use, from its unpacked sdist
    python3 vectors.py --random SEED > /tmp/random.json
                                               the same as the first, from other random
                                               strings: see TestVectors

Only inputs and answers are taken from packaging. The strings are put to every
parser, whatever they were meant for. Where pep differs on purpose (see doc.go),
the string is left out for that parser.
"""

import ast
import itertools
import json
import pathlib
import random
import re
import sys

import packaging
from packaging import _manylinux, _musllinux, tags, utils
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

HERE = pathlib.Path(__file__).parent

VARIABLES = [
    "implementation_name", "implementation_version", "os_name", "platform_machine",
    "platform_release", "platform_system", "platform_version", "python_full_version",
    "platform_python_implementation", "python_version", "sys_platform", "extra",
    "os.name", "sys.platform", "platform.version", "platform.machine",
    "platform.python_implementation", "python_implementation",
    "extras", "dependency_groups",
]
OPERATORS = ["===", "==", ">=", "<=", "!=", "~=", ">", "<", "in", "not in"]
VALUES = [
    "", "3", "3.9", "3.13", "3.13.0", "3.13.5", "3.13.*", "3.9.2", "3.12.0rc1", "3.15", "=3.13",
    "3.9,3.13", "3.13 3.14", "2.7", "5.10.0-21-amd64", "5.10", "6", "6.1.0+local", "1!3", "23.1.0",
    "posix", "nt", "linux", "Linux", "linux2", "win32", "darwin", "cpython", "CPython", "PyPy",
    "pypy", "x86_64", "aarch64", "x86_64 aarch64", "test", "Test", "S_P__A_M", "s-p-a-m", "dev",
    "dog", "os_name", "extra", "extras", "#1 SMP Debian 5.10.0-21", "a'b",
]
ENVIRONMENTS = [
    dict(implementation_name="cpython", implementation_version="3.13.5", os_name="posix",
         platform_machine="x86_64", platform_python_implementation="CPython",
         platform_release="", platform_system="Linux", platform_version="",
         python_full_version="3.13.5", python_version="3.13", sys_platform="linux"),
    dict(implementation_name="cpython", implementation_version="3.9.2", os_name="posix",
         platform_machine="aarch64", platform_python_implementation="CPython",
         platform_release="5.10.0-21-amd64", platform_system="Linux",
         platform_version="#1 SMP Debian 5.10.0-21", python_full_version="3.9.2",
         python_version="3.9", sys_platform="linux"),
    dict(implementation_name="cpython", implementation_version="3.12.0rc1", os_name="nt",
         platform_machine="AMD64", platform_python_implementation="CPython",
         platform_release="10", platform_system="Windows", platform_version="10.0.19045",
         python_full_version="3.12.0rc1", python_version="3.12", sys_platform="win32"),
    dict(implementation_name="pypy", implementation_version="7.3.13", os_name="posix",
         platform_machine="x86_64", platform_python_implementation="PyPy",
         platform_release="6.1.0+local", platform_system="Linux", platform_version="#39",
         python_full_version="3.10.13", python_version="3.10", sys_platform="linux"),
    dict(implementation_name="cpython", implementation_version="3.15.0a1", os_name="posix",
         platform_machine="arm64", platform_python_implementation="CPython",
         platform_release="23.1.0", platform_system="Darwin",
         platform_version="Darwin Kernel Version 23.1.0", python_full_version="3.15.0a1+",
         python_version="3.15", sys_platform="darwin"),
]
CONTEXTS = [
    dict(extra=""),
    dict(extra="test"),
    dict(extra="S_P__A_M"),
    dict(extras=["Test", "s.p.a.m"], groups=[]),
    dict(extras=[], groups=["dev", "TEST"]),
]
TARGETS = [
    dict(python=[3, 13], free=False, arch="x86_64", glibc=[2, 41], musl=[0, 0]),
    dict(python=[3, 13], free=True, arch="x86_64", glibc=[2, 41], musl=[0, 0]),
    dict(python=[3, 14], free=True, arch="aarch64", glibc=[2, 36], musl=[0, 0]),
    dict(python=[3, 9], free=False, arch="x86_64", glibc=[2, 31], musl=[0, 0]),
    dict(python=[3, 9], free=False, arch="aarch64", glibc=[2, 17], musl=[0, 0]),
    dict(python=[3, 10], free=False, arch="aarch64", glibc=[2, 16], musl=[0, 0]),
    dict(python=[3, 7], free=False, arch="i686", glibc=[2, 28], musl=[0, 0]),
    dict(python=[3, 11], free=False, arch="armv7l", glibc=[2, 36], musl=[0, 0]),
    dict(python=[3, 11], free=False, arch="armv8l", glibc=[2, 36], musl=[0, 0]),
    dict(python=[3, 12], free=False, arch="ppc64le", glibc=[2, 39], musl=[0, 0]),
    dict(python=[3, 12], free=False, arch="s390x", glibc=[2, 39], musl=[0, 0]),
    dict(python=[3, 12], free=False, arch="riscv64", glibc=[2, 39], musl=[0, 0]),
    dict(python=[3, 12], free=False, arch="loongarch64", glibc=[2, 39], musl=[0, 0]),
    dict(python=[3, 12], free=False, arch="sparc64", glibc=[2, 39], musl=[0, 0]),
    dict(python=[3, 12], free=False, arch="x86_64", glibc=[3, 2], musl=[0, 0]),
    dict(python=[3, 13], free=False, arch="x86_64", glibc=[0, 0], musl=[1, 2]),
    dict(python=[3, 2], free=False, arch="x86_64", glibc=[2, 5], musl=[0, 0]),
]
FILE_NAMES = [
    "foo-1.0-py3-none-any.whl", "Foo.Bar_Baz-1.0.0-py2.py3-none-any.whl", "foo-1.0-1-py3-none-any.whl",
    "foo-1.0-007abc-py3-none-any.whl", "foo-1.0-abc-py3-none-any.whl", "foo-1.0--py3-none-any.whl",
    "foo-2.1+cpu-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "foo-1.0-cp39-abi3-musllinux_1_2_aarch64.whl", "foo-1.0-CP39-ABI3-Linux_X86_64.whl",
    "foo-1.0-py3-none-any.WHL", "foo__bar-1.0-py3-none-any.whl", "foo-1.0-py3-none.whl",
    "foo-1.0-py3-none-any-x-y.whl", "foo-x-py3-none-any.whl", "foo-1.0-3py-none-any.whl",
    "foo-1.0-py3.-none-any.whl", "foo-1.0-py3-none-.whl", "-1.0-py3-none-any.whl", "fö-1.0-py3-none-any.whl",
    "foo bar-1.0-py3-none-any.whl", "foo-1!2.0-py3-none-any.whl", "foo-1.0.post1-py3-none-any.whl",
    "foo-1.0.tar.gz", "Foo_Bar-1.0.zip", "foo-bar-1.0.tar.gz", "foo-3.2.3-2.tar.gz", "foo-2.1+cpu.tar.gz",
    "foo-1.0.TAR.GZ", "foo-1.0", "foo.tar.gz", "-1.0.tar.gz", "foo-.tar.gz", "foo-x.tar.gz", "foo--1.0.zip",
    "foo-1.0rc1.tar.gz", "foo-v1.0.tar.gz", "foo-1.0 .tar.gz",
]
NAMES = ["Foo", "foo.bar", "Foo.....Bar", "foo_-_bar", "_foo", "foo_", "-", "", "a", "A", "9", "é", "a b", "a/b"]
REQUIREMENTS = [
    "foo", " foo ", "foo\t", "foo\n", "foo_", "foo-", "foo.", "_foo", "fo o", "foo[]", "foo[ ]", "foo[a,b]",
    "foo [ a , B_c ]", "foo[a b]", "foo[a,]", "foo[,a]", "foo[a", "foo[a]]", "foo>=1", "foo >= 1 , < 2", "foo>=1,",
    "foo,>=1", "foo>=1,,<2", "foo()", "foo( )", "foo(>=1)", "foo (>=1,<2) ; os_name=='nt'", "foo(>=1", "foo>=1)",
    "foo 1.0", "foo=1.0", "foo=>1", "foo~=1", "foo~=1.0", "foo~=1.0.*", "foo>=1.*", "foo==1.*", "foo==1.0a1.*",
    "foo>=1.0+x", "foo==1.0+x", "foo===any thing", "foo===a,>=1", "foo===a,b", "foo===a, >=1", "foo===;os_name=='nt'",
    "foo(===x)", "foo==\n1.0", "foo==1.0\n", "foo @ https://example.org/foo.zip", "foo@https://example.org/foo.zip",
    "foo @https://example.org/foo.zip;os_name=='nt'", "foo @ https://example.org/foo.zip ; os_name=='nt'",
    "foo @ https://example.org/foo.zip ;", "foo @ ", "foo @ x y", "foo[a] @ x", "foo>=1 @ x", "foo @ x >=1", "foo @ ./x",
    "foo; os_name == 'nt'", "foo;os_name=='nt'and os_name=='x'or(os_name=='y')", "foo;", "foo; ", "foo>=1 os_name=='nt'",
    "foo; (os_name=='nt')", "foo; ((os_name=='nt' or os_name=='x'))", "foo; (os_name=='nt' and (os_name=='x')) or os_name=='y'",
    "foo; os_name not in 'nt'", "foo; os_name notin 'nt'", "foo; os_name not\tin'nt'", "foo; os_name in'nt'", "foo; 'nt'in os_name",
    "foo; os_name", "foo; os_name ==", "foo; 'nt'", "foo; os_name = 'nt'", "foo; os_name == nt", "foo; os_name == \"n't\"",
    "foo; platform.release == 'x'", "foo; os.name=='x'", "foo; extra == 'A__b'", "foo; 'A.b' in extras",
    "foo; os_name == 'nt' AND os_name == 'x'", "foo; os_name == 'nt' and", "foo; and os_name == 'nt'", "foo; ()",
    "foo; os_name == 'a\nb'", "foo; os_name == 'unended", "foo==1.0;python_version<'3'", "foo==1.0 ;python_version<'3' ",
    "foo <1 ;python_version<'3'", "foo!=1.0.*", "foo==v1.0", "foo==1!2.0.*", "foo==1.0.dev1.*", "foo<=1.0.*", "foo ~= 1.0 , != 1.0.3",
]


class Strings(random.Random):
    """Random strings of each kind, and others that are nearly right."""

    def number(self):
        return self.choice(["0", "1", "2", "3", "9", "10", "01", "2024", "20240131235959999999999"])

    def version(self):
        sep = lambda: self.choice(["", "", ".", "-", "_"])
        v = ".".join(self.number() for _ in range(self.randint(1, 4)))
        if self.random() < 0.15:
            v = self.choice(["0", "1", "2"]) + "!" + v
        if self.random() < 0.35:
            v += sep() + self.choice(["a", "b", "rc", "c", "alpha", "beta", "pre", "preview", "RC", "Alpha"])
            v += sep() + self.choice([self.number(), ""])
        if self.random() < 0.3:
            post = sep() + self.choice(["post", "rev", "r", "POST"]) + sep() + self.choice([self.number(), ""])
            v += self.choice(["-" + self.number(), post, post])
        if self.random() < 0.25:
            v += sep() + self.choice(["dev", "DEV"]) + sep() + self.choice([self.number(), ""])
        if self.random() < 0.2:
            v += "+" + self.choice([".", "-", "_"]).join(
                self.choice(["abc", "ABC", "1", "01", "ubuntu", "g1a2b", "0"]) for _ in range(self.randint(1, 3)))
        return self.choice(["", "", "", "", "v", "V", " "]) + v + self.choice(["", "", "", "", " ", "\t", "\n"])

    def specifier(self):
        op = self.choice(["==", "!=", ">=", "<=", ">", "<", "~=", "==="])
        return op + self.choice(["", " "]) + self.version().strip() + self.choice(["", "", "", ".*"])

    def comparison(self):
        sides = [self.choice(VARIABLES), repr(self.choice(VALUES))]
        if self.random() < 0.04:
            sides[self.randint(0, 1)] = self.choice(VARIABLES)
        if self.random() < 0.02:
            sides[0] = sides[1]
        if self.random() < 0.4:
            sides.reverse()
        sep = " " if self.random() < 0.8 else self.choice(["", "\t", "  "])
        return sep.join([sides[0], self.choice(OPERATORS), sides[1]])

    def marker(self, depth=0):
        if depth > 2 or self.random() < 0.4:
            return self.comparison()
        m = self.choice([" and ", " or "]).join(self.marker(depth + 1) for _ in range(self.randint(1, 3)))
        return "(" + m + ")" if self.random() < 0.5 else m

    def requirement(self):
        r = self.choice(["foo", "Foo.Bar", "a-b_c", "x1"]) + self.choice(["", "", " ", "[a]", "[a, B_c]"])
        specs = self.choice([",", ", "]).join(self.specifier() for _ in range(self.randint(0, 3)))
        r += self.choice([specs, specs, "(" + specs + ")", " @ https://example.org/x-1.zip#sha256=0a "])
        return r + self.choice(["", "; " + self.marker(), " ;" + self.marker()])

    def dist(self):
        name = self.choice(["foo", "Foo.Bar", "a_b", "x1", "foo_bar.baz", "A", "7z", "é", "a__b", "_a"])
        return name if self.random() < 0.9 else name.replace("_", "-")

    def tag(self):
        some = lambda *parts: ".".join(self.choice(parts) for _ in range(self.choice([1, 1, 1, 2, 3])))
        return "-".join([
            some("py3", "py2", "cp313", "cp39", "CP311", "pp310", "cp313t", "py313", "3", ""),
            some("none", "abi3", "cp313", "cp313t", "cp27mu", "CP39", "pypy310_pp73", ""),
            some("any", "linux_x86_64", "manylinux_2_17_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64",
                 "Win_AMD64", "macosx_11_0_universal2", "ios_13_0_arm64_iphoneos", "")])

    def wheel(self):
        build = self.choice(["", "", "", "-1", "-2abc", "-007", "-1_2", "-b1"])
        return self.dist() + "-" + self.version().strip().replace("-", "_") + build + "-" + self.tag() + ".whl"

    def sdist(self):
        return self.dist() + "-" + self.version().strip() + self.choice([".tar.gz", ".tar.gz", ".zip"])

    def damaged(self, s):
        for _ in range(self.randint(1, 2)):
            i = self.randint(0, len(s))
            s = s[:i] + self.choice([*"!.-_+*v0a ()[],;<>=~\"'@\n\té", "dev", "rc1", ".*", "post"])[: self.randint(0, 5)] \
                + s[i + self.randint(0, 1):]
        return s

    def all(self):
        for make, count in [(self.version, 900), (self.specifier, 900), (self.marker, 400), (self.requirement, 500)]:
            made = [make() for _ in range(count)]
            yield from made
            yield from (self.damaged(s) for s in made)
        for s in FILE_NAMES * 8 + NAMES * 2 + REQUIREMENTS * 4:
            yield self.damaged(s)
        for make, count in [(self.wheel, 250), (self.sdist, 250), (self.tag, 150)]:
            made = [make() for _ in range(count)]
            yield from made
            yield from (self.damaged(s) for s in made[::3])


def harvest(sdist):
    """The strings of the tests, without prose and without addresses of real hosts."""
    found = set()
    for name in ["version", "specifiers", "requirements", "markers", "tags", "utils"]:
        for node in ast.walk(ast.parse(pathlib.Path(sdist, "tests", "test_%s.py" % name).read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    prose = re.compile(r"[A-Za-z]{2,}('s)? [A-Za-z]{2,} [A-Za-z]{2,}( |$)")
    operator = re.compile(r"[=<>~@;]| in ")
    return sorted(
        s for s in found
        if encodable(s) and len(s) <= 120 and (not prose.search(s) or operator.search(s))
        and not ("``" in s or "packaging." in s or s.count(" ") > 3 and s.endswith("."))
        and ("://" not in s or "example" in s))


def encodable(s):
    try:
        s.encode()
    except UnicodeEncodeError:
        return False
    return True


SKIP = object()


def ask_version(s):
    v = Version(s)
    return [str(v), utils.canonicalize_version(v), v.public, v.base_version, v.local or "", v.is_prerelease]


def ask_specifier(s):
    sp = Specifier(s)
    return [sp.operator, sp.version, str(sp), bool(sp.prereleases)]


def ask_specifiers(s):
    sp = SpecifierSet(s)
    return [str(sp), bool(sp.prereleases)]


def ask_marker(s):
    if "\\" in s or "'" in s and '"' in s and "\n" in s:
        return SKIP
    m = str(Marker(s))
    return SKIP if "\n" in m else m


def ask_requirement(s):
    if "\\" in s:
        return SKIP
    r = Requirement(s)
    if r.url and not r.url.isprintable():
        return SKIP
    return [r.name, sorted(r.extras), str(r.specifier), r.url or "", str(r.marker or ""), str(r)]


def ask_wheel(s):
    name, version, build, found = utils.parse_wheel_filename(s)
    if any(c.isspace() for c in s) or not all(str(tag).isascii() for tag in found):
        return SKIP
    return [name, str(version), list(build), sorted(map(str, found))]


def ask_sdist(s):
    name, version = utils.parse_sdist_filename(s)
    try:
        utils.canonicalize_name(s[: s.rindex("-")], validate=True)
    except utils.InvalidName:
        return SKIP
    return [name, str(version)]


def ask_tag(s):
    found = sorted(map(str, tags.parse_tag(s)))
    return found if s.isascii() and not any(c.isspace() for c in s) else SKIP


def ask_name(s):
    return utils.canonicalize_name(s, validate=True)


def answers(ask, strings):
    """What ask says about each string: valid {index: answer} and skipped [index]."""
    valid, skipped = {}, []
    for i, s in enumerate(strings):
        try:
            answer = ask(s)
        except Exception:  # refused, in one way or another
            continue
        if answer is SKIP:
            skipped.append(i)
        else:
            valid[i] = answer
    return {"valid": valid, "skipped": skipped}


def order(versions):
    ranked = sorted(set(versions), key=lambda s: (Version(s), s))
    return [list(group) for _, group in itertools.groupby(ranked, key=Version)]


def bits(values):
    return "".join("1" if v else "0" for v in values)


def contains(specs, versions):
    """For each set of specifiers, whether it holds each version: as text, and without prereleases."""
    rows = {}
    for spec in specs:
        s = SpecifierSet(spec)
        rows[spec] = [bits(s.contains(v) for v in versions), bits(s.contains(v, prereleases=False) for v in versions)]
    return rows


def filters(rng, specs, versions):
    """What each set of specifiers lets through of some versions by default, with and without prereleases."""
    rows = []
    for spec in specs:
        some = rng.sample(range(len(versions)), rng.choice([2, 4, 12]))
        given = [Version(versions[i]) for i in some]
        s = SpecifierSet(spec)
        kept = [[some[next(k for k, g in enumerate(given) if g is v)] for v in s.filter(given, prereleases=pre)]
                for pre in (None, True, False)]
        rows.append([spec, some, kept])
    return rows


def evaluate(marker):
    out = ""
    for env, context in itertools.product(ENVIRONMENTS, CONTEXTS):
        if "extras" in context:
            env = env | dict(extras=set(context["extras"]), dependency_groups=set(context["groups"]))
        else:
            env = env | context
        try:
            out += "01"[Marker(marker).evaluate(env, "lock_file" if "extras" in context else "metadata")]
        except Exception:
            out += "e"
    return out


def target_tags(t):
    python, arch = tuple(t["python"]), t["arch"]
    glibc, musl = tuple(t["glibc"]), tuple(t["musl"])
    _manylinux._get_glibc_version = lambda: glibc if glibc[0] else (-1, -1)
    _manylinux._get_manylinux_module = lambda: None
    _manylinux._have_compatible_abi = lambda _, archs: bool(
        set(archs) & (_manylinux._ALLOWED_ARCHS | {"armv7l", "i686"}))
    _musllinux._get_musl_version = lambda _: _musllinux._MuslVersion(*musl) if musl[0] else None
    tags.sysconfig.get_platform = lambda: "linux-" + arch
    platforms = list(tags._linux_platforms(is_32bit=False))
    cp = "cp%d%d" % python
    abi = cp + ("t" if t["free"] else "m" if python < (3, 8) else "")
    found = [*tags.cpython_tags(python, [abi], platforms), *tags.compatible_tags(python, cp, platforms)]
    # [interpreter, ABI, "any" or "" for each of platforms in turn]
    groups = []
    for (interpreter, abi, anywhere), _ in itertools.groupby(
            found, key=lambda g: (g.interpreter, g.abi, "any" if g.platform == "any" else "")):
        groups.append([interpreter, abi, anywhere])
    expanded = ["%s-%s-%s" % (i, a, p) for i, a, w in groups for p in ([w] if w else platforms)]
    assert expanded == list(map(str, found)), t
    return {"target": t, "platforms": platforms, "tags": groups}


def main():
    if sys.argv[1:2] == ["--harvest"]:
        json.dump(harvest(sys.argv[2]), sys.stdout, indent=0)
        return
    seed = sys.argv[2] if sys.argv[1:2] == ["--random"] else "pep"
    rng = Strings(seed)
    strings = json.loads((HERE / "strings.json").read_text())
    strings += FILE_NAMES + NAMES + REQUIREMENTS + [r.partition(";")[2].strip() for r in REQUIREMENTS]
    strings = list(dict.fromkeys(s for s in [*strings, *rng.all()] if encodable(s)))

    asks = {name[len("ask_"):]: ask for name, ask in globals().items() if name.startswith("ask_")}
    parsed = {name: answers(ask, strings) for name, ask in asks.items()}

    versions = [strings[i] for i in parsed["version"]["valid"]]
    chosen = rng.sample(versions, 120) + ["not a version", "1.0-", "3.2.3-2"]
    sets = [strings[i] for i in parsed["specifiers"]["valid"]]
    sets = rng.sample(sets, 600) + [",".join(rng.specifier() for _ in range(2)) for _ in range(200)]
    sets = [s for s in dict.fromkeys([*sets, ""]) if not answers(ask_specifiers, [s])["valid"] == {}]
    # Versions near those that the specifiers name, so that the answers are not all no.
    near = [v for v in ("%s%s" % pair for pair in itertools.product(
        ["1", "1.0", "1.0.0", "2.0", "2.1", "2.2.0", "1!1.0"],
        ["", "a1", "rc1", ".dev0", ".dev1", ".post0", ".post1", ".post1.dev1", "a1.post1", "+abc", "a1.dev1", ".post1+x"]))]
    near_sets = [op + v for op in ["==", "!=", "<", ">", "<=", ">=", "~=", "==="]
                 for v in near + ["1.*", "1.0.*", "2.1.*", "1!1.*"]]
    near_sets = [s for s in near_sets if answers(ask_specifiers, [s])["valid"]]
    near_sets += [",".join(rng.sample(near_sets, 2)) for _ in range(150)]

    comparisons = [rng.comparison() for _ in range(2500)]
    markers = comparisons + [rng.marker() for _ in range(700)] + [
        r"os_name == '\x70osix'", r"'\160\157\163ix' == os_name", r"os_name == 'po\u0073ix'", r"os_name != '\posix'",
        "os_name == 'po\\\nsix'", r"os_name == '\N{LATIN SMALL LETTER P}osix' or os_name == 'posi\N{'",
        '"posix" == "os_name"', '"linux" == "posix"', '"dev" in "dependency_groups"',
    ]
    markers = [m for m in dict.fromkeys(markers) if r"\N" not in m and answers(Marker, [m])["valid"]]

    out = {
        "packaging": packaging.__version__,
        "strings": strings,
        "parsed": parsed,
        "order": order(rng.sample(versions, min(len(versions), 400)) + near),
        "contains": [
            {"versions": chosen, "specs": contains(sets, chosen)},
            {"versions": near, "specs": contains(near_sets, near)},
        ],
        "filter": {"versions": near, "rows": filters(rng, near_sets, near)},
        "environments": ENVIRONMENTS,
        "contexts": CONTEXTS,
        "markers": {m: evaluate(m) for m in markers},
        "targets": [target_tags(t) for t in TARGETS],
    }
    # One entry a line, so that a difference can be read.
    def write(value, depth, f):
        if depth and isinstance(value, (dict, list)) and value:
            brackets = "{}" if isinstance(value, dict) else "[]"
            f.write(brackets[0] + "\n")
            for i, item in enumerate(value):
                f.write(",\n" if i else "")
                if isinstance(value, dict):
                    f.write(json.dumps(str(item)) + ": ")
                    item = value[item]
                write(item, depth - 1, f)
            f.write("\n" + brackets[1])
        else:
            json.dump(value, f, separators=(",", ":"))
    write(out, 2, sys.stdout)
    print()


if __name__ == "__main__":
    main()
