"""The part of root: pip, and the house installed by it."""

import glob
import importlib.metadata
import json
import os
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import traceback

PIP = 1800  # seconds that pip may take
USER = 1000
COMPILERS = "gcc g++ cc c++ c99 clang cpp ld gold as make cmake rustc cargo go".split()


def execute(argv, timeout):
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root", "PIP_CONFIG_FILE": os.devnull}
    p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       universal_newlines=True, errors="replace", timeout=timeout)
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
    nothing of the commands before. One that the house replaces is started for each."""

    def __init__(self, config):
        self.python = config["venv"] + "/bin/python"
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root", "PIP_CONFIG_FILE": os.devnull}
        self.server = subprocess.Popen([self.python, "-I", os.path.abspath(__file__), "pip"], env=env, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=sys.stderr, universal_newlines=True)
        self.loaded = self.server.stdout.readline() == "loaded\n" and all(w["name"] != "pip" for w in config["wheels"])

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
        self.pip = Pip(config)

    def main(self):
        check("no compiler", self.compiler)
        if self.since:
            self.uninstall()
        if not check("installs by pip with hashes", self.install):
            if self.since:
                raise Full("its differences do not install")
            if not self.install_some():
                return
        check("installed is the lock", self.lock)
        self.pip.begin(["check", "--disable-pip-version-check"])
        use = self.use()
        check("requirements consistent", self.consistent)
        self.pip.close()
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
            code, said = self.pip.run(["uninstall", "-y", "--disable-pip-version-check"] + names)
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
            if p.endswith(".py"):
                for cached in glob.glob(glob.escape(self.config["state"] + "/bytecode" + p[: -len("py")]) + "*.pyc"):
                    os.unlink(cached)
        for name, installed in sorted(self.since["install"].items()):
            for p in installed:
                if os.path.lexists(os.path.join(venv, p)):
                    raise Full("%s: %s is there already" % (name, p))

    def pip_arguments(self):
        house = self.config["house"]
        # Bytecode is compiled of what is imported, when it is: that takes less than compiling everything.
        return ["install", "--no-index", "--find-links", house, "--require-hashes", "-r", house + "/requirements.txt",
                "--no-cache-dir", "--disable-pip-version-check", "--no-compile"]

    def install(self):
        start = time.time()
        code, said = self.pip.run(self.pip_arguments())
        note = []
        if code != 0 and self.back():
            # The project itself is not here: pip may leave its name out, but then it looks after no dependency.
            note = ["without dependencies, as the project is left out: " + ", ".join(self.back())]
            code, said = self.pip.run(self.pip_arguments() + ["--no-deps"])
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
        code, said = self.pip.run(self.pip_arguments() + ["--no-deps"])
        fit = [os.path.join(self.config["house"], w["file"]) for w in self.config["wheels"] if not self.unfit(w)]
        if code != 0 and 0 < len(fit) < len(self.config["wheels"]):
            code, said = self.pip.run(["install", "--no-index", "--no-deps", "--no-cache-dir", "--no-compile"] + fit)
        return code == 0

    def unfit(self, wheel):
        """The tags of a wheel, if this pip takes none of them: before 20.3 it knows no manylinux_2_17."""
        if self.tags is None:
            code = ("from pip._internal.utils.compatibility_tags import get_supported\n"
                    "print(' '.join(str(t) for t in get_supported()))\n")
            try:
                p = subprocess.run([self.pip.python, "-I", "-c", code], stdout=subprocess.PIPE, check=True, timeout=PIP)
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
        code, said = self.pip.end()
        if code == 0:
            return [], ["pip check: " + clip(said)]
        lines = [clip(line) for line in said.splitlines() if line.strip()]
        left = [line for line in lines if any(line.endswith("requires %s, which is not installed." % name) for name in self.back())]
        if lines and left == lines:
            return [], left
        return [line for line in lines if line not in left] or ["pip check: exit status %d" % code], left
