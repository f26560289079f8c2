"""The proof of a wheelhouse, in a clean container.

    python3.13 -I house.py prepare|prove CONFIG

prepare, as root, makes the virtual environment and the ordinary user. prove, as root, installs the house into it, and then
starts itself as that user, who uses what is installed. CONFIG is a JSON object:
  python   the interpreter: "/opt/python/3.13/bin/python3.13"
  venv     where the environment is made: "/venv"
  state    a directory: environment.json is what the environment has without the house, bytecode/ belongs to the user
  tmp      a directory of the user, for home directories
  house    the directory of the wheels, with requirements.txt
  jobs     processes at once
  limit    seconds that the imports of a wheel may take
  wheels   what the Go side knows of each wheel, see facts.go
  skip     {wheel: {module: reason}}: modules that cannot be imported here, with all below them
  absent   {wheel: {library: reason}}: shared libraries, by names or patterns, that need not be there
  strays   top-level modules that nobody owns: that they do not import is noted only
  keep     whether the container becomes an image, in which nothing of the user stays but bytecode
  since    null, or what differs from the house that is installed already, and was proved:
             key      of that house
             remove   names of wheels that are not in this one, or are other ones here
             install  {wheel: [path below venv]}: those that are not installed
             again    names of wheels to use; what the others were found to be counts
             linked   whether files that are linked have changed
             records  {wheel: record} of all others

To the standard output goes a JSON object a line: {"check": {"name", "ok", "seconds", "detail"}} after each check, with a
line of detail for each thing that was found; {"full": reason} if this house cannot be proved from the other one; and
{"records": {wheel: record}} of what was used:
  counts   modules, extension modules and scripts that are sound
  imports  lines to note of modules
  scripts  and of scripts
  reads    what lies in site-packages and was read, by its top: "six", "six-1.17.0.dist-info"
  wants    top-level modules that were looked for and are not there
  dists    distributions that were looked for by name, normalised
  all      whether more may have been looked at than these tell

What was printed goes to the standard error.
"""
import concurrent.futures
import fnmatch
import importlib
import importlib.metadata
import json
import os
import pwd
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback

PIP = 1800  # seconds that pip may take
LDD = 300  # seconds that ldd may take for some files
LEFT_OUT = "left out: "
USER = 1000
KINDS = ["import", "extension", "script"]
COMPILERS = "gcc g++ cc c++ c99 clang cpp ld gold as make cmake rustc cargo go".split()


def say(what):
    """Tells the Go side."""
    print(json.dumps(what), flush=True)


def log(text):
    print(text, file=sys.stderr, flush=True)


def check(name, run):
    """Runs a check, which returns what it found wrong and what else there is to say, and is true if all is well."""
    start = time.time()
    try:
        problems, notes = run()
    except Exception:
        problems, notes = [traceback.format_exc().strip()], []
    detail = "\n".join(problems + notes)
    say({"check": {"name": "house: " + name, "ok": not problems, "seconds": time.time() - start, "detail": detail}})
    return not problems


def clip(text, size=1000):
    text = text.strip()
    return text if len(text) <= size else text[: size // 2] + " … " + text[-size // 2 :]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def plural(n, what):
    return "%d %s%s" % (n, what, "" if n == 1 else "s")


def site_of(config):
    return "%s/lib/python%d.%d/site-packages" % ((config["venv"],) + sys.version_info[:2])


def distributions(config):
    """Names and versions of what is installed."""
    importlib.invalidate_caches()
    return {normal(d.metadata["Name"]): d.version for d in importlib.metadata.distributions(path=[site_of(config)])}


def execute(argv, timeout, **more):
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root", "PIP_CONFIG_FILE": os.devnull}
    p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       universal_newlines=True, errors="replace", timeout=timeout, **more)
    log("$ " + " ".join(argv))
    log(p.stdout)
    return p.returncode, p.stdout


def prepare(config):
    """Makes what all proofs with this Python begin with."""
    with open("/etc/passwd", "a") as f:  # some programs want to know the name of who runs them
        f.write("user:x:%d:%d::%s:/bin/sh\n" % (USER, USER, config["tmp"]))
    with open("/etc/hosts", "w") as f:
        f.write("127.0.0.1\tlocalhost pybake\n::1\tlocalhost ip6-localhost\n")
    code, said = execute([config["python"], "-m", "venv", config["venv"]], PIP)
    if code != 0:
        sys.exit("python -m venv: exit status %d: %s" % (code, clip(said)))
    os.makedirs(config["state"] + "/bytecode")
    os.chown(config["state"] + "/bytecode", USER, USER)
    with open(config["state"] + "/environment.json", "w") as f:
        json.dump(distributions(config), f)


class Pip:
    """The environment's pip. It is loaded once, and each command is a process that is forked from there: it has seen
    nothing of the commands before."""

    def __init__(self, config):
        self.config = config
        self.python = config["venv"] + "/bin/python"
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root", "PIP_CONFIG_FILE": os.devnull}
        self.server = subprocess.Popen([self.python, "-I", os.path.abspath(__file__), "pip"], env=env, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=sys.stderr, universal_newlines=True)
        self.loaded = self.server.stdout.readline() == "loaded\n"

    def begin(self, arguments):
        self.arguments = arguments
        if self.loaded:
            self.out = tempfile.NamedTemporaryFile(mode="w+", errors="replace")
            print(json.dumps([self.out.name] + arguments), file=self.server.stdin, flush=True)

    def end(self):
        """The status of what was begun, and what it said."""
        if not self.loaded:
            return execute([self.python, "-m", "pip"] + self.arguments, PIP)
        ready, _, _ = select.select([self.server.stdout], [], [], PIP)
        line = self.server.stdout.readline() if ready else ""
        self.out.seek(0)
        said = self.out.read()
        log("$ pip " + " ".join(self.arguments))
        log(said)
        if not line.strip():
            self.server.kill()
            self.loaded = False
            return -1, said + "\npip: no end within %d s" % PIP
        return int(line), said

    def run(self, arguments):
        self.begin(arguments)
        return self.end()

    def close(self):
        self.server.stdin.close()
        self.server.wait()


def serve_pip():
    """The other side of Pip: reads [FILE, ARGUMENT...] a line and writes the exit status of that pip, whose output is in FILE."""
    try:
        from pip._internal.cli.main import main as run
        from pip._internal.commands import create_command
        for name in ("install", "uninstall", "check"):
            create_command(name)
    except Exception:
        traceback.print_exc()
        return
    if "pip._vendor.pkg_resources" in sys.modules:
        return  # an old one, which looks at what is installed when it is loaded
    print("loaded", flush=True)
    for line in sys.stdin:
        file, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                fd = os.open(file, os.O_WRONLY)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(fd, 1)
                os.dup2(fd, 2)
                sys.argv = ["pip"] + arguments
                status = run(arguments)
            except SystemExit as e:
                status = e.code if isinstance(e.code, int) else e.code is not None
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status or 0)
        status = os.waitpid(pid, 0)[1]
        print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status), flush=True)


class Full(Exception):
    """Why a house has to be proved from its beginning."""


class Install:
    def __init__(self, config):
        self.config = config
        self.since = config["since"]
        self.tags = None  # that pip takes
        self.installed = []
        with open(config["state"] + "/environment.json") as f:
            self.before = json.load(f)
        self.run_pip = Pip(config)

    def main(self):
        check("no compiler", self.compiler)
        if self.since:
            self.uninstall()
        if not check("installs by pip with hashes", self.pip):
            if self.since:
                raise Full("its differences do not install")
            if not self.install_some():
                return
        check("installed is the lock", self.lock)
        self.run_pip.begin(["check", "--disable-pip-version-check"])
        start = time.time()
        use = self.use()
        check("requirements consistent", self.consistent)
        self.run_pip.close()
        print("pip check and the start of use: %.2f s" % (time.time() - start), file=sys.stderr)
        status = use.wait()
        if self.config["keep"]:
            self.tidy()
        if status != 0:
            sys.exit("the user's part ended with status %d" % status)

    def use(self):
        """Starts the part of the user."""
        tmp = self.config["tmp"]
        os.makedirs(tmp, exist_ok=True)
        os.chown(tmp, USER, USER)
        env = {"PATH": self.config["venv"] + "/bin:" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": tmp, "USER": "user", "LOGNAME": "user"}
        p = subprocess.Popen([self.config["venv"] + "/bin/python", "-I", "-X", "pycache_prefix=" + self.config["state"] + "/bytecode",
                              os.path.abspath(__file__), "use", sys.argv[2]],
                             env=env, cwd=tmp, stdin=subprocess.PIPE, user=USER, group=USER, extra_groups=[])
        p.stdin.write(json.dumps(sorted(self.installed)).encode())
        p.stdin.close()
        return p

    def tidy(self):
        """Removes the wheels, and what the user left. That can only be where all may write, or in directories of the
        user's own."""
        shutil.rmtree(self.config["house"])
        for top, dirs, files in os.walk("/"):
            if top == "/":
                dirs[:] = [d for d in dirs if d not in ("proc", "sys", "dev")]
            if top == self.config["state"]:
                dirs.remove("bytecode")
            info = os.lstat(top)
            if info.st_uid != USER and not info.st_mode & stat.S_IWOTH:
                continue
            for name in dirs + files:
                path = os.path.join(top, name)
                if os.lstat(path).st_uid == USER:
                    if name in dirs and not os.path.islink(path):
                        dirs.remove(name)
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        os.unlink(path)

    def compiler(self):
        return ["%s is %s" % (c, shutil.which(c)) for c in COMPILERS if shutil.which(c)], []

    def uninstall(self):
        """Removes what this house does not have, and makes sure that it has not left anything, and that nothing is where
        something shall be installed."""
        venv, site = self.config["venv"], site_of(self.config)
        names, paths = self.since["remove"], []
        for d in importlib.metadata.distributions(path=[site]):
            if normal(d.metadata["Name"]) in names:
                paths += [os.path.normpath(os.path.join(site, str(f))) for f in d.files or []]
        if names:
            code, said = self.run_pip.run(["uninstall", "-y", "--disable-pip-version-check"] + names)
            if code != 0:
                raise Full("pip uninstall: " + clip(said))
        dirs = {os.path.dirname(p) for p in paths}  # an empty one could be imported
        for p in paths:
            if os.path.lexists(p):
                raise Full("pip uninstall leaves " + p)
        for d in sorted(dirs, key=len, reverse=True):
            while d.startswith(site + "/"):
                if os.path.isdir(d) and not os.listdir(d):
                    raise Full("pip uninstall leaves the empty " + d)
                d = os.path.dirname(d)
        for p in paths:  # bytecode is good for a time and a size; these may be the same in the next version
            cached = self.config["state"] + "/bytecode" + os.path.dirname(p)
            if p.endswith(".py") and os.path.isdir(cached):
                shutil.rmtree(cached)
        for name, installed in sorted(self.since["install"].items()):
            for p in installed:
                if os.path.lexists(os.path.join(venv, p)):
                    raise Full("%s: %s is there already" % (name, p))

    def pip_arguments(self):
        house = self.config["house"]
        # Bytecode is compiled of what is imported, when it is: that takes less than compiling everything.
        return ["install", "--no-index", "--find-links", house, "--require-hashes", "-r", house + "/requirements.txt",
                "--no-cache-dir", "--disable-pip-version-check", "--no-compile"]

    def pip(self):
        start = time.time()
        code, said = self.run_pip.run(self.pip_arguments())
        note = []
        if code != 0 and self.back():
            # The project itself is not here: pip may leave its name out, but then it looks after no dependency.
            note = ["without dependencies, as the project is left out: " + ", ".join(self.back())]
            code, said = self.run_pip.run(self.pip_arguments() + ["--no-deps"])
        if code != 0:
            problems = ["pip: " + clip(self.complaint(said), 4000)]
            for wheel in self.config["wheels"]:
                if self.unfit(wheel):
                    problems.append("%s: pip %s of this Python takes no wheel tagged %s" % (
                        wheel["label"], self.before.get("pip"), ", ".join(self.unfit(wheel))))
            return problems, []
        wheels = plural(len(self.config["wheels"]), "wheel")
        if self.since:
            wheels = "%s of %s, the others were installed with %s" % (len(self.since["install"]), wheels, self.since["key"])
        return [], note + ["%s, pip %s, %.1f s" % (wheels, self.before.get("pip"), time.time() - start)]

    def back(self):
        """What wheels depend on that the house leaves out, as it is the project itself."""
        return sorted({name for w in self.config["wheels"] for name in w["back"] or []})

    def install_some(self):
        """Installs what can be installed, so that what can be seen of the other checks is seen."""
        code, said = self.run_pip.run(self.pip_arguments() + ["--no-deps"])
        fit = [os.path.join(self.config["house"], w["file"]) for w in self.config["wheels"] if not self.unfit(w)]
        if code != 0 and 0 < len(fit) < len(self.config["wheels"]):
            code, said = self.run_pip.run(["install", "--no-index", "--no-deps", "--no-cache-dir", "--no-compile"] + fit)
        return code == 0

    def unfit(self, wheel):
        """The tags of a wheel, if this pip takes none of them: before 20.3 it knows no manylinux_2_17."""
        if self.tags is None:
            code = ("from pip._internal.utils.compatibility_tags import get_supported\n"
                    "print(' '.join(str(t) for t in get_supported()))\n")
            try:
                p = subprocess.run([self.run_pip.python, "-I", "-c", code], stdout=subprocess.PIPE, check=True, timeout=PIP)
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

    def lock(self):
        installed = distributions(self.config)
        self.installed = list(installed)
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
        code, said = self.run_pip.end()
        if code == 0:
            return [], ["pip check: " + clip(said)]
        lines = [clip(line) for line in said.splitlines() if line.strip()]
        left = [line for line in lines if any(line.endswith("requires %s, which is not installed." % name) for name in self.back())]
        if lines and left == lines:
            return [], left
        return [line for line in lines if line not in left] or ["pip check: exit status %d" % code], left


class Use:
    def __init__(self, config, installed):
        self.config = config
        self.since = config["since"]
        self.jobs = max(1, config["jobs"])
        self.venv = config["venv"]
        # What is not installed is told by another check.
        self.wheels = [w for w in config["wheels"] if w["name"] in installed]
        self.tried = [w for w in self.wheels if not self.since or w["name"] in self.since["again"]]
        self.records = dict(self.since["records"]) if self.since else {}

    def main(self):
        check("shared libraries resolve", self.libraries)
        # Imports and scripts of a wheel share a process; the time is that of both.
        results = {}
        check("modules import", lambda: self.imports(results))
        check("console scripts load", lambda: self.scripts(results))
        say({"records": {w["name"]: self.records[w["name"]] for w in self.tried if w["name"] in self.records}})

    def elsewhere(self):
        """A line for what was proved with another house."""
        if not self.since:
            return []
        return ["%d of %s proved with %s, %d now" % (
            len(self.wheels) - len(self.tried), plural(len(self.wheels), "wheel"), self.since["key"], len(self.tried))]

    # Shared libraries.

    def libraries(self):
        files = {}  # path: (wheel, binary)
        for wheel in self.wheels:
            for b in wheel["elf"] or []:
                files[os.path.join(self.venv, b["path"])] = (wheel, b)
        notes = ["%s: %s need not be there: %s" % (name, l, why) for name, libraries in sorted((self.config["absent"] or {}).items())
                 for l, why in sorted(libraries.items())]
        if self.since and not self.since["linked"]:
            return [], ["%s, proved with %s: none of them has changed" % (plural(len(files), "file"), self.since["key"])] + notes
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
        return problems, [plural(len(present), "file")] + notes

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
        waiting = [Attempt(self, w) for w in sorted(self.tried, key=lambda w: len(w["elf"] or []))]  # the slow ones come first
        running = []
        while waiting or running:
            while waiting and len(running) < self.jobs:
                attempt = waiting.pop()
                if attempt.todo:
                    attempt.start()
                    running.append(attempt)
                else:
                    results[attempt.wheel["name"]] = attempt.finish()
                    self.records[attempt.wheel["name"]] = attempt.record
            select.select([a.pipe for a in running if not a.eof], [], [], 0.02)
            for attempt in running[:]:
                if attempt.ended():
                    running.remove(attempt)
                    waiting.append(attempt)
        problems = []
        for wheel in self.tried:
            record = self.records[wheel["name"]]
            done = results[wheel["name"]]
            broken = any(i["kind"] == "import" and verdict == "failed" for i, verdict, _ in done)
            for item, verdict, said in done:
                if item["kind"] == "script" or broken and verdict == "noted" and said.startswith(NoParent.__name__):
                    continue
                line = "%s: import %s: %s" % (wheel["label"], item["module"], said)
                if verdict == "ok":
                    record["counts"][KINDS.index(item["kind"])] += 1
                else:
                    (problems if verdict == "failed" else record["imports"]).append(line)
        summary = "%s and %s" % (plural(self.count("import"), "module"), plural(self.count("extension"), "extension module"))
        return problems, [summary] + self.elsewhere() + self.notes("imports")

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

    def count(self, kind):
        return sum(self.records[w["name"]]["counts"][KINDS.index(kind)] for w in self.wheels)

    def notes(self, what):
        return [line for w in self.wheels for line in self.records[w["name"]][what]]

    def scripts(self, results):
        problems = []
        for wheel in self.tried:
            record = self.records[wheel["name"]]
            for item, verdict, said in results.get(wheel["name"], []):
                if item["kind"] != "script":
                    continue
                line = "%s: script %s: %s" % (wheel["label"], item["name"], said)
                if verdict == "ok":
                    record["counts"][KINDS.index("script")] += 1
                else:
                    (problems if verdict == "failed" else record["scripts"]).append(line)
        return problems, [plural(self.count("script"), "script")] + self.elsewhere() + self.notes("scripts")


class Attempt:
    """Tries the items of a wheel in a process, in another one after each that ended it."""

    def __init__(self, use, wheel):
        self.use, self.wheel, self.config = use, wheel, use.config
        self.todo, self.done = [], []  # done: (item, verdict, what was said), with the verdict "ok", "failed" or "noted"
        self.record = {"counts": [0, 0, 0], "imports": [], "scripts": [], "reads": [], "wants": [], "dists": [], "all": False}
        self.deadline = None
        for item in use.items(wheel):
            why = use.skipped(wheel, item["module"])
            if why is None:
                self.todo.append(item)
            else:
                self.done.append((item, "noted", LEFT_OUT + why))

    def start(self):
        """Starts a process: a fork of this one, which has imported nothing of the house."""
        self.deadline = self.deadline or time.time() + self.config["limit"]
        self.until = max(self.deadline, time.time() + 1)
        self.home = tempfile.mkdtemp(dir=self.config["tmp"])
        self.out = tempfile.TemporaryFile(dir=self.config["tmp"])
        self.pipe, write = os.pipe()
        self.text, self.eof, self.timed = b"", False, False
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                child(self.config, self.todo, self.home, self.out.fileno(), write)
            finally:
                os._exit(70)
        os.close(write)
        os.set_blocking(self.pipe, False)

    def read(self):
        while not self.eof:
            try:
                piece = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                return
            self.text += piece
            self.eof = not piece

    def ended(self):
        """Whether the process has ended; it is then known what became of its items."""
        self.read()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            if time.time() < self.until:
                return False
            self.timed = True
            self.kill()
            _, status = os.waitpid(self.pid, 0)
        self.kill()
        self.read()
        os.close(self.pipe)
        self.out.seek(0)
        said = self.out.read().decode(errors="replace")
        self.out.close()
        shutil.rmtree(self.home, ignore_errors=True)
        log("$ import of %s: %s" % (self.wheel["label"], clip(said, 4000)))
        self.judge(self.how(status, said))
        return True

    def kill(self):
        """Ends the process, and what it started."""
        for kill in os.killpg, os.kill:
            try:
                kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def how(self, status, said):
        if self.timed:
            return "no end within %d s" % self.config["limit"]
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            how = "killed by signal %d (%s)" % (number, signal.Signals(number).name)
        else:
            how = "ended the process with status %d" % os.WEXITSTATUS(status)
        return ": ".join([how] + [clip(line, 300) for line in said.strip().splitlines()[-1:]])

    def judge(self, how):
        lines = [json.loads(line) for line in self.text.splitlines(True) if line.endswith(b"\n")]
        seen = lines.pop() if lines and "reads" in lines[-1] else {"all": True}
        for name, value in seen.items():
            self.record[name] = self.record[name] or value if name == "all" else sorted(set(self.record[name]) | set(value))
        for item, result in zip(self.todo, lines):
            verdict, said = self.use.verdict(item, result)
            if verdict == "failed" and result["missing"] and self.wheel["back"]:
                verdict, said = "noted", said + "; it depends on %s, which the house leaves out" % ", ".join(self.wheel["back"])
            self.done.append((item, verdict, said))
        self.todo = self.todo[len(lines) :]
        if self.todo:
            self.done.append((self.todo[0], "failed", how))
            self.todo = self.todo[1:]

    def finish(self):
        return self.done if self.wheel["back"] else self.strict(self.done)

    @staticmethod
    def strict(done):
        """A wheel of which nothing imports is no use, whatever the excuses of its modules."""
        tried = [(item, verdict, said) for item, verdict, said in done if item["kind"] == "import" and not said.startswith(LEFT_OUT)]
        if any(verdict == "ok" for _, verdict, _ in tried):
            return done
        return [(item, "failed" if (item, verdict, said) in tried else verdict, said) for item, verdict, said in done]


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


class Recorder:
    """Notes what imports depend on beside the files of their own wheel."""

    def __init__(self, config):
        self.venv, self.site = config["venv"] + "/", site_of(config) + "/"
        self.cache = config["state"] + "/bytecode"
        self.reads, self.wants, self.dists, self.all = set(), set(), set(), False

    def begin(self):
        sys.meta_path.append(self)
        find = importlib.metadata.MetadataPathFinder.find_distributions

        def find_distributions(*args, **kwargs):
            name = getattr(args[0] if args else kwargs.get("context"), "name", None)
            if name is None:
                self.all = True
            else:
                self.dists.add(normal(name))
            return find(*args, **kwargs)

        importlib.metadata.MetadataPathFinder.find_distributions = staticmethod(find_distributions)
        sys.addaudithook(self.audit)

    def find_spec(self, name, path=None, target=None):
        """As the last one that is asked for a module."""
        self.wants.add(name.partition(".")[0])
        return None

    def audit(self, event, args):
        if event == "open" or event == "ctypes.dlopen":
            self.read(args[0])
        elif event in ("os.listdir", "os.scandir"):
            caller = sys._getframe(1)
            importer = caller.f_code.co_filename.startswith("<frozen importlib") or caller.f_globals.get("__name__") == "importlib.metadata"
            if not importer:  # that looks for one name, which is noted where it is asked for
                self.read(args[0], True)
        elif event in ("subprocess.Popen", "os.posix_spawn", "os.system", "os.exec", "os.fork", "os.forkpty", "pty.spawn"):
            self.all = True  # other processes are not seen

    def read(self, path, directory=False):
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            if path is None and directory:
                self.all = True
            return
        path = os.path.normpath(os.path.join(os.getcwd(), path)) if not path.startswith("/") else os.path.normpath(path)
        if path.startswith(self.cache):
            path = path[len(self.cache) :]
        if not (path + "/").startswith(self.venv):
            return
        if not path.startswith(self.site):
            self.all = True
            return
        top, below, _ = path[len(self.site) :].partition("/")
        self.reads.add(top if below or directory else top.partition(".")[0])

    def end(self):
        for module in list(sys.modules.values()):
            try:
                file = object.__getattribute__(module, "__dict__").get("__file__")
            except Exception:
                continue
            self.read(file)
        return {"reads": sorted(self.reads), "wants": sorted(self.wants), "dists": sorted(self.dists), "all": self.all}


def child(config, items, home, out, write):
    """Imports for the parent: a line for each item, and one of the recorder, go to the file write."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    for fd in [int(n) for n in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd != write:
            try:
                os.close(fd)
            except OSError:
                pass
    os.chdir(home)
    os.environ["HOME"] = home
    sys.argv = sys.argv[:1]
    recorder = Recorder(config)
    recorder.begin()
    with os.fdopen(write, "w", buffering=1) as results:
        for item in items:
            result = {"said": "", "missing": False, "loader": False}
            try:
                load(item)
            except BaseException as e:
                traceback.print_exc()
                result = {"said": describe(e), "missing": missing(e), "loader": loader(e)}
            results.write(json.dumps(result) + "\n")
        results.write(json.dumps(recorder.end()) + "\n")
    # Threads and exit handlers of what was imported are not the subject.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main():
    if sys.argv[1] == "pip":
        return serve_pip()
    with open(sys.argv[2]) as f:
        config = json.load(f)
    if sys.argv[1] == "prepare":
        prepare(config)
    elif sys.argv[1] == "use":
        Use(config, json.load(sys.stdin)).main()
    else:
        try:
            Install(config).main()
        except Full as e:
            say({"full": str(e)})


if __name__ == "__main__":
    main()
