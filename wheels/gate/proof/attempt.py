"""A process that imports what a wheel has, from both its ends."""

import importlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

LEFT_OUT = "left out: "


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
