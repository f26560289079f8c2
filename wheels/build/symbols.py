"""Takes debug information out of the wheel of a build. Python 3.8 or newer, its standard library, and binutils.

    python -I -S -c symbols.py    3: the job, {out, wheel, debug}; 4: takes the answer

Of every shared object and program of the wheel in the directory out that is of this machine and has debug information,
that goes to debug/.build-id/ab/cdef....debug, a directory that is made; the wheel keeps it without, with its RECORD
corrected where that was right. One without a build id, by which alone the other is found, loses it. A wheel with nothing
of that is left alone, and so is what is no wheel: that is for others to say. The answer is {"ok": COUNT}, of files in
debug, or {"hook": "", "kind": "raised", "error": TEXT}. The exit status is 0 with "ok", else 1.
"""

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile


def head(name):
    """What tells the machine of an ELF file: class, byte order, number; None if it is none."""
    with open(name, "rb") as f:
        start = f.read(20)
    return start[4:6] + start[18:20] if start[:4] == b"\x7fELF" and len(start) == 20 else None


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, universal_newlines=True, errors="replace").stdout


def split(file, label, debug):
    """Takes debug information out of a file. Returns whether there was any, and whether it was kept."""
    facts = run("readelf", "-S", "-n", "-W", file)
    if not re.search(r"^ *\[ *\d+\] \.z?debug_", facts, re.M):
        return False, False
    found = re.search(r"Build ID: ([0-9a-f]{4,})$", facts, re.M)
    kept = False
    if found:
        id = found.group(1)
        to = os.path.join(debug, ".build-id", id[:2], id[2:] + ".debug")
        os.makedirs(os.path.dirname(to), exist_ok=True)
        kept = not os.path.exists(to)  # two files may be the same
        run("objcopy", "--only-keep-debug", "--compress-debug-sections", file, to)
    else:
        print("pybake: %s has no build id, so its symbols are lost" % label)
    run("strip", "--strip-debug", file)
    return True, kept


def row(algorithm, file):
    """What RECORD says of a file: hash and size."""
    sum = hashlib.new(algorithm)
    with open(file, "rb") as f:
        for data in iter(lambda: f.read(1 << 20), b""):
            sum.update(data)
    return [algorithm + "=" + base64.urlsafe_b64encode(sum.digest()).rstrip(b"=").decode(), str(os.path.getsize(file))]


def corrected(record, changed):
    """A RECORD in which changed, name to (file before, file after), is as it is now. What was wrong stays wrong."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for r in csv.reader(io.StringIO(record, newline="")):
        if len(r) == 3 and r[0] in changed:
            algorithm = r[1].partition("=")[0]
            before, after = changed[r[0]]
            if algorithm in ("sha256", "sha384", "sha512") and r[1:] in (row(algorithm, before), row(algorithm, before)[:1] + [""]):
                r[1:] = row(algorithm, after)
        rows.writerow(r)
    return out.getvalue()


def rewrite(source, to, changed):
    """Copies a wheel with some files changed, and its RECORD corrected."""
    for info in source.infolist():
        with source.open(info) as f:
            if re.match(r"[^/]+\.dist-info/RECORD\Z", info.filename):
                f = io.BytesIO(corrected(f.read().decode(), changed).encode())
                info.file_size = len(f.getbuffer())
            elif info.filename in changed:
                f = open(changed[info.filename][1], "rb")
                info.file_size = os.path.getsize(f.name)
            with to.open(info, "w") as g, f:
                shutil.copyfileobj(f, g, 1 << 20)


def symbols(job):
    wheel, debug = os.path.join(job["out"], job["wheel"]), job["debug"]
    if not os.path.lexists(wheel) or not stat.S_ISREG(os.lstat(wheel).st_mode) or not zipfile.is_zipfile(wheel):
        return 0
    shutil.rmtree(debug, ignore_errors=True)  # the build may have been there
    os.mkdir(debug)
    own, changed, count = head("/proc/self/exe"), {}, 0
    with tempfile.TemporaryDirectory(dir=os.path.dirname(debug)) as scratch, zipfile.ZipFile(wheel) as source:
        for i, info in enumerate(source.infolist()):
            with source.open(info) as f:
                if f.read(4) != b"\x7fELF":
                    continue
            before, after = os.path.join(scratch, "%d.before" % i), os.path.join(scratch, "%d.after" % i)
            with source.open(info) as f, open(before, "wb") as g:
                shutil.copyfileobj(f, g, 1 << 20)
            if head(before) != own:
                continue
            shutil.copyfile(before, after)
            had, kept = split(after, info.filename, debug)
            if had:
                changed[info.filename] = before, after
            count += kept
        if changed:
            new = os.path.join(scratch, "new")
            with zipfile.ZipFile(new, "w") as to:
                rewrite(source, to, changed)
            os.replace(new, wheel)
    print("pybake: symbols of %d files" % count)
    return count


def main():
    sys.stdout.reconfigure(line_buffering=True)
    with os.fdopen(3) as f:
        job = json.load(f)
    os.set_inheritable(4, False)
    try:
        result = {"ok": symbols(job)}
    except subprocess.CalledProcessError as e:
        result = {"hook": "", "kind": "raised", "error": "%s ended with status %d" % (e.cmd[0], e.returncode)}
    except Exception as e:
        result = {"hook": "", "kind": "raised", "error": "%s: %s" % (type(e).__name__, e)}
    with os.fdopen(4, "w") as f:
        json.dump(result, f)
    return 0 if "ok" in result else 1


if __name__ == "__main__":
    sys.exit(main())
