"""Builds wheels in a worker container, one after the other. Python 3.8 or newer, its standard library alone.

    python -c names.py+serve.py HOOK SYMBOLS PLACE...    HOOK, SYMBOLS: the text of hook.py and symbols.py; PLACE: what a build
                                                can write to, a tmpfs each

This is the one process of root that talks to the outside. All else runs as USER, and is killed, and what it wrote is
removed, before the next build. Both ways go messages: a letter, the length of the rest in four bytes, the rest.

    U, then D..., E   unpacks the tar that is in D in /; an answer
    H {step, known, python, source, env, ...}   runs a step of hook.py, or symbols.py; o..., then an answer
    G {dir}           d..., a tar of the directory; an answer
    C                 kills, wipes and looks whether anything is left of the build; an answer: "" or what is

An answer is: a {"ok": VALUE} or a {"kind": KIND, "error": TEXT, "hook": NAME, "full": PLACE}; kinds are those of Kind
in failed.go, and full is a place without room. In o is what hooks print. Nothing that a build does is taken for a
message: what it prints and answers is passed on, whatever it is.

It also is the name server of a container without network: names.py, the text before this one.
"""

import json
import os
import select
import shutil
import signal
import stat
import struct
import sys
import time

USER = 1000
CHUNK = 1 << 16
MAX_ANSWER = 1 << 20


def in_container():
    """Whether USER is nobody but builds: a process started from outside of the container has no parent."""
    return os.getppid() == 0 and os.getpid() != 1 and os.getuid() == 0


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def send(kind, data=b""):
    write_all(1, struct.pack(">cI", kind, len(data)) + data)


def answer(value):
    send(b"a", json.dumps(value).encode())


def read_exactly(n):
    parts = []
    while n:
        data = os.read(0, n)
        if not data:
            sys.exit(0)  # nobody wants another build
        parts.append(data)
        n -= len(data)
    return b"".join(parts)


def receive():
    kind, size = struct.unpack(">cI", read_exactly(5))
    return kind, read_exactly(size)


class Output:
    """Sends what hooks print, and puts lines of its own between whole lines."""

    def __init__(self):
        self.middle = False

    def write(self, data):
        if data:
            send(b"o", data)
            self.middle = data[-1:] != b"\n"

    def line(self, text):
        self.write((b"\n" if self.middle else b"") + text.encode() + b"\n")


class AsUser:
    """The time in which this process is USER to the kernel, but to no process of that user."""

    def __enter__(self):
        os.setegid(USER)
        os.seteuid(USER)

    def __exit__(self, *error):
        os.seteuid(0)
        os.setegid(0)


def kill():
    """Kills all processes of USER at once. One that has its death before it starts no other."""
    if not CONTAINED:
        return
    os.setresuid(USER, USER, 0)
    try:
        os.kill(-1, signal.SIGKILL)  # all but this one, and those of root
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.setresuid(0, 0, 0)
    living()


def spawn(argv, fds, env=None, dir="/"):
    """Starts a program as USER with nothing but these open files: its number to ours."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        for number, fd in fds.items():
            os.dup2(fd, number)
        if CONTAINED:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
        os.umask(0o022)
        os.chdir(dir)
        os.execvpe(argv[0], argv, {"PATH": "/usr/bin:/bin"} if env is None else env)
    except BaseException as e:
        os.write(2, ("%s: %s\n" % (argv[0], e)).encode())
    finally:
        os._exit(127)


def wait(pid):
    return code(os.waitpid(pid, 0)[1])


def code(status):
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def memory_kills():
    """How many processes of the container were killed for lack of memory, by its cgroup (version 2, 1)."""
    for name in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(name) as f:
                counts = dict(line.split() for line in f)
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):
            pass
    return 0


def full():
    """A place that has no room left; or None."""
    for place in PLACES:
        try:
            s = os.statvfs(place)
        except OSError:
            continue
        if s.f_blocks and s.f_bavail * s.f_frsize < CHUNK or s.f_files and s.f_favail == 0:
            return place
    return None


def unpack():
    """Takes a tar in, to the end whatever happens."""
    kills = memory_kills()
    said = os.memfd_create("said")
    r, w = os.pipe()
    pid = spawn(["tar", "-xpf", "-", "--no-same-owner", "-C", "/"], {0: r, 1: said, 2: said})
    os.close(r)
    while True:
        kind, data = receive()
        if kind != b"D":
            break
        try:
            if w >= 0:
                write_all(w, data)
        except BrokenPipeError:
            os.close(w)
            w = -1
    if w >= 0:
        os.close(w)
    status = wait(pid)
    text = os.pread(said, 4000, 0).decode("utf-8", "replace").strip()
    os.close(said)
    if status == 0:
        return answer({"ok": None})
    error = {"kind": "died", "error": "tar " + ended_with(status) + (": " + text if text else ""), "full": full()}
    if memory_kills() > kills:
        error["kind"] = "memory"
    answer(error)


def run(job):
    """Runs a step of hook.py, or symbols.py."""
    output = Output()
    names = Names(output)
    kills = memory_kills()
    request = os.memfd_create("request")
    write_all(request, json.dumps(job).encode())
    os.lseek(request, 0, os.SEEK_SET)
    nothing = os.open("/dev/null", os.O_RDONLY)
    said, say = os.pipe()
    answers, tell = os.pipe()
    program = ["-I", "-S", "-c", SYMBOLS] if job["step"] == "symbols" else ["-c", HOOK]
    pid = spawn([job["python"]] + program, {0: nothing, 1: say, 2: say, 3: request, 4: tell}, job["env"], job["source"])
    for fd in (request, nothing, say, tell):
        os.close(fd)
    status, text = watch(pid, said, answers, output, names)
    names.close()
    os.close(said)
    os.close(answers)
    result = read_answer(text, status)
    if "ok" not in result:
        result.setdefault("hook", HOOKS.get(job["step"], ""))
        result["full"] = full()
        if memory_kills() > kills:
            result["kind"] = "memory"  # the engine tells of it too, but not always in time
    answer(result)


HOOKS = {"requires": "get_requires_for_build_wheel", "build": "get_requires_for_build_wheel", "wheel": "build_wheel"}


def watch(pid, said, answers, output, names):
    """Passes on what the child prints, until it ends; then what it left running has no say any more."""
    for fd in (said, answers):
        os.set_blocking(fd, False)
    text = bytearray()

    def take(data):
        if len(text) <= MAX_ANSWER:
            text.extend(data)

    server = [names.socket] if names.socket else []
    waiting = [said, answers, WAKE] + server
    while True:
        ready = select.select(waiting, [], [])[0]
        if server and server[0] in ready:
            names.answer()
        if said in ready and not copy(said, output.write):
            waiting.remove(said)
        if answers in ready and not copy(answers, take):
            waiting.remove(answers)
        if WAKE in ready:
            os.read(WAKE, 4096)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
    kill()
    for _ in range(1024):  # 64 MiB, if something goes on printing that could not be killed
        if not copy(said, output.write):
            break
    while copy(answers, take):
        pass
    return code(status), text


def copy(fd, to):
    """Copies what there is; False if there is nothing, now or ever."""
    try:
        data = os.read(fd, CHUNK)
    except BlockingIOError:
        return False
    to(data)
    return bool(data)


def read_answer(text, status):
    """What hook.py answers, or whoever writes in its name: what is none is not passed on."""
    try:
        result = json.loads(bytes(text).decode()) if len(text) <= MAX_ANSWER else None
        json.dumps(result, allow_nan=False)
    except (ValueError, RecursionError):
        result = None
    if not isinstance(result, dict):
        return {"kind": "died", "error": "the build " + ended_with(status) + " without an answer"}
    if status and "ok" in result:
        return {"kind": "died", "error": "the build " + ended_with(status) + " after its answer"}
    if "ok" in result:
        return {"ok": result["ok"]}
    error = {"kind": "raised", "error": str(result.get("error"))}
    if result.get("kind") in ("backend", "died"):
        error["kind"] = result["kind"]
    if result.get("hook") in ("get_requires_for_build_wheel", "build_wheel"):
        error["hook"] = result["hook"]
    return error


def ended_with(status):
    if status >= 0:
        return "ended with status %d" % status
    try:
        return "was killed by " + signal.Signals(-status).name
    except ValueError:
        return "was killed by signal %d" % -status


def get(dir):
    """Sends a directory as a tar; nobody is left who could change it meanwhile."""
    nothing = os.open("/dev/null", os.O_RDWR)
    r, w = os.pipe()
    pid = spawn(["tar", "-cf", "-", "-C", os.path.dirname(dir), os.path.basename(dir)], {0: nothing, 1: w, 2: nothing})
    os.close(w)
    os.close(nothing)
    while True:
        data = os.read(r, CHUNK)
        if not data:
            break
        send(b"d", data)
    os.close(r)
    answer({"ok": wait(pid)})


def wipe():
    """Removes what USER left in the places."""
    with AsUser():
        for place in PLACES:
            for name in os.listdir(place):
                path = os.path.join(place, name)
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.unlink(path)
            reset(place)
    for place in PLACES:
        reset(place)


def reset(place):
    try:
        os.utime(place, (0, 0))
    except PermissionError:  # somebody else's
        pass


def processes():
    return {name for name in os.listdir("/proc") if name.isdigit()}


def around():
    """What a build could leave something in, except for processes: name to what is there."""
    found = {}
    for place in PLACES:
        s = os.stat(place)
        found[place] = (os.listdir(place), s.st_mode, s.st_uid, s.st_gid, s.st_mtime, os.listxattr(place))
    found["/dev/mqueue"] = os.listdir("/dev/mqueue")
    for name in ("/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/self/mountinfo"):
        with open(name) as f:
            found[name] = f.read()
    return found


def living():
    """Which processes there are that were not before the first build, after a second at most: process 1 buries the dead."""
    for tries in range(500):
        left = processes() - BEFORE
        if not left:
            break
        time.sleep(0.002)
    return left


def dirt():
    """What is left of the build; "" is nothing."""
    left = living()
    if left:
        return "process " + ", ".join(sorted(left))
    for name, found in around().items():
        if found != FRESH[name]:
            return name
    return ""


def clean():
    kill()
    try:
        wipe()
        answer({"ok": dirt()})
    except (OSError, RecursionError) as e:
        answer({"ok": str(e)[:1000] or "?"})


def main():
    while True:
        kind, data = receive()
        if kind == b"U":
            unpack()
        elif kind == b"H":
            run(json.loads(data))
        elif kind == b"G":
            get(json.loads(data)["dir"])
        elif kind == b"C":
            clean()
        else:
            sys.exit("what is %r?" % kind)


HOOK, SYMBOLS, PLACES = sys.argv[1], sys.argv[2], sys.argv[3:]
CONTAINED = in_container()
while os.open("/dev/null", os.O_RDONLY) < 9:  # the numbers that spawn gives out stay free of its own files
    pass
WAKE, woken = os.pipe()
os.set_blocking(WAKE, False)
os.set_blocking(woken, False)
signal.signal(signal.SIGCHLD, lambda *signal: None)
signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
if CONTAINED:
    wipe()
    BEFORE, FRESH = processes(), around()
main()
