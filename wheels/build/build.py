"""Runs PEP 517 hooks inside the build container. Python 3.8 or newer, its standard library alone.

    python build.py JOB STEP            STEP: requires | wheel
    python build.py JOB build KNOWN     both hooks; the second only if the first asks for nothing beyond KNOWN, a JSON list

JOB is a JSON file: python, source, out, state, env (the whole environment of the hook), backend, backend_path,
config_settings. The answer comes out at standard error: {"ok": VALUE} or {"hook": NAME, "kind": KIND, "error": TEXT};
kinds are those of Kind in failed.go. VALUE is what the hook returned; of build, [what the first returned, what the
second returned or null]. The exit status is 0 with "ok", else 1. What hooks print comes out at standard output.

Each hook runs in a child, so that whatever it does to itself ends in an answer. This process copies its output, and
ends with it: what a build leaves running is killed. It also is the name server of a container without network. It
knows no name, and says in the output which it was asked for.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

ASKED = "pybake: the build asks for "
NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+\Z")


class Output:
    """Copies to standard output, and puts lines of its own between whole lines."""

    def __init__(self):
        self.middle = False

    def write(self, data):
        while data:
            n = os.write(1, data)
            self.middle = data[n - 1 : n] != b"\n"
            data = data[n:]

    def line(self, text):
        self.write((b"\n" if self.middle else b"") + text.encode() + b"\n")


class Names:
    """A name server that knows no name."""

    def __init__(self, output):
        self.output = output
        self.asked = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(("127.0.0.1", 53))
        except OSError:  # where low ports are not for everybody, names stay unknown all the same
            self.socket.close()
            self.socket = None

    def answer(self):
        try:
            query, sender = self.socket.recvfrom(4096, socket.MSG_DONTWAIT)
            end, name = question(query)
            # Response, recursion desired and available, NXDOMAIN; one question, no answer.
            reply = query[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6 + query[12:end]
            self.socket.sendto(reply, sender)
        except (OSError, IndexError):
            return
        if NAME.match(name) and not name.endswith(".arpa") and name not in self.asked and len(self.asked) < 100:
            self.asked.add(name)
            self.output.line(ASKED + name)


def question(query):
    """Where the first question of a DNS query ends, and its name."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    query[at + 4]  # type and class
    return at + 5, ".".join(labels).lower()


def in_container():
    """Whether every process of this user is the build's: a process started from outside of the container has no parent."""
    return os.getppid() == 0 and os.getpid() != 1 and os.getuid() != 0


def others():
    """Whether this user has other processes, zombies too."""
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(name) != os.getpid() and os.stat("/proc/" + name).st_uid == os.getuid():
                return True
        except OSError:  # it has ended
            pass
    return False


def kill_rest():
    """Kills all processes of this user but this one."""
    if not in_container():
        return
    for _ in range(1000):
        if not others():
            return
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        time.sleep(0.001)  # process 1 buries them


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


def parent(job_file, job, step, known):
    os.umask(0o022)
    output = Output()
    names = Names(output)

    def run(step):
        name = os.path.join(job["state"], "answer.json")
        if os.path.lexists(name):
            os.unlink(name)
        kills = memory_kills()
        status = watch(output, names, [job["python"], os.path.abspath(__file__), job_file, step, "--hook"], job)
        result = read_answer(name, status)
        if "ok" not in result:
            result["hook"] = HOOKS[step]
            if memory_kills() > kills:
                result["kind"] = "memory"  # the engine tells of it too, but not always in time
        return result

    result = run("requires" if step == "build" else step)
    if step == "build" and "ok" in result:
        asked, made = result["ok"], None
        if set(asked) <= set(known):
            output.line("\n==> " + HOOKS["wheel"])
            result = run("wheel")
            made = result.get("ok")
        if "ok" in result:
            result = {"ok": [asked, made]}
    with os.fdopen(2, "w", closefd=False) as f:
        json.dump(result, f)
    return 0 if "ok" in result else 1


def watch(output, names, argv, job):
    """Runs the child and copies what it prints, until it ends; then what it left running has no say any more."""
    child = subprocess.Popen(
        argv, cwd=job["source"], env=job["env"], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    ended, tell = os.pipe()
    threading.Thread(target=lambda: (child.wait(), os.write(tell, b"x")), daemon=True).start()
    said = child.stdout.fileno()
    os.set_blocking(said, False)
    server = [names.socket] if names.socket else []
    waiting = [said, ended] + server
    while True:
        ready = select.select(waiting, [], [])[0]
        if server and server[0] in ready:
            names.answer()
        if said in ready and not copy(said, output):
            waiting.remove(said)
        if ended in ready:
            break
    kill_rest()
    for _ in range(1024):  # 64 MiB, if something goes on printing that could not be killed
        if not copy(said, output):
            break
    return child.returncode


def copy(said, output):
    """Copies what there is; False if there is nothing, now or ever."""
    try:
        data = os.read(said, 1 << 16)
    except BlockingIOError:
        return False
    output.write(data)
    return bool(data)


def read_answer(name, status):
    try:
        with open(name) as f:
            result = json.loads(f.read(1 << 20))
    except (OSError, ValueError):
        return {"kind": "died", "error": "the build " + ended_with(status) + " without an answer"}
    if status and "ok" in result:
        return {"kind": "died", "error": "the build " + ended_with(status) + " after its answer"}
    return result


def ended_with(status):
    if status >= 0:
        return "ended with status %d" % status
    try:
        return "was killed by " + signal.Signals(-status).name
    except ValueError:
        return "was killed by signal %d" % -status


class Failed(Exception):
    """A hook that has no answer, for a reason that needs no traceback."""

    def __init__(self, kind, error):
        super().__init__(error)
        self.kind = kind


def hook(job, step):
    """The child: one hook, and its answer in a file."""
    sys.stdout.reconfigure(line_buffering=True)
    sys.path.pop(0)  # the directory of this file
    sys.argv[1:] = []
    try:
        result = {"ok": STEPS[step](job)}
    except Failed as e:
        result = {"kind": e.kind, "error": str(e)}
    except BaseException as e:  # SystemExit is the way of many a setup.py
        result = {"kind": "raised", "error": show(e)}
    answer = os.path.join(job["state"], "answer.json")
    with open(answer + ".part", "w") as f:
        json.dump(result, f)
    os.rename(answer + ".part", answer)
    return 0 if "ok" in result else 1


def show(error):
    """Prints the traceback, without this file's part in it, and returns its last line."""
    import traceback

    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames)
    last = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    return (last[-1] if last else type(error).__name__)[:1000]


def backend(job):
    """The object that has the hooks."""
    from importlib import import_module

    source = os.path.realpath(job["source"])
    own = []
    for p in job["backend_path"] or []:
        own.append(os.path.realpath(os.path.join(source, p)))
        if own[-1] != source and not own[-1].startswith(source + os.sep):
            raise Failed("backend", "backend-path %s leads out of the source" % p)
    sys.path[:0] = own
    name, _, attributes = job["backend"].partition(":")
    try:
        found = import_module(name)
    except BaseException as e:
        raise Failed("backend", "the backend %s cannot be imported: %s" % (job["backend"], show(e)))
    file = os.path.realpath(getattr(found, "__file__", None) or "")
    if own and not any(file.startswith(p + os.sep) for p in own):
        raise Failed("backend", "the backend %s is not from backend-path but from %s" % (name, file))
    for attribute in attributes.split(".") if attributes else []:
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise Failed("backend", "the backend %s has no %s" % (name, attributes))
    return found


def requires(job):
    ask = getattr(backend(job), "get_requires_for_build_wheel", None)
    if ask is None:
        return []
    answer = ask(job["config_settings"])
    if not isinstance(answer, (list, tuple)) or not all(isinstance(r, str) for r in answer):
        raise Failed("raised", "get_requires_for_build_wheel returned %.200r, which is no list of strings" % (answer,))
    return list(answer)


def wheel(job):
    build = getattr(backend(job), "build_wheel", None)
    if build is None:
        raise Failed("backend", "the backend %s has no build_wheel" % job["backend"])
    name = build(job["out"], job["config_settings"])
    if not isinstance(name, str):
        raise Failed("raised", "build_wheel returned %.200r, which is no file name" % (name,))
    return name


STEPS = {"requires": requires, "wheel": wheel}
HOOKS = {"requires": "get_requires_for_build_wheel", "wheel": "build_wheel"}


def main():
    job_file, step = sys.argv[1:3]
    with open(job_file) as f:
        job = json.load(f)
    if sys.argv[3:] == ["--hook"]:
        return hook(job, step)
    return parent(job_file, job, step, json.loads(sys.argv[3]) if step == "build" else [])


if __name__ == "__main__":
    sys.exit(main())
