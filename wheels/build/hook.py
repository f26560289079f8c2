"""Runs PEP 517 hooks of a build. Python 3.8 or newer, its standard library alone.

    python -c hook.py    3: the job, {step, known, backend, backend_path, config_settings, out}; 4: takes the answer

Steps are requires, wheel, and build: both hooks, the second only if the first asks for nothing beyond known. They share
the import of the backend; the first has a process of its own nonetheless, a fork. The answer is {"ok": VALUE} or
{"hook": NAME, "kind": KIND, "error": TEXT}; kinds are those of Kind in failed.go. VALUE is what the hook returned; of
build, [what the first returned, what the second returned or null]. The exit status is 0 with "ok", else 1.
"""

import atexit
import json
import os
import sys


class Failed(Exception):
    """A hook that has no answer, for a reason that needs no traceback."""

    def __init__(self, kind, error):
        super().__init__(error)
        self.kind = kind


def show(error):
    """Prints the traceback, without this file's part in it, and returns its last line."""
    import traceback

    frames = error.__traceback__
    while frames and frames.tb_frame.f_globals is globals():
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


def requires(job, found):
    ask = getattr(found, "get_requires_for_build_wheel", None)
    if ask is None:
        return []
    answer = ask(job["config_settings"])
    if not isinstance(answer, (list, tuple)) or not all(isinstance(r, str) for r in answer):
        raise Failed("raised", "get_requires_for_build_wheel returned %.200r, which is no list of strings" % (answer,))
    return list(answer)


def wheel(job, found):
    build = getattr(found, "build_wheel", None)
    if build is None:
        raise Failed("backend", "the backend %s has no build_wheel" % job["backend"])
    name = build(job["out"], job["config_settings"])
    if not isinstance(name, str):
        raise Failed("raised", "build_wheel returned %.200r, which is no file name" % (name,))
    return name


def attempt(name, run, *args):
    """The answer of a hook."""
    try:
        return {"ok": run(*args)}
    except Failed as e:
        return {"hook": name, "kind": e.kind, "error": str(e)}
    except BaseException as e:  # SystemExit is the way of many a setup.py
        return {"hook": name, "kind": "raised", "error": show(e)}


def apart(run):
    """The answer of a function that runs in a process of its own."""
    text = os.memfd_create("answer")
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        with os.fdopen(text, "w") as f:
            json.dump(run(), f)
        leave(0)
    status = os.waitpid(pid, 0)[1]
    os.lseek(text, 0, os.SEEK_SET)
    with os.fdopen(text) as f:
        answer = f.read(1 << 20)
    if not answer or status:
        return {"hook": REQUIRES, "kind": "died", "error": "the build " + ended_with(status) + (" after its answer" if answer else " without an answer")}
    return json.loads(answer)


def leave(status):
    """Ends the process as sys.exit does, but leaves it to the kernel to take apart what was loaded."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    for file in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        try:
            file.flush()
        except Exception:
            pass
    os._exit(status)


def ended_with(status):
    import signal

    if os.WIFSIGNALED(status):
        return "was killed by " + signal.Signals(os.WTERMSIG(status)).name
    return "ended with status %d" % os.WEXITSTATUS(status)


REQUIRES, WHEEL = "get_requires_for_build_wheel", "build_wheel"


def both(job, found):
    result = apart(lambda: attempt(REQUIRES, requires, job, found))
    if "ok" not in result:
        return result
    asked, made = result["ok"], None
    if set(asked) <= set(job["known"]):
        print("\n==> " + WHEEL, flush=True)
        result = attempt(WHEEL, wheel, job, found)
        made = result.get("ok")
    return {"ok": [asked, made]} if "ok" in result else result


def main():
    sys.stdout.reconfigure(line_buffering=True)
    if sys.path[0] == "":
        sys.path.pop(0)  # the working directory
    with os.fdopen(3) as f:
        job = json.load(f)
    os.set_inheritable(4, False)
    first = WHEEL if job["step"] == "wheel" else REQUIRES
    result = attempt(first, backend, job)
    if "ok" in result:
        found = result["ok"]
        if job["step"] == "build":
            result = both(job, found)
        elif job["step"] == "wheel":
            result = attempt(first, wheel, job, found)
        else:
            result = attempt(first, requires, job, found)
    with os.fdopen(4, "w") as f:
        json.dump(result, f)
    return 0 if "ok" in result else 1


if __name__ == "__main__":
    leave(main())
