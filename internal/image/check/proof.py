"""The import of distributions, in a container of the image they are in.

    python -c LOADER SOURCE main < CONFIG

The root is read-only, so this comes as the argument SOURCE, which LOADER runs. CONFIG is a JSON object:
  site     the directory that they are installed in: "/venv/lib/python3.13/site-packages"
  dists    their names, normalised: ["flask"]
  skip     {distribution: {module: reason}}: modules that cannot be imported, with all below them
  project  names of distributions that need not be there
  strays   top-level modules that nobody owns: that they do not import is noted only
  jobs     processes at once
  limit    seconds that the imports of a distribution may take

To the standard output goes a line for each distribution when it is done, a JSON object {"dist", "count" of modules that
import, "problems", "notes"}, and in the end {"done": true}. What modules print goes to the standard error.

    python -c LOADER SOURCE child FD < NAMES

imports modules, a JSON array of names, and writes for each a line {"said", "missing"} to the file FD.
"""
import concurrent.futures
import importlib
import importlib.machinery
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

LOADER = "import sys; exec(sys.argv[1])"


def clip(text, size=1000):
    text = text.strip()
    return text if len(text) <= size else text[: size // 2] + " … " + text[-size // 2 :]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


# Modules.


def module(path):
    """The name of the module in a file without its directory, or None."""
    base = path.rpartition("/")[2]
    if base.endswith(".py"):
        return base[:-3]
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        if base.endswith(suffix) and "." not in base[: -len(suffix)]:
            return base[: -len(suffix)]
    return None


def defines(path, name):
    """Whether a library with a plain name has the function that an import calls, and is no other library."""
    if not path.endswith(".so") or "." in os.path.basename(path)[:-3]:
        return True
    with open(path, "rb") as f:
        return b"PyInit_" + name.encode() in f.read()


def tops(site, files):
    """What an import can name first: packages, modules, and below directories that are no packages what is there."""
    found = set()
    packages = {f.rpartition("/")[0] for f in files if module(f) == "__init__"}
    for f in files:
        name, *parts = module(f), *f.split("/")[:-1]
        if not name or not all(p.isidentifier() for p in parts + [name]) or "__pycache__" in parts:
            continue
        package = next((i for i in range(1, len(parts) + 1) if "/".join(parts[:i]) in packages), None)
        if package:
            found.add(".".join(parts[:package]))
        elif name not in ("__init__", "__main__") and defines(os.path.join(site, f), name):
            found.add(".".join(parts + [name]))
    return sorted(m for m in found if m.count(".") <= 2)  # some have thousands in deep namespaces


def files(dist, site):
    """The files of a distribution below the directory that they are installed in."""
    for f in dist.files or []:
        path = os.path.normpath(str(f))
        if not path.startswith(("../", "/")) and not path.split("/")[0].endswith((".dist-info", ".data")):
            if os.path.exists(os.path.join(site, path)):
                yield path


# The parent.


class Proof:
    def __init__(self, config):
        self.config = config
        self.project = {normal(n) for n in config["project"] or []}
        self.dists = {normal(d.metadata["Name"]): d for d in importlib.metadata.distributions(path=[config["site"]])}

    def main(self):
        with concurrent.futures.ThreadPoolExecutor(self.config["jobs"]) as pool:
            for result in pool.map(self.dist, self.config["dists"]):
                print(json.dumps(result), flush=True)
        print(json.dumps({"done": True}), flush=True)

    def dist(self, name):
        result = {"dist": name, "count": 0, "problems": [], "notes": []}
        dist = self.dists.get(name)
        if dist is None:
            result["problems"].append("%s: not installed" % name)
            return result
        label = "%s %s" % (dist.metadata["Name"], dist.version)
        back = sorted({m.group() for r in dist.requires or [] for m in [re.match(r"[\w.-]+", r)] if m and normal(m.group()) in self.project})
        todo, failures, excused = [], [], []
        for m in tops(self.config["site"], list(files(dist, self.config["site"]))):
            why = self.skipped(name, m)
            if why is None:
                todo.append(m)
            else:
                result["notes"].append("%s: import %s: left out: %s" % (label, m, why))
        deadline = time.time() + self.config["limit"]
        while todo:
            ended, how = self.child(label, todo, deadline)
            for m, r in zip(todo, ended):
                line = "%s: import %s: %s" % (label, m, r["said"])
                if not r["said"]:
                    result["count"] += 1
                elif r["missing"] and back:
                    excused.append("%s; it depends on %s, which the lock leaves out" % (line, ", ".join(back)))
                else:
                    (excused if self.harmless(m, r) else failures).append(line)
            todo = todo[len(ended) :]
            if todo and how:
                failures.append("%s: import %s: %s" % (label, todo[0], how))
                todo = todo[1:]
        # One of which nothing imports is no use, whatever the excuses of its modules.
        useless = excused and not result["count"] and not back
        result["problems"] += failures + (excused if useless else [])
        result["notes"] += [] if useless else excused
        return result

    def skipped(self, name, m):
        for skip, why in ((self.config["skip"] or {}).get(name) or {}).items():
            if m == skip or m.startswith(skip + "."):
                return why
        return None

    def harmless(self, m, result):
        """Whether a failure is noted only: a stray, or a part of a namespace that wants what the lock does not have."""
        return m.split(".")[0] in self.config["strays"] or result["missing"] and "." in m

    def child(self, label, names, deadline):
        """The results of a process, in the order of the names, and how it ended if there are fewer."""
        read, write = os.pipe()
        with tempfile.TemporaryFile() as out:
            p = subprocess.Popen([sys.executable, "-c", LOADER, sys.argv[1], "child", str(write)],
                                 stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, pass_fds=[write], start_new_session=True)
            os.close(write)
            timed = False
            try:
                p.communicate(json.dumps(names).encode(), timeout=max(1, deadline - time.time()))
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
        print("$ import of %s: %s" % (label, clip(said, 4000)), file=sys.stderr)
        if timed:
            return results, "no end within %d s" % self.config["limit"]
        if p.returncode < 0:
            how = "killed by signal %d (%s)" % (-p.returncode, signal.Signals(-p.returncode).name)
        else:
            how = "ended the process with status %d" % p.returncode
        return results, ": ".join([how] + [clip(line, 300) for line in said.strip().splitlines()[-1:]])


# The child.


def child(fd):
    with os.fdopen(fd, "w", buffering=1) as out:
        os.set_inheritable(fd, False)
        for name in json.load(sys.stdin):
            result = {"said": "", "missing": False}
            try:
                importlib.import_module(name)
            except BaseException as e:
                traceback.print_exc()
                text = str(e).strip()
                # For a module that is not there, and not for a shared library.
                missing = isinstance(e, ImportError) and not str(getattr(e, "path", None) or "").endswith(".so")
                result = {"said": type(e).__name__ + (": " + clip(text) if text else ""), "missing": missing}
            out.write(json.dumps(result) + "\n")
    # Threads and exit handlers of what was imported are not the subject.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


# With -c the working directory comes first, where a program would have its own.
sys.path[:] = [p for p in sys.path if p]
if sys.argv[2] == "child":
    child(int(sys.argv[3]))
else:
    Proof(json.load(sys.stdin)).main()
