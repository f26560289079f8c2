"""The checks that an installed CPython passes before its packages are accepted.

    python3.13 check.py CONFIG NAME…

CONFIG is a JSON object:
  version     "3.13.5"
  prefix      "/opt/python/3.13"
  stdlib      "/opt/python/3.13/lib/python3.13"
  builder     directories of the builder, which nothing may name
  extensions  the extension modules that must be there, built in or not
  all         the extension modules of all packages
  modules     all other top-level modules; or empty: the recipe has no list
  recipe      the file in which the list is
  skip        {module: reason}: modules of the standard library that, with all below them, cannot be imported here
  probe       a directory with the compiled extension module pybake_probe and the embedding program pybake_embed

Prints one JSON object a line, {"name", "ok", "seconds", "detail"}, in the order of the names given.
Runs as an ordinary user, with no network and no compiler.
"""
import importlib
import importlib.util
import json
import marshal
import os
import subprocess
import sys
import tempfile
import time

with open(sys.argv[1]) as f:
    CONFIG = json.load(f)
PREFIX = CONFIG["prefix"]
SERIES = ".".join(CONFIG["version"].split(".")[:2])
STDLIB = CONFIG["stdlib"]


def run(*argv, **kw):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=300, **kw)
    if p.returncode != 0:
        raise AssertionError("%s: exit status %d: %s" % (" ".join(argv)[:80], p.returncode, p.stdout.strip()[-800:]))
    return p.stdout.strip()


def version():
    import platform

    got = platform.python_version()
    assert got == CONFIG["version"], "the interpreter says %s, the packages %s" % (got, CONFIG["version"])
    assert sys.prefix == PREFIX, "sys.prefix is " + sys.prefix
    return sys.version.replace("\n", " ")


def extensions():
    bad = []
    for name in CONFIG["extensions"]:
        try:
            importlib.import_module(name)
        except Exception as e:
            bad.append("%s (%s: %s)" % (name, type(e).__name__, e))
    assert not bad, "missing or broken: " + ", ".join(bad)
    return "%d extension modules" % len(CONFIG["extensions"])


def stdlib_modules():
    """Every module of the standard library but its tests, from the files that are there."""
    for folder, folders, files in os.walk(STDLIB):
        rel = os.path.relpath(folder, STDLIB).split(os.sep) if folder != STDLIB else []
        folders[:] = sorted(
            d for d in folders
            if d not in ("__pycache__", "test", "tests", "idle_test", "site-packages", "lib-dynload", "_bundled")
            and not d.startswith("config-") and os.path.exists(os.path.join(folder, d, "__init__.py"))
        )
        if rel:
            yield ".".join(rel)
        for name in sorted(files):
            if name.endswith(".py") and name not in ("__init__.py", "__main__.py"):
                yield ".".join(rel + [name[:-3]])


def imports():
    def skipped(name):
        return any(name == s or name.startswith(s + ".") for s in CONFIG["skip"])

    names = [n for n in stdlib_modules() if not skipped(n)]
    # In a process of its own, since modules like this one ("this") do things when they are imported.
    code = (
        "import contextlib, importlib, io, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "bad = []\n"
        "for name in sys.stdin.read().split():\n"
        "    try:\n"
        "        with contextlib.redirect_stdout(io.StringIO()): importlib.import_module(name)\n"
        "    except BaseException as e: bad.append('%s (%s: %s)' % (name, type(e).__name__, e))\n"
        "if bad: sys.exit('cannot be imported: ' + ', '.join(bad))\n"
    )
    run(sys.executable, "-c", code, input=" ".join(names))
    return "%d modules of the standard library" % len(names)


def modules():
    got = set(sys.builtin_module_names) | {n.split(".")[0] for n in os.listdir(os.path.join(STDLIB, "lib-dynload"))}
    for name in os.listdir(STDLIB):
        if name.endswith(".py"):
            got.add(name[:-3])
        elif name.isidentifier() and name != "__pycache__" and os.path.isdir(os.path.join(STDLIB, name)):
            got.add(name)
    got = {n for n in got if not n.startswith("_sysconfigdata_")}
    want = set(CONFIG["all"] + CONFIG["modules"])
    assert CONFIG["modules"], "%s does not say which modules there are; where these are right, add\nmodules = %s" % (
        CONFIG["recipe"], json.dumps(sorted(got - want)))
    wrong = ["%s is missing" % n for n in sorted(want - got)] + ["%s is not in the recipe" % n for n in sorted(got - want)]
    assert not wrong, "; ".join(wrong)
    return "%d top-level modules, just those of the recipe" % len(got)


def bytecode():
    """Every module but the tests has its bytecode, and no bytecode is without its module."""
    import re
    import warnings

    warnings.simplefilter("ignore")
    tests = re.compile("/(tests?|idle_test|site-packages)/")
    suffix = ".%s.pyc" % sys.implementation.cache_tag
    bad, compared = [], 0
    for folder, folders, files in os.walk(STDLIB):
        for name in sorted(files):
            path = os.path.join(folder, name)
            rel = os.path.relpath(path, STDLIB)
            if name.endswith(".pyc"):
                source = os.path.join(os.path.dirname(folder), name[:-len(suffix)] + ".py")
                if os.path.basename(folder) != "__pycache__" or not name.endswith(suffix) or not os.path.exists(source):
                    bad.append("%s has no source" % rel)
            elif name.endswith(".py") and not tests.search(path):
                wrong = stale(path, importlib.util.cache_from_source(path))
                if wrong:
                    bad.append("%s: %s" % (rel, wrong))
                compared += 1
    assert not bad, "; ".join(bad[:10])
    return "%d modules: the hash of each and its code when it is compiled again are those of its bytecode" % compared


def stale(path, cached):
    """What is wrong with the bytecode of a module (PEP 552)."""
    if not os.path.exists(cached):
        return "no bytecode"
    with open(path, "rb") as f:
        source = f.read()
    with open(cached, "rb") as f:
        data = f.read()
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return "bytecode of another interpreter"
    if data[4:8] != b"\x01\0\0\0":
        return "bytecode that is not of the unchecked hash-based kind"
    if data[8:16] != importlib.util.source_hash(source):
        return "bytecode of another source"
    code = marshal.loads(data[16:])
    if code.co_filename != path:
        return "bytecode made in " + code.co_filename
    if code != compile(source, path, "exec", dont_inherit=True):
        return "bytecode that is not what this source compiles to"
    return None


def ssl():
    import ssl
    import socket
    import threading

    here = os.path.dirname(os.path.abspath(__file__))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(os.path.join(here, "tls.pem"))
    client = ssl.create_default_context(cafile=os.path.join(here, "tls.pem"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with server.wrap_socket(listener.accept()[0], server_side=True) as c:
            c.sendall(c.recv(64).upper())

    t = threading.Thread(target=serve, daemon=True)
    t.start()
    with client.wrap_socket(socket.create_connection(listener.getsockname(), timeout=20), server_hostname="localhost") as c:
        c.sendall(b"pybake")
        assert c.recv(64) == b"PYBAKE"
        said = "%s, %s with itself on loopback" % (ssl.OPENSSL_VERSION, c.version())
    t.join(20)
    return said


def sqlite():
    import sqlite3

    db = sqlite3.connect(":memory:")
    db.execute("create table t (a, b)")
    db.executemany("insert into t values (?, ?)", [(i, str(i)) for i in range(100)])
    assert db.execute("select sum(a) from t").fetchone() == (4950,)
    return "SQLite " + sqlite3.sqlite_version


def compression():
    names = ["zlib", "bz2", "lzma"]
    if sys.version_info >= (3, 14):
        names.append("compression.zstd")
    data = os.urandom(1000) * 50
    for name in names:
        m = importlib.import_module(name)
        assert m.decompress(m.compress(data)) == data, name
    return ", ".join(names)


def zoneinfo():
    import datetime

    if sys.version_info < (3, 9):
        return "zoneinfo came with 3.9"
    from zoneinfo import ZoneInfo, available_timezones

    noon = datetime.datetime(2020, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert noon.utcoffset() == datetime.timedelta(hours=2)
    return "%d zones" % len(available_timezones())


def ctypes():
    import ctypes

    libc = ctypes.CDLL("libc.so.6")
    libc.strlen.restype = ctypes.c_size_t
    assert libc.strlen(b"pybake") == 6
    calls = []
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    order = callback(lambda a, b: calls.append(1) or a[0] - b[0])
    values = (ctypes.c_int * 4)(3, 1, 2, 0)
    libc.qsort(values, 4, ctypes.sizeof(ctypes.c_int), order)
    assert list(values) == [0, 1, 2, 3] and calls
    return "strlen and a callback from qsort"


def terminal():
    import curses
    import curses.panel
    import pty

    import readline

    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "linux"
        os.execv(sys.executable, [sys.executable, "-c", "import curses; s = curses.initscr(); curses.endwin(); print('drawn')"])
    said = b""
    while True:
        try:
            more = os.read(fd, 1024)
        except OSError:
            break
        if not more:
            break
        said += more
    assert os.waitpid(pid, 0)[1] == 0 and b"drawn" in said, said
    return "readline %x, curses drew on a pseudo-terminal" % readline._READLINE_LIBRARY_VERSION_ if hasattr(readline, "_READLINE_LIBRARY_VERSION_") else "readline and curses"


def dbm():
    import dbm

    said = []
    with tempfile.TemporaryDirectory() as tmp:
        for name in ("gnu", "ndbm", "dumb"):
            m = importlib.import_module("dbm." + name)
            with m.open(os.path.join(tmp, name), "c") as d:
                d[b"key"] = b"value"
                assert d[b"key"] == b"value"
            said.append(name)
    return ", ".join(said)


def decimal():
    import decimal

    import _decimal

    assert decimal.Decimal is _decimal.Decimal, "decimal is the pure Python one"
    with decimal.localcontext() as c:
        c.prec = 40
        assert str(decimal.Decimal(1) / 7) == "0.1428571428571428571428571428571428571429"
    return "libmpdec " + _decimal.__libmpdec_version__


def uuid():
    import _uuid
    import uuid

    assert uuid.uuid1() != uuid.uuid1() and _uuid.has_uuid_generate_time_safe in (0, 1)
    return "libuuid"


def sysconfig():
    import sysconfig

    names = sysconfig.get_config_vars()
    bad = ["%s=%s" % (k, v) for k, v in sorted(names.items()) if any(d in str(v) for d in CONFIG["builder"])]
    assert not bad, "names the builder: " + "; ".join(bad)
    for key in ("LDLIBRARY", "INSTSONAME"):
        path = os.path.join(names["LIBDIR"], names[key])
        assert os.path.exists(path), "%s is %s, which is not there" % (key, path)
    said = run(os.path.join(PREFIX, "bin", "python%s-config" % SERIES), "--cflags", "--ldflags", "--embed", "--configdir")
    assert not any(d in said for d in CONFIG["builder"]), said
    symbols = [k for k in ("OPT", "CFLAGS", "PY_CFLAGS") if "-g" in names[k].split()]
    assert not symbols and "-g" not in said.split(), "compiles extensions with -g: %s" % (symbols or said)
    assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
    return "no path of the builder, no -g; " + names["LDLIBRARY"]


def externally_managed():
    import sysconfig

    path = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    assert os.path.exists(path), path + " is not there"
    return path


def venv():
    with tempfile.TemporaryDirectory() as tmp:
        run(sys.executable, "-m", "venv", tmp, env={"PATH": "/usr/bin:/bin", "HOME": tmp})
        python = os.path.join(tmp, "bin", "python")
        assert run(python, "-c", "import sys; print(sys.prefix)") == os.path.realpath(tmp)
        return run(os.path.join(tmp, "bin", "pip"), "--version")


def extension():
    sys.path.insert(0, CONFIG["probe"])
    import pybake_probe

    assert pybake_probe.answer() == 42
    return "compiled in the builder against -dev, imported here"


def embed():
    said = run(os.path.join(CONFIG["probe"], "pybake_embed"))
    assert said == CONFIG["version"], said
    return "a program on libpython%s runs the standard library" % SERIES


def libraries():
    found = 0
    for folder, folders, files in os.walk(PREFIX):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            with open(path, "rb") as f:
                if f.read(4) != b"\x7fELF":
                    continue
            env = {"PATH": "/usr/bin:/bin"}
            if name.startswith("libpython3.so"):
                env["LD_LIBRARY_PATH"] = folder
            said = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, env=env).stdout
            assert "not found" not in said, "%s: %s" % (path, said)
            found += 1
    return "%d ELF files, every shared library found" % found


def no_compiler():
    import shutil

    there = [t for t in ("gcc", "cc", "g++", "clang", "as", "ld", "make") if shutil.which(t)]
    assert not there, "this container is not clean: " + ", ".join(there)
    return "none on PATH"


def tk():
    import tkinter

    return "Tcl/Tk %s" % tkinter.Tcl().eval("info patchlevel")


def suite():
    return run(sys.executable, "-m", "test", "-q", "test_json", "test_struct", "test_dict", "test_list", "test_zlib", "test_hashlib", cwd=tempfile.gettempdir()).splitlines()[-1]


def main():
    failed = False
    for name in sys.argv[2:]:
        start = time.time()
        try:
            ok, detail = True, globals()[name.replace("-", "_")]()
        except BaseException as e:
            ok, failed, detail = False, True, "%s: %s" % (type(e).__name__, e)
        print(json.dumps({"name": name, "ok": ok, "seconds": round(time.time() - start, 3), "detail": detail}), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
