"""Fills a volume with environments to build in, as root. Python 3.8 or newer, its standard library alone.

    python -c fill.py DIR SERIES

Messages are those of serve.py, and each that asks for something has a number.

    W {id, wheel}, then D..., E         unpacks a wheel, which is in D as a tar, to DIR/.wheels/WHEEL, with bytecode
    L {id, env, wheels}, then D..., E   makes an environment, DIR/ENV: what is in D and the files of the wheels, as links

A in the place of E says that the rest does not come. Answers, in any order: a {"id": ID, "error": TEXT}; TEXT is empty if all is well.
"""

import json
import os
import select
import shutil
import subprocess
import struct
import sys


def read_exactly(n):
    parts = []
    while n:
        data = os.read(0, n)
        if not data:
            sys.exit(0)
        parts.append(data)
        n -= len(data)
    return b"".join(parts)


def receive():
    kind, size = struct.unpack(">cI", read_exactly(5))
    return kind, read_exactly(size)


def unpack(dir):
    """Takes a tar in, to the end whatever happens; what went wrong, or ""."""
    os.makedirs(dir)
    tar = subprocess.Popen(["tar", "-xpf", "-", "-C", dir], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    broken = False
    while True:
        kind, data = receive()
        if kind != b"D":
            broken = broken or kind != b"E"
            break
        try:
            if not broken:
                tar.stdin.write(data)
        except BrokenPipeError:
            broken = True
    said = tar.communicate()[1]
    if tar.returncode == 0 and not broken:
        return ""
    shutil.rmtree(dir)
    return said.decode("utf-8", "replace")[:4000] or "tar ended with status %d" % tar.returncode


def compile_all(dir, processes):
    """Bytecode that is believed without a look at the source. A file that is no Python of this series stays without."""
    files = [os.path.join(at, name) for at, _, names in os.walk(dir) for name in names if name.endswith(".py")]
    parts = min(processes, 1 + len(files) // 20)
    others = [begin(lambda: compile_some(files[i::parts])) for i in range(1, parts)]
    compile_some(files[::parts])
    error = "".join(ended(*other) for other in others)
    if error:
        raise RuntimeError(error)


def compile_some(files):
    import py_compile

    for file in files:
        try:
            py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        except Exception:
            pass


def link_all(wheels, env):
    for wheel in wheels:
        for at, dirs, names in os.walk(wheel):
            to = env + at[len(wheel) :]
            for name in dirs:
                os.makedirs(os.path.join(to, name), 0o755, exist_ok=True)
            for name in names:
                link(os.path.join(at, name), os.path.join(to, name))


def link(old, new):
    try:
        os.link(old, new)
    except FileExistsError:  # of an earlier wheel
        os.unlink(new)
        os.link(old, new)


def wheel(root, request):
    dir = os.path.join(root, ".wheels", request["wheel"])
    error = unpack(dir)
    return error, lambda processes: compile_all(dir, processes)


def environment(root, request):
    env = os.path.join(root, request["env"])
    error = unpack(env + ".part")

    def finish(_):
        link_all([os.path.join(root, ".wheels", w) for w in request["wheels"]], env + ".part")
        os.rename(env + ".part", env)

    return error, finish


def begin(run):
    """Runs a function in another process, and returns what can be read when it has ended."""
    r, w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(w)
        return r, pid
    try:
        run()
    except BaseException as e:
        os.write(w, str(e).encode()[:4000] or b"?")
    finally:
        os._exit(0)


def ended(fd, pid):
    """What went wrong in a process that began, or ""."""
    with os.fdopen(fd) as f:
        error = f.read()
    status = os.waitpid(pid, 0)[1]
    return error or ("ended with status %d" % status if status else "")


def main(root):
    os.umask(0o022)
    os.makedirs(os.path.join(root, ".wheels"), exist_ok=True)
    running = {}
    while True:
        for fd in select.select([0] + list(running), [], [])[0]:
            if fd:
                id, pid = running.pop(fd)
                answer(id, ended(fd, pid))
                continue
            kind, data = receive()
            request = json.loads(data)
            error, rest = (wheel if kind == b"W" else environment)(root, request)
            if error:
                answer(request["id"], error)
            else:
                # The first builds wait for it. Beside others one process does: their number has a limit.
                processes = 1 if running else min(8, len(os.sched_getaffinity(0)))
                fd, pid = begin(lambda: rest(processes))
                running[fd] = request["id"], pid


def answer(id, error):
    data = json.dumps({"id": id, "error": error}).encode()
    sys.stdout.buffer.write(struct.pack(">cI", b"a", len(data)) + data)
    sys.stdout.buffer.flush()


main(sys.argv[1])
