"""What both parts of the proof use."""

import importlib
import importlib.metadata
import json
import re
import sys
import time
import traceback


def say(what):
    """Tells the Go side."""
    print(json.dumps(what), flush=True)


def log(text):
    print(text, file=sys.stderr, flush=True)


def check(name, run):
    """Runs a check, which returns what it found wrong and what else there is to say, and is true if all is well."""
    start = time.time()
    try:
        problems, notes = run()
    except Exception:
        problems, notes = [traceback.format_exc().strip()], []
    detail = "\n".join(problems + notes)
    say({"check": {"name": "house: " + name, "ok": not problems, "seconds": time.time() - start, "detail": detail}})
    return not problems


def clip(text, size=1000):
    text = text.strip()
    return text if len(text) <= size else text[: size // 2] + " … " + text[-size // 2 :]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def plural(n, what):
    return "%d %s%s" % (n, what, "" if n == 1 else "s")


def site_of(config):
    return "%s/lib/python%d.%d/site-packages" % ((config["venv"],) + sys.version_info[:2])


def distributions(config):
    """Names and versions of what is installed."""
    importlib.invalidate_caches()
    return {normal(d.metadata["Name"]): d.version for d in importlib.metadata.distributions(path=[site_of(config)])}
