#!/usr/bin/env python3
"""Installs the wheels of a house into a virtual environment, without pip and without a network.

    install.py venv --python /opt/python/3.13/bin/python3.13 --venv /venv [--root DIR]
    install.py wheels --lock requirements.txt --house DIR --venv /venv [--root DIR] [--each]
                      [--keep [NAME=]WORD,WORD] [--jobs N] [FILE.whl ...]

venv makes the empty environment: pyvenv.cfg, bin/python as a symbolic link to the interpreter, bin/python3 and
bin/python3.13 as links to it, and lib/python3.13/site-packages. There is no pip in it, and no activate.

wheels installs what the lock names, or the FILEs, which are names in the house. It is run by the interpreter of the
environment. The lock has lines NAME==VERSION --hash=sha256:HEX, as the requirements.txt of a house has them; a wheel
whose hash is not in it is refused. With --root all files go below DIR, and paths within them stay those without it. With
--each the files of a wheel go below DIR/FILE.whl, each apart.

A wheel (PyPA's binary distribution format) is installed thus:
  - Members go to site-packages; those of .data/{purelib,platlib,scripts,headers,data} where their name says. Names that
    leave the environment, special files, names that occur twice, what RECORD does not have, and contents that
    RECORD has another hash of, are refused. Modes are 0644, and 0755 for what anyone may execute and for all in bin.
  - Each of console_scripts and gui_scripts is a program of /venv/bin/python; scripts that begin with #!python are too, whatever else the line says.
  - INSTALLER is "pybake"; RECORD lists what is there. RECORD.jws, RECORD.p7s, REQUESTED and direct_url.json are left out.
  - Each module in site-packages gets bytecode that is never checked against its source (PEP 552, unchecked), with the
    path that it has at run time, whatever --root says. One that does not compile has none. It is made by processes
    that are fresh, have no site and a fixed hash seed, and get the modules of one wheel only, in the order of
    their names, so that the same wheel gives the same bytes everywhere.
  - Two wheels with the same file and different bytes are refused, unless --each; so is what is installed already.

Left out, unless a WORD after --keep (for all wheels, or those of a project NAME) says otherwise:
  tests     directories "tests" with Python files, below a top-level package, that no import of the wheel's other modules names
  headers   *.h *.hh *.hpp *.hxx *.cuh *.pxd *.a *.la *.lib, directories "include" of such, .data/headers
  sources   *.c *.cc *.cpp *.cxx *.pyx *.f *.f90 *.rs
  docs      share/doc, share/info and share/man of the environment
  metadata  the description in METADATA; in .dist-info sboms and what only setuptools reads
  typing    *.pyi, unless lazy-loader reads them

Each wheel that is there is told by its file name, a line on standard output.
Exit status 0 done, 1 failed, with lines "FILE: what is wrong" on standard error, 2 wrong usage. After a failure, what was
written stays.
"""
import argparse
import base64
import csv
import gc
import hashlib
import io
import json
import mmap
import os
import re
import select
import signal
import stat
import sys
import zipfile
import zlib

WORDS = ("tests", "headers", "sources", "docs", "metadata", "typing")
HEADERS = (".h", ".hh", ".hpp", ".hxx", ".cuh", ".pxd", ".a", ".la", ".lib")
SOURCES = (".c", ".cc", ".cpp", ".cxx", ".pyx", ".f", ".f90", ".rs")
NEVER = ("RECORD", "RECORD.jws", "RECORD.p7s", "REQUESTED", "INSTALLER", "direct_url.json")
SETUPTOOLS = ("zip-safe", "not-zip-safe", "dependency_links.txt", "namespace_packages.txt", "SOURCES.txt")
PIECE = 16 << 20  # bytes of a member that are in memory at once
LIMIT = 8 << 30  # bytes of all members of a wheel
CHUNK = 1 << 20  # bytes of source that one process compiles, and one module more
ARGUMENTS = 64 << 10  # bytes of names that it gets

# What compiles: ROOT VENV FILE..., FILEs relative to both. It prints those that do not compile.
COMPILE = """
import _imp, gc, marshal, posix, sys
from _frozen_importlib_external import MAGIC_NUMBER
gc.disable()
key, suffix = int.from_bytes(MAGIC_NUMBER, "little"), "." + sys.implementation.cache_tag + ".pyc"
for name in sys.argv[3:]:
    with open(sys.argv[1] + "/" + name, "rb") as f:
        source = f.read()
    try:
        code = compile(source, sys.argv[2] + "/" + name, "exec", 0, True)
    except Exception:
        print(name)
        continue
    data = MAGIC_NUMBER + b"\\1\\0\\0\\0" + _imp.source_hash(key, source) + marshal.dumps(code)
    parent, _, base = name.rpartition("/")
    cache = sys.argv[1] + "/" + parent + "/__pycache__"
    try:
        posix.mkdir(cache, 0o755)
    except FileExistsError:
        pass
    try:
        with open(cache + "/" + base[:-3] + suffix, "xb") as f:
            f.write(data)
    except FileExistsError:
        pass  # of the same module in another wheel
    del code, data, source
"""


class Refused(Exception):
    """What is wrong with a wheel, the lock or the environment."""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def encoded(h):
    return base64.urlsafe_b64encode(h.digest()).rstrip(b"=").decode()


def lib():
    return "lib/python%d.%d" % sys.version_info[:2]


def below(root, venv):
    """Where files of the environment are written."""
    return os.path.join(root, venv.lstrip("/")) if root else venv


class Lock:
    """The hashes of requirements.txt."""

    LINE = re.compile(r"([A-Za-z0-9._-]+)\s*==\s*(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)")

    def __init__(self, path):
        self.hashes = {}  # normalised name: set
        with open(path, encoding="utf-8") as f:
            text = f.read()
        number = 1
        for line in re.split(r"(?<!\\)\n", text):
            words = re.sub(r"(?m)(^|\s)#.*$", "", line).replace("\\\n", " ").strip()
            m = self.LINE.fullmatch(words)
            if words and not m:
                raise Refused("%s:%d: %.200r is not NAME==VERSION --hash=sha256:HEX" % (path, number, words))
            if m:
                self.hashes.setdefault(normal(m.group(1)), set()).update(re.findall("sha256:([0-9a-f]{64})", m.group(3)))
            number += line.count("\n") + 1

    def choose(self, house, files):
        """The wheels to install, by name of project."""
        chosen = {}
        for file in sorted(files or (f for f in os.listdir(house) if f.endswith(".whl"))):
            wheel = Wheel(house, file)
            if wheel.name not in self.hashes:
                raise Refused("%s: %s is not in the lock" % (file, wheel.name))
            if wheel.name in chosen:
                raise Refused("%s: %s is of the same project" % (file, chosen[wheel.name].file))
            wheel.hashes = self.hashes[wheel.name]
            chosen[wheel.name] = wheel
        missing = sorted(set(self.hashes) - set(chosen))
        if missing and not files:
            raise Refused("%s: no wheel of %s" % (house, ", ".join(missing)))
        return chosen


class Wheel:
    def __init__(self, house, file):
        parts = file[: -len(".whl")].split("-")
        if os.path.basename(file) != file or not file.endswith(".whl") or len(parts) not in (5, 6):
            raise Refused("%s: is not the name of a wheel" % file)
        self.path, self.file, self.name, self.version = os.path.join(house, file), file, normal(parts[0]), parts[1]
        self.stem = "-".join(parts[:2])
        if not self.fits(*[p.split(".") for p in parts[-3:]]):
            raise Refused("%s: is not for CPython %d.%d on %s" % ((file,) + sys.version_info[:2] + (os.uname().machine,)))

    @staticmethod
    def fits(pythons, abis, platforms):
        here = sys.version_info[:2]
        if not any(p == "any" or p.endswith("_" + os.uname().machine) for p in platforms):
            return False
        for p in pythons:
            m = re.fullmatch(r"(py|cp)(\d)(\d*)", p)
            version = m and (int(m.group(2)), int(m.group(3) or 0))
            if version == here or version and version[0] == here[0] and version < here and (m.group(1) == "py" or "abi3" in abis):
                return True
        return False


class Unpack:
    """Unpacks one wheel. The result goes to the parent as JSON."""

    def __init__(self, wheel, venv, root, keep):
        self.wheel, self.venv, self.keep = wheel, venv, keep
        self.base = below(root, venv)
        self.site = lib() + "/site-packages"
        self.made = set()
        self.files = []  # [path below the environment, hash, size]
        self.there = []  # paths of them that were there already

    def run(self):
        with open(self.wheel.path, "rb") as f:
            self.data = memoryview(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))
            found = hashlib.sha256(self.data).hexdigest()
            if found not in self.wheel.hashes:
                raise Refused("has the SHA-256 %s, the lock has %s" % (found, ", ".join(sorted(self.wheel.hashes))))
            with zipfile.ZipFile(f) as z:
                self.members = self.names(z.infolist())
            self.info = self.find_info()
            self.record = self.read_record()
            self.unpack()
        return {
            "info": self.site + "/" + self.info, "files": self.files, "there": self.there,
            "sources": {p: size for p, _, size in self.files if p.endswith(".py") and p.startswith(self.site + "/")},
        }

    @staticmethod
    def names(infos):
        """The members that are files, by name."""
        members, parents, size = {}, set(), 0
        for i in infos:
            name, size = i.filename, size + i.file_size
            kind = stat.S_IFMT(i.external_attr >> 16)
            parts = (name[:-1] if name.endswith("/") else name).split("/")
            if i.orig_filename != name or re.search(r"[\x00-\x1f\x7f\\]", name) or {"", ".", ".."} & set(parts):
                raise Refused("%.200r is no name of a file in the environment" % i.orig_filename)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or i.flag_bits & 1 or i.compress_type not in (0, 8):
                raise Refused("%.200r is no ordinary file" % name)
            if name in members:
                raise Refused("%.200r is there twice" % name)
            if not name.endswith("/"):
                members[name] = i
                parents.update("/".join(parts[:n]) for n in range(1, len(parts)))
        for name in parents & set(members):
            raise Refused("%.200r is a file and a directory" % name)
        if size > LIMIT:
            raise Refused("unpacks to %d bytes, more than %d" % (size, LIMIT))
        return members

    def pieces(self, m):
        """The contents of a member, in pieces."""
        at = m.header_offset
        head = self.data[at : at + 30]
        if len(head) < 30 or bytes(head[:4]) != b"PK\3\4":
            raise Refused("%.200r: no local header" % m.filename)
        named, extra = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        name = bytes(self.data[at + 30 : at + 30 + named])
        if name != m.filename.encode("utf-8" if m.flag_bits & 0x800 else "cp437"):
            raise Refused("%.200r: has the name %.200r in its local header" % (m.filename, name))
        at += 30 + named + extra
        packed, left = self.data[at : at + m.compress_size], m.file_size
        if m.compress_type == 0:
            if m.compress_size != left:
                raise Refused("%.200r: has not the size that it says" % m.filename)
            yield from (packed[n : n + PIECE] for n in range(0, left, PIECE))
            return
        unpacker, step = zlib.decompressobj(-15), 1 << 20
        for n in range(0, len(packed), step):
            part = packed[n : n + step]
            while True:
                out = unpacker.decompress(part, min(PIECE, left + 1))
                left -= len(out)
                if left < 0:
                    raise Refused("%.200r: is larger than it says" % m.filename)
                if out:
                    yield out
                part = unpacker.unconsumed_tail
                if not part:
                    break
        if left or not unpacker.eof:
            raise Refused("%.200r: is not whole" % m.filename)

    def content(self, name):
        """The contents of a member of .dist-info."""
        m = self.members.get(self.info + "/" + name)
        return b"" if m is None else b"".join(self.pieces(m))

    def find_info(self):
        tops = sorted({name.split("/")[0] for name in self.members})
        infos = [t for t in tops if t.endswith(".dist-info")]
        if len(infos) != 1 or normal(infos[0][: -len(".dist-info")].rpartition("-")[0]) != self.wheel.name:
            raise Refused("has the .dist-info directories %s, and not just that of %s" % (", ".join(infos) or "(none)", self.wheel.name))
        self.stem = infos[0][: -len(".dist-info")]
        for wanted in ("METADATA", "RECORD", "WHEEL"):
            if infos[0] + "/" + wanted not in self.members:
                raise Refused("no %s/%s" % (infos[0], wanted))
        return infos[0]

    def read_record(self):
        record = {}
        for row in csv.reader(io.StringIO(self.content("RECORD").decode("utf-8"), newline="")):
            if row:
                record[row[0]] = row[1] if len(row) > 1 else ""
        signed = {self.info + "/" + name for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
        for problem, names in (("is not in RECORD", set(self.members) - set(record)), ("is in RECORD only", set(record) - set(self.members))):
            for name in sorted(names - signed):
                raise Refused("%.200r %s" % (name, problem))
        return record

    # Where things go, and what is left out.

    def place(self, name):
        """Where a member goes below the environment, and whether it is a script."""
        data = self.stem + ".data/"
        if not name.startswith(data):
            return self.site + "/" + name, False
        scheme, _, rest = name[len(data) :].partition("/")
        to = {
            "purelib": self.site + "/", "platlib": self.site + "/", "scripts": "bin/", "data": "",
            "headers": "include/site/" + os.path.basename(lib()) + "/" + self.wheel.name + "/",
        }.get(scheme)
        if to is None or not rest:
            raise Refused("%.200r: is in no directory of .data that is installed" % name)
        place = to + rest
        if place == "pyvenv.cfg" or re.fullmatch(r"bin/python[0-9.]*", place):
            raise Refused("%.200r: is part of the environment itself" % name)
        return place, scheme == "scripts"

    def slim(self, places):
        """The places that are left out, whatever the modules say."""
        out = set()
        headers = {self.ahead(p, "include") for p in places if p.endswith(HEADERS)} - {None}
        code = {self.ahead(p, "include") for p in places if p.endswith((".py", ".so"))}
        for p in places:
            top, _, rest = p.partition("/")
            group = None
            if "__pycache__" in p.split("/"):
                out.add(p)
            elif p.startswith(self.site + "/" + self.info + "/"):
                name = p[len(self.site + "/" + self.info + "/") :]
                if name in NEVER:
                    out.add(p)
                elif name in SETUPTOOLS or name.startswith("sboms/"):
                    group = "metadata"
            elif p.endswith(HEADERS) or top == "include" or self.ahead(p, "include") in headers - code:
                group = "headers"
            elif p.endswith(SOURCES):
                group = "sources"
            elif top == "share" and rest.split("/")[0] in ("doc", "info", "man"):
                group = "docs"
            if group and group not in self.keep:
                out.add(p)
        return out

    def ahead(self, place, name):
        """The first directory of a name, below a top-level package, that a place is in."""
        if not place.startswith(self.site + "/"):
            return None
        parts = place[len(self.site) + 1 :].split("/")
        for n in range(1, len(parts) - 1):
            if parts[n] == name:
                return "/".join(parts[: n + 1])
        return None

    IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]+))", re.M)

    def imported(self, place, text):
        """The directories that imports of a module may mean."""
        if b"tests" not in text:
            return
        package = place[len(self.site) + 1 :].split("/")[:-1]
        for dots, module, names, modules in self.IMPORT.findall(text):
            if modules:
                for m in modules.split(b","):
                    yield m.split()[0].decode(errors="replace").replace(".", "/") if m.split() else ""
                continue
            start = package[: len(package) + 1 - len(dots)] if dots else []
            prefix = "/".join(start + [m for m in module.decode(errors="replace").split(".") if m])
            for name in re.findall(rb"\w+", names):
                yield prefix + "/" + name.decode(errors="replace")

    def unpack(self):
        places, scripts = {}, self.scripts()
        for name in self.members:
            place, script = self.place(name)
            if script and place in scripts:
                continue  # the entry point is what is installed
            if place in places or place in scripts:
                raise Refused("%.200r: is installed where another file is" % name)
            places[place] = (name, script)
        out = self.slim(places)
        tests = {p: self.ahead(p, "tests") for p in places if p not in out and "tests" not in self.keep}
        python = {d for p, d in tests.items() if d and p.endswith(".py")}
        stubs = "typing" in self.keep or re.search(rb"(?im)^Requires-Dist:[ \t]*lazy[-_.]loader\b", self.content("METADATA"))
        named, later = set(), []
        for p in sorted(places):
            if p in out:
                continue
            if tests.get(p) in python or p.endswith(".pyi"):
                later.append(p)
                continue
            text = self.install(p, *places[p])
            if text and p.endswith(".py"):
                stubs = stubs or b"attach_stub" in text
                named.update(self.imported(p, text))
        wanted = {d for d in python if any(n == d or n.startswith(d + "/") for n in named)}
        for p in later:
            if tests.get(p) in python - wanted or p.endswith(".pyi") and not stubs:
                continue
            self.install(p, *places[p])
        for p, text in sorted(scripts.items()):
            self.put(p, [text], True)
        self.put(self.site + "/" + self.info + "/INSTALLER", [b"pybake\n"], False)

    # Files.

    def install(self, place, name, script):
        """Writes a member, and returns its contents if it is a module."""
        m, text = self.members[name], None
        how, _, want = self.record[name].partition("=")
        if how not in ("sha256", "sha384", "sha512"):
            raise Refused("%.200r: has no hash in RECORD" % name)
        pieces, check = self.pieces(m), hashlib.new(how)
        if script or place.endswith(".py") or name == self.info + "/METADATA":
            if m.file_size > PIECE:
                raise Refused("%.200r: is larger than %d bytes" % (name, PIECE))
            text = b"".join(pieces)
            check.update(text)
            pieces = [self.changed(name, script, text)]
        own = text is None and how == "sha256"  # what is written is what RECORD has a hash of
        written = self.put(place, pieces, script or m.external_attr >> 16 & 0o111, None if own or text is not None else check)
        found = encoded(written if own else check)
        if found != want.rstrip("="):
            raise Refused("%.200r: has the hash %s, RECORD has %s" % (name, found, want))
        return text

    def changed(self, name, script, text):
        if script and text.startswith(b"#!python"):
            return b"#!" + self.venv.encode() + b"/bin/python\n" + text.partition(b"\n")[2]
        if name == self.info + "/METADATA" and "metadata" not in self.keep:
            head = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0] + b"\n"
            return re.sub(rb"(?im)^Description(-Content-Type)?:.*\n([ \t].*\n)*", b"", head)
        return text

    def put(self, place, pieces, program, check=None):
        path, h, size = self.base + "/" + place, hashlib.sha256(), 0
        self.directory(os.path.dirname(path))
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755 if program else 0o644)
        except FileExistsError:
            self.there.append(place)  # whose it is, the parent finds out
            fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for piece in pieces:
                h.update(piece)
                if check:
                    check.update(piece)
                rest, size = memoryview(piece), size + len(piece)
                while rest:
                    rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)
        self.files.append([place, "sha256=" + encoded(h), size])
        return h

    def directory(self, path):
        if path not in self.made:
            os.makedirs(path, 0o755, exist_ok=True)
            self.made.add(path)

    SCRIPT = re.compile(r"([\w.-]+|[^\s/\\=\[][^/\\=]*?)\s*=\s*([^\W\d][\w.]*)\s*:\s*([^\W\d][\w.]*)\s*(?:\[.*\])?")

    def scripts(self):
        """The programs of entry_points.txt, by place."""
        found, section = {}, ""
        for line in self.content("entry_points.txt").decode("utf-8").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line[1:-1].strip()
            elif line and line[0] not in "#;" and section in ("console_scripts", "gui_scripts"):
                m = self.SCRIPT.fullmatch(line)
                if not m or m.group(1) in (".", "..") or re.fullmatch(r"python[0-9.]*", m.group(1)):
                    raise Refused("entry_points.txt: %.200r is no NAME = MODULE:FUNCTION" % line)
                text = "#!%s/bin/python\nimport sys\nfrom %s import %s\nif __name__ == \"__main__\":\n    sys.exit(%s())\n" % (
                    self.venv, m.group(2), m.group(3).split(".")[0], m.group(3))
                found["bin/" + m.group(1)] = text.encode()
        return found


class Processes:
    """Runs tasks in processes, some at once."""

    def __init__(self, jobs):
        self.jobs, self.waiting, self.running, self.poll = jobs, [], {}, select.poll()

    def add(self, priority, run, done):
        """run is called in a new process, and what it writes to its standard output is given to done, with its status."""
        self.waiting.append((priority, run, done))

    def start(self):
        _, run, done = self.waiting.pop(max(range(len(self.waiting)), key=lambda n: self.waiting[n][0]))
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.dup2(write, 1)
                run()
                code = 0
            finally:
                os._exit(code)
        os.close(write)
        self.running[read] = (pid, [], done)
        self.poll.register(read, select.POLLIN)

    def run(self):
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self.jobs:
                    self.start()
                for fd, _ in self.poll.poll():
                    pid, out, done = self.running[fd]
                    data = os.read(fd, 1 << 16)
                    out.append(data)
                    if not data:
                        self.poll.unregister(fd)
                        os.close(fd)
                        del self.running[fd]
                        done(b"".join(out), os.waitpid(pid, 0)[1])
        finally:
            for pid, _, _ in self.running.values():
                os.kill(pid, signal.SIGKILL)


class Install:
    def __init__(self, args):
        self.args, self.problems = args, []
        self.processes = Processes(args.jobs)
        self.results = {}  # file: what Unpack found

    def main(self):
        args = self.args
        wheels = Lock(args.lock).choose(args.house, args.files)
        if not args.each:
            self.look(wheels)
        for wheel in wheels.values():
            root = os.path.join(args.root, wheel.file) if args.each else args.root
            keep = args.keep.get("", set()) | args.keep.get(wheel.name, set())
            unpack = Unpack(wheel, args.venv, root, keep)
            # What is unpacked is compiled before more is unpacked.
            self.processes.add(
                (0, os.path.getsize(wheel.path)), lambda u=unpack: self.child(u), lambda out, status, u=unpack: self.unpacked(u, out, status))
        self.processes.run()
        if not args.each:
            self.overlaps()
        return self.problems

    def look(self, wheels):
        """Refuses what is no environment, or has one of the wheels."""
        base = below(self.args.root, self.args.venv)
        if not os.path.exists(base + "/pyvenv.cfg"):
            raise Refused("%s: is no virtual environment; install.py venv makes one" % base)
        for name in sorted(os.listdir(base + "/" + lib() + "/site-packages")):
            project = normal(name[: -len(".dist-info")].rpartition("-")[0])
            if name.endswith(".dist-info") and project in wheels:
                raise Refused("%s: is installed already: %s" % (wheels[project].file, name))

    @staticmethod
    def child(unpack):
        try:
            result = unpack.run()
        except Refused as e:
            result = {"problem": str(e)}
        except Exception as e:
            result = {"problem": "%s: %s" % (type(e).__name__, e)}
        with os.fdopen(1, "w", closefd=False) as out:
            json.dump(result, out)

    def unpacked(self, unpack, out, status):
        file = unpack.wheel.file
        result = json.loads(out.decode()) if status == 0 else {"problem": "unpacking ended with status %d" % status}
        if "problem" in result:
            self.problems.append("%s: %s" % (file, result["problem"]))
            return
        work = list(chunks(result["sources"]))
        self.results[file] = result = dict(result, file=file, base=unpack.base, failed=set(), left=len(work))
        for size, names in work:
            self.processes.add(
                (1, size), lambda names=names: self.compile(unpack.base, names), lambda out, status: self.compiled(result, out, status))
        if not work:
            self.finish(result)

    def compile(self, base, names):
        argv = [sys.executable, "-s", "-S", "-W", "ignore", "-c", COMPILE, base, self.args.venv] + names
        os.execve(sys.executable, argv, {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"})

    def compiled(self, result, out, status):
        if status != 0:
            self.problems.append("%s: compiling ended with status %d" % (result["file"], status))
            return
        result["failed"].update(out.decode().splitlines())
        result["left"] -= 1
        if not result["left"]:
            self.finish(result)

    def finish(self, result):
        """Writes RECORD, and tells that the wheel is there."""
        site, rows = lib() + "/site-packages", []
        for place, found, size in result["files"]:
            path = os.path.relpath(place, site)
            rows.append([path, found, size])
            if place in result["sources"] and place not in result["failed"]:
                parent, name = os.path.split(path)
                rows.append([os.path.join(parent, "__pycache__", name[:-3] + "." + sys.implementation.cache_tag + ".pyc"), "", ""])
        rows.append([os.path.relpath(result["info"] + "/RECORD", site), "", ""])
        with open(result["base"] + "/" + result["info"] + "/RECORD", "w", encoding="utf-8", newline="") as f:
            csv.writer(f, lineterminator="\n").writerows(sorted(rows))
        print(result["file"], flush=True)

    def overlaps(self):
        """Finds files that two wheels have, or that were there, with other contents."""
        owners, shared, there = {}, set(), {}
        for file, result in sorted(self.results.items()):
            for place, found, _ in result["files"]:
                owner = owners.setdefault(place, (file, found))
                if owner[0] != file:
                    shared.add(place)
                if owner[1] != found:
                    self.problems.append("%s: %s, which %s has with other contents" % (file, place, owner[0]))
            there.update(dict.fromkeys(result["there"], result["base"]))
        for place in sorted(set(there) - shared):
            with open(there[place] + "/" + place, "rb") as f:
                if "sha256=" + encoded(hashlib.sha256(f.read())) != owners[place][1]:
                    self.problems.append("%s: %s is there already, with other contents" % (owners[place][0], place))


def chunks(sources):
    """Divides modules among processes, whatever the number of these."""
    size, count, names = 0, 0, []
    for place, bytes_ in sorted(sources.items()):
        names.append(place)
        size, count = size + bytes_, count + len(place)
        if size >= CHUNK or count >= ARGUMENTS:
            yield size, names
            size, count, names = 0, 0, []
    if names:
        yield size, names


def make_venv(args):
    base, python = below(args.root, args.venv), args.python
    m = re.fullmatch(r"(/.+)/(python\d\.\d+)", python)
    if not m:
        raise Refused("%s: want a path like /opt/python/3.13/bin/python3.13" % python)
    os.makedirs(base + "/bin", 0o755)
    os.makedirs(base + "/lib/" + m.group(2) + "/site-packages", 0o755)
    with open(base + "/pyvenv.cfg", "x") as f:
        f.write("home = %s\ninclude-system-site-packages = false\nversion = %s\n" % (m.group(1), m.group(2)[len("python") :]))
    for name, to in (("python", python), ("python3", "python"), (m.group(2), "python")):
        os.symlink(to, base + "/bin/" + name)
    return []


def keeps(values):
    """What --keep says, by project; "" is all."""
    keep = {}
    for value in values:
        name, _, words = value.rpartition("=")
        for word in filter(None, words.split(",")):
            if word not in WORDS:
                raise argparse.ArgumentTypeError("%r: want some of %s" % (word, " ".join(WORDS)))
            keep.setdefault(normal(name), set()).add(word)
    return keep


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb")
    verbs.required = True
    for verb in ("venv", "wheels"):
        p = verbs.add_parser(verb, allow_abbrev=False)
        p.add_argument("--venv", required=True)
        p.add_argument("--root", default="")
    verbs.choices["venv"].add_argument("--python", required=True)
    p.add_argument("--house", required=True)
    p.add_argument("--lock", required=True)
    p.add_argument("--each", action="store_true")
    p.add_argument("--keep", action="append", default=[])
    p.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("files", nargs="*", metavar="FILE.whl")
    args = parser.parse_args()
    if not re.fullmatch(r"(/[\w.+-]+)+", args.venv) or len(args.venv) > 100:
        parser.error("--venv: want an absolute path that a #! line can have")
    os.umask(0o022)
    gc.disable()
    try:
        if args.verb == "wheels":
            args.keep, args.jobs = keeps(args.keep), max(1, args.jobs)
            if args.each and not args.root:
                parser.error("--each: wants --root")
        problems = make_venv(args) if args.verb == "venv" else Install(args).main()
    except argparse.ArgumentTypeError as e:
        parser.error("--keep: %s" % e)
    except (Refused, OSError, UnicodeError) as e:
        problems = [str(e)]
    for problem in sorted(problems):
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
