"""The proof of a wheelhouse, in a clean container.

    python3.13 house.py install|use CONFIG RESULTS

install, as root, makes the virtual environment and installs the house into it;
use, as an ordinary user, uses what is installed. CONFIG is a JSON object:
  python   the interpreter: "/opt/python/3.13/bin/python3.13"
  venv     where the environment is made: "/venv"
  house    the directory of the wheels, with requirements.txt
  tmp      a directory of the user, for home directories and bytecode
  jobs     processes at once
  limit    seconds that the imports of a wheel may take
  wheels   what the Go side knows of each wheel, see facts.go
  skip     {wheel: {module: reason}}: modules that cannot be imported here, with all below them
  absent   {wheel: {library: reason}}: shared libraries, by names or patterns, that need not be there
  strays   top-level modules that nobody owns: that they do not import is noted only

RESULTS becomes a JSON array of {"name", "ok", "seconds", "detail"}, written anew after each check. A detail has a
line for each thing that was found.

    house.py child FD

imports for the parent: it reads a JSON array of items from its standard input and writes lines to the file FD.
"""
import concurrent.futures
import fnmatch
import importlib
import importlib.metadata
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

PIP = 1800  # seconds that pip may take
LDD = 300  # seconds that ldd may take for some files
LEFT_OUT = "left out: "
COMPILERS = "gcc g++ cc c++ c99 clang cpp ld gold as make cmake rustc cargo go".split()


class Checks:
    """The results, kept in a file."""

    def __init__(self, path):
        self.path = path
        self.done = []

    def run(self, name, check):
        """Runs a check, which returns what it found wrong and what else there is to say, and is true if all is well."""
        start = time.time()
        try:
            problems, notes = check()
        except Exception:
            problems, notes = [traceback.format_exc().strip()], []
        lines = problems + notes
        self.done.append({"name": "house: " + name, "ok": not problems, "seconds": time.time() - start, "detail": "\n".join(lines)})
        with open(self.path + ".new", "w") as f:
            json.dump(self.done, f)
        os.rename(self.path + ".new", self.path)
        return not problems


def clip(text, size=1000):
    text = text.strip()
    return text if len(text) <= size else text[: size // 2] + " … " + text[-size // 2 :]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def plural(n, what):
    return "%d %s%s" % (n, what, "" if n == 1 else "s")


class Install:
    def __init__(self, config, checks):
        self.config, self.checks = config, checks
        self.venv_python = config["venv"] + "/bin/python"
        self.before = {}
        self.tags = None  # that pip takes

    def main(self):
        run = self.checks.run
        self.user()
        run("no compiler", self.compiler)
        if not run("installs by pip with hashes", self.pip):
            if not self.install_some():
                return
        run("installed is the lock", self.lock)
        run("requirements consistent", self.consistent)

    @staticmethod
    def user():
        """Some programs want to know the name of who runs them."""
        try:
            pwd.getpwuid(1000)
        except KeyError:
            with open("/etc/passwd", "a") as f:
                f.write("user:x:1000:1000::/proof/tmp:/bin/sh\n")

    def compiler(self):
        return ["%s is %s" % (c, shutil.which(c)) for c in COMPILERS if shutil.which(c)], []

    def execute(self, argv, timeout):
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root", "PIP_CONFIG_FILE": os.devnull}
        p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           universal_newlines=True, errors="replace", timeout=timeout)
        print("$ " + " ".join(argv))
        print(p.stdout)
        return p.returncode, p.stdout

    def run_pip(self, arguments):
        return self.execute([self.venv_python, "-m", "pip"] + arguments, PIP)

    def pip_arguments(self):
        house = self.config["house"]
        # Bytecode is compiled of what is imported, when it is: that takes less than compiling everything.
        return ["install", "--no-index", "--find-links", house, "--require-hashes", "-r", house + "/requirements.txt",
                "--no-cache-dir", "--disable-pip-version-check", "--no-compile"]

    def pip(self):
        start = time.time()
        code, said = self.execute([self.config["python"], "-m", "venv", self.config["venv"]], PIP)
        if code != 0:
            return ["python -m venv: exit status %d: %s" % (code, clip(said))], []
        self.before = self.distributions()
        made = time.time() - start
        code, said = self.run_pip(self.pip_arguments())
        note = []
        if code != 0 and self.back():
            # The project itself is not here: pip may leave its name out, but then it looks after no dependency.
            note = ["without dependencies, as the project is left out: " + ", ".join(self.back())]
            code, said = self.run_pip(self.pip_arguments() + ["--no-deps"])
        if code != 0:
            problems = ["pip: " + clip(self.complaint(said), 4000)]
            for wheel in self.config["wheels"]:
                if self.unfit(wheel):
                    problems.append("%s: pip %s of this Python takes no wheel tagged %s" % (
                        wheel["label"], self.before.get("pip"), ", ".join(self.unfit(wheel))))
            return problems, []
        return [], note + ["%s, pip %s, %.1f s; virtual environment, %.1f s" % (
            plural(len(self.config["wheels"]), "wheel"), self.before.get("pip"), time.time() - start - made, made)]

    def back(self):
        """What wheels depend on that the house leaves out, as it is the project itself."""
        return sorted({name for w in self.config["wheels"] for name in w["back"] or []})

    def install_some(self):
        """Installs what can be installed, so that what can be seen of the other checks is seen."""
        code, said = self.run_pip(self.pip_arguments() + ["--no-deps"])
        fit = [os.path.join(self.config["house"], w["file"]) for w in self.config["wheels"] if not self.unfit(w)]
        if code != 0 and 0 < len(fit) < len(self.config["wheels"]):
            code, said = self.run_pip(["install", "--no-index", "--no-deps", "--no-cache-dir", "--no-compile"] + fit)
        return code == 0

    def unfit(self, wheel):
        """The tags of a wheel, if this pip takes none of them: before 20.3 it knows no manylinux_2_17."""
        if self.tags is None:
            code = ("from pip._internal.utils.compatibility_tags import get_supported\n"
                    "print(' '.join(str(t) for t in get_supported()))\n")
            try:
                p = subprocess.run([self.venv_python, "-I", "-c", code], stdout=subprocess.PIPE, check=True, timeout=PIP)
                self.tags = set(p.stdout.decode().split())
            except subprocess.CalledProcessError:
                self.tags = set()  # a pip that has it elsewhere
        python, abi, platform = wheel["file"][: -len(".whl")].lower().rsplit("-", 3)[1:]
        tags = ["%s-%s-%s" % (p, a, f) for p in python.split(".") for a in abi.split(".") for f in platform.split(".")]
        return [] if not self.tags or self.tags & set(tags) else tags

    @staticmethod
    def complaint(said):
        """What pip says from its first error on, without what it read before."""
        lines = said.strip().splitlines()
        for i, line in enumerate(lines):
            if line.startswith("ERROR:"):
                return "\n".join(l for l in lines[i:] if not l.startswith(("Looking in links", "Processing ")))
        return "\n".join(lines[-10:])

    def distributions(self):
        """Names and versions of what is installed."""
        code = ("import importlib.metadata as m, json, sys\n"
                "json.dump([[d.metadata['Name'], d.version] for d in m.distributions(path=[sys.argv[1]])], sys.stdout)\n")
        p = subprocess.run([self.venv_python, "-I", "-c", code, self.site()], stdout=subprocess.PIPE, check=True, timeout=PIP)
        return {normal(name): version for name, version in json.loads(p.stdout.decode())}

    def site(self):
        return "%s/lib/python%d.%d/site-packages" % ((self.config["venv"],) + sys.version_info[:2])

    def lock(self):
        installed = self.distributions()
        problems = []
        for wheel in self.config["wheels"]:
            version = installed.pop(wheel["name"], None)
            if version is None:
                problems.append("%s: not installed" % wheel["label"])
            elif version != wheel["version"]:
                problems.append("%s: version %s is installed" % (wheel["label"], version))
        own = [name for name in installed if self.before.get(name) == installed[name]]
        for name in sorted(set(installed) - set(own)):
            problems.append("%s %s: installed, and not in the lock" % (name, installed[name]))
        return problems, ["%s, and of the environment %s" % (
            plural(len(self.config["wheels"]), "package"), ", ".join(sorted(own)) or "nothing")]

    def consistent(self):
        code, said = self.run_pip(["check", "--disable-pip-version-check"])
        if code == 0:
            return [], ["pip check: " + clip(said)]
        lines = [clip(line) for line in said.splitlines() if line.strip()]
        left = [line for line in lines if any(line.endswith("requires %s, which is not installed." % name) for name in self.back())]
        if lines and left == lines:
            return [], left
        return [line for line in lines if line not in left] or ["pip check: exit status %d" % code], left


class Use:
    def __init__(self, config, checks):
        self.config, self.checks = config, checks
        self.jobs = max(1, config["jobs"])
        self.venv = config["venv"]
        # What is not installed is told by another check.
        site = "%s/lib/python%d.%d/site-packages" % ((self.venv,) + sys.version_info[:2])
        there = {normal(d.metadata["Name"]) for d in importlib.metadata.distributions(path=[site])}
        self.wheels = [w for w in config["wheels"] if w["name"] in there]

    def main(self):
        self.checks.run("shared libraries resolve", self.libraries)
        # Imports and scripts of a wheel share a process; the time is that of both.
        results = {}
        self.checks.run("modules import", lambda: self.imports(results))
        self.checks.run("console scripts load", lambda: self.scripts(results))

    # Shared libraries.

    def libraries(self):
        files = {}  # path: (wheel, binary)
        for wheel in self.wheels:
            for b in wheel["elf"] or []:
                files[os.path.join(self.venv, b["path"])] = (wheel, b)
        problems = []
        present = []
        for path, (wheel, b) in files.items():
            if os.path.exists(path):
                present.append(path)
            else:
                problems.append("%s: %s: not installed" % (wheel["label"], b["path"]))
        somebody = {n for _, b in files.values() for n in b["needed"] or []}
        size = max(1, min(40, -(-len(present) // self.jobs)))
        chunks = [present[i : i + size] for i in range(0, len(present), size)]
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for said in pool.map(self.ldd, chunks):
                for path, line in said:
                    wheel, b = files[path]
                    problem = self.unresolved(wheel, b, path, line, somebody)
                    if problem:
                        problems.append("%s: %s: %s" % (wheel["label"], b["path"], problem))
        notes = [plural(len(present), "file")]
        for name, libraries in sorted((self.config["absent"] or {}).items()):
            notes += ["%s: %s need not be there: %s" % (name, l, why) for l, why in sorted(libraries.items())]
        return problems, notes

    @staticmethod
    def ldd(paths):
        """The lines of ldd, each with the file that it is about."""
        p = subprocess.run(["ldd"] + paths, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace", timeout=LDD)
        known, about, lines = set(paths), paths[0], []
        for line in p.stdout.splitlines():
            if line.endswith(":") and line[:-1] in known:
                about = line[:-1]
            else:
                lines.append((about, line.strip()))
        return lines

    def unresolved(self, wheel, b, path, line, somebody):
        m = re.match(r"(\S+) => not found$", line)
        if m:
            library = m.group(1)
            if library in (b["needed"] or []):
                if library in (b["loaded"] or []) or self.absent(wheel, library):
                    return None
                return library + ": not found"
            # A library of the house that needs it is a file of its own here.
            return None if library in somebody else library + ": not found, needed by a library that it needs"
        if " version `" in line and line.endswith("not found (required by %s)" % path):
            return re.sub(r"^%s: " % re.escape(path), "", line)
        return None

    def absent(self, wheel, library):
        patterns = (self.config["absent"] or {}).get(wheel["name"]) or {}
        return any(fnmatch.fnmatchcase(library, p) for p in patterns)

    # Imports.

    def skipped(self, wheel, module):
        """Why a module is not imported, or None."""
        for name, why in ((self.config["skip"] or {}).get(wheel["name"]) or {}).items():
            if module == name or module.startswith(name + "."):
                return why
        return None

    def items(self, wheel):
        """What is to be tried of a wheel: dicts of kind and module, and what a kind has beside."""
        modules = wheel["modules"] or []
        out = [{"kind": "import", "module": m} for m in modules]
        for b in wheel["elf"] or []:
            if b["module"] and b["module"] not in modules:
                out.append({"kind": "extension", "module": b["module"]})
        for s in wheel["scripts"] or []:
            out.append(dict(s, kind="script"))
        return out

    def imports(self, results):
        wheels = sorted(self.wheels, key=lambda w: -len(w["elf"] or []))  # the slow ones first
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for wheel, found in zip(wheels, pool.map(self.attempt, wheels)):
                results[wheel["name"]] = found
        counts = {"import": 0, "extension": 0}
        problems, notes = [], []
        for wheel in self.wheels:
            broken = any(i["kind"] == "import" and verdict == "failed" for i, verdict, _ in results[wheel["name"]])
            for item, verdict, said in results[wheel["name"]]:
                if item["kind"] == "script" or broken and verdict == "noted" and said.startswith(NoParent.__name__):
                    continue
                line = "%s: import %s: %s" % (wheel["label"], item["module"], said)
                if verdict == "ok":
                    counts[item["kind"]] += 1
                elif verdict == "failed":
                    problems.append(line)
                else:
                    notes.append(line)
        summary = "%s and %s" % (plural(counts["import"], "module"), plural(counts["extension"], "extension module"))
        return problems, [summary] + notes

    def scripts(self, results):
        count, problems, notes = 0, [], []
        for wheel in self.wheels:
            for item, verdict, said in results.get(wheel["name"], []):
                if item["kind"] != "script":
                    continue
                line = "%s: script %s: %s" % (wheel["label"], item["name"], said)
                if verdict == "ok":
                    count += 1
                elif verdict == "failed":
                    problems.append(line)
                else:
                    notes.append(line)
        return problems, [plural(count, "script")] + notes

    def attempt(self, wheel):
        """Tries the items of a wheel in a process, in another one after each that ended it. Returns (item, verdict, what
        was said), with the verdict "ok", "failed" or "noted"."""
        todo, done = [], []
        for item in self.items(wheel):
            why = self.skipped(wheel, item["module"])
            if why is None:
                todo.append(item)
            else:
                done.append((item, "noted", LEFT_OUT + why))
        deadline = time.time() + self.config["limit"]
        while todo:
            ended, how = self.child(wheel, todo, deadline)
            for item, result in zip(todo, ended):
                verdict, said = self.verdict(item, result)
                if verdict == "failed" and result["missing"] and wheel["back"]:
                    verdict, said = "noted", said + "; it depends on %s, which the house leaves out" % ", ".join(wheel["back"])
                done.append((item, verdict, said))
            todo = todo[len(ended) :]
            if todo and how:
                done.append((todo[0], "failed", how))
                todo = todo[1:]
        return done if wheel["back"] else self.strict(done)

    @staticmethod
    def strict(done):
        """A wheel of which nothing imports is no use, whatever the excuses of its modules."""
        tried = [(item, verdict, said) for item, verdict, said in done if item["kind"] == "import" and not said.startswith(LEFT_OUT)]
        if any(verdict == "ok" for _, verdict, _ in tried):
            return done
        return [(item, "failed" if (item, verdict, said) in tried else verdict, said) for item, verdict, said in done]

    def verdict(self, item, result):
        said = result["said"]
        if not said:
            return "ok", ""
        kind, parts = item["kind"], item["module"].split(".")
        if kind == "extension":
            # Some want to be imported by another module first, or need what the lock does not have: loading is what counts.
            return ("failed" if result["loader"] else "noted"), said
        stray = parts[0] in self.config["strays"] and kind != "script"
        optional = item.get("extras") or kind == "import" and len(parts) > 1  # a module of a namespace, not the top
        return ("noted" if stray or result["missing"] and optional else "failed"), said

    def child(self, wheel, items, deadline):
        """The results of a process, in the order of the items, and how it ended if there are fewer."""
        home = tempfile.mkdtemp(dir=self.config["tmp"])
        read, write = os.pipe()
        env = {"PATH": self.venv + "/bin:" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": home, "USER": "user", "LOGNAME": "user"}
        with tempfile.TemporaryFile(dir=self.config["tmp"]) as out:
            p = subprocess.Popen(
                [self.venv + "/bin/python", "-I", "-X", "pycache_prefix=" + os.path.join(self.config["tmp"], "bytecode"),
                 os.path.abspath(__file__), "child", str(write)],
                stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, pass_fds=[write], cwd=home, env=env, start_new_session=True)
            os.close(write)
            timed = False
            try:
                p.communicate(json.dumps(items).encode(), timeout=max(1, deadline - time.time()))
            except subprocess.TimeoutExpired:
                timed = True
            try:
                os.killpg(p.pid, signal.SIGKILL)  # and what it started
            except ProcessLookupError:
                pass
            p.wait()
            with os.fdopen(read) as f:
                results = [json.loads(line) for line in f if line.endswith("\n")]
            out.seek(0)
            said = out.read().decode(errors="replace")
        shutil.rmtree(home, ignore_errors=True)
        print("$ import of %s: %s" % (wheel["label"], clip(said, 4000)))
        if timed:
            return results, "no end within %d s" % self.config["limit"]
        if p.returncode < 0:
            how = "killed by signal %d (%s)" % (-p.returncode, signal.Signals(-p.returncode).name)
        else:
            how = "ended the process with status %d" % p.returncode
        last = said.strip().splitlines()[-1:]
        return results, ": ".join([how] + [clip(l, 300) for l in last])


# In the child.


def describe(e):
    text = str(e).strip()
    return type(e).__name__ + (": " + clip(text) if text else "")


def missing(e):
    """Whether an import failed for a module that is not there, and not for a shared library."""
    return isinstance(e, ImportError) and not str(getattr(e, "path", None) or "").endswith(".so")


def loader(e):
    """Whether it was the loader that failed: a shared library, a symbol, a version of one, or no module in the file."""
    return isinstance(e, ImportError) and bool(re.search(
        "cannot open shared object|undefined symbol|version `.*' not found|does not define|wrong ELF|invalid ELF", str(e)))


class NoParent(ImportError):
    """The package of an extension module does not import."""


def load(item):
    module = item["module"]
    if item["kind"] == "extension" and "." in module:
        parent = module.rpartition(".")[0]
        try:
            importlib.import_module(parent)
        except Exception as e:
            raise NoParent("import %s: %s" % (parent, describe(e)), path=getattr(e, "path", None))
    target = importlib.import_module(module)
    if item["kind"] == "script" and item["attr"]:
        # As pip's script does: from MODULE import FIRST, which may be a module itself; then FIRST.REST.
        first, *rest = item["attr"].split(".")
        target = getattr(__import__(module, fromlist=[first]), first)
        for name in rest:
            target = getattr(target, name)


def child(fd):
    items = json.load(sys.stdin)
    with os.fdopen(fd, "w", buffering=1) as out:
        os.set_inheritable(fd, False)
        for item in items:
            result = {"said": "", "missing": False, "loader": False}
            try:
                load(item)
            except BaseException as e:
                traceback.print_exc()
                result = {"said": describe(e), "missing": missing(e), "loader": loader(e)}
            out.write(json.dumps(result) + "\n")
    # Threads and exit handlers of what was imported are not the subject.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main():
    if sys.argv[1] == "child":
        child(int(sys.argv[2]))
    with open(sys.argv[2]) as f:
        config = json.load(f)
    checks = Checks(sys.argv[3])
    {"install": Install, "use": Use}[sys.argv[1]](config, checks).main()


if __name__ == "__main__":
    main()
