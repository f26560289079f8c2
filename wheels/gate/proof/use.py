"""The part of the user: what is installed is used."""

import concurrent.futures
import fnmatch
import os
import re
import select
import subprocess

LDD = 300  # seconds that ldd may take for some files
KINDS = ["import", "extension", "script"]


class Use:
    def __init__(self, config, installed):
        self.config = config
        self.since = config["since"]
        self.jobs = max(1, config["jobs"])
        self.venv = config["venv"]
        # What is not installed is told by another check.
        self.wheels = [w for w in config["wheels"] if w["name"] in installed]
        self.tried = [w for w in self.wheels if not self.since or w["name"] in self.since["again"]]
        self.records = dict(self.since["records"]) if self.since else {}

    def main(self):
        check("shared libraries resolve", self.libraries)
        # Imports and scripts of a wheel share a process; the time is that of both.
        results = {}
        check("modules import", lambda: self.imports(results))
        check("console scripts load", lambda: self.scripts(results))
        say({"records": {w["name"]: self.records[w["name"]] for w in self.tried if w["name"] in self.records}})

    def elsewhere(self):
        """A line for what was proved with another house."""
        if not self.since:
            return []
        return ["%d of %s proved with %s, %d now" % (
            len(self.wheels) - len(self.tried), plural(len(self.wheels), "wheel"), self.since["key"], len(self.tried))]

    # Shared libraries.

    def libraries(self):
        files = {}  # path: (wheel, binary)
        for wheel in self.wheels:
            for b in wheel["elf"] or []:
                files[os.path.join(self.venv, b["path"])] = (wheel, b)
        notes = ["%s: %s need not be there: %s" % (name, l, why) for name, libraries in sorted((self.config["absent"] or {}).items())
                 for l, why in sorted(libraries.items())]
        if self.since and not self.since["linked"]:
            return [], ["%s, proved with %s: none of them has changed" % (plural(len(files), "file"), self.since["key"])] + notes
        problems = []
        present = []
        for path, (wheel, b) in files.items():
            if os.path.exists(path):
                present.append(path)
            else:
                problems.append("%s: %s: not installed" % (wheel["label"], b["path"]))
        somebody = {n for _, b in files.values() for n in b["needed"] or []}
        size = max(1, min(40, -(-len(present) // self.jobs)))
        chunks = [present[i : i + size] for i in range(0, len(present), size)]
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for said in pool.map(self.ldd, chunks):
                for path, line in said:
                    wheel, b = files[path]
                    problem = self.unresolved(wheel, b, path, line, somebody)
                    if problem:
                        problems.append("%s: %s: %s" % (wheel["label"], b["path"], problem))
        return problems, [plural(len(present), "file")] + notes

    @staticmethod
    def ldd(paths):
        """The lines of ldd, each with the file that it is about."""
        p = subprocess.run(["ldd"] + paths, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace", timeout=LDD)
        known, about, lines = set(paths), paths[0], []
        for line in p.stdout.splitlines():
            if line.endswith(":") and line[:-1] in known:
                about = line[:-1]
            else:
                lines.append((about, line.strip()))
        return lines

    def unresolved(self, wheel, b, path, line, somebody):
        m = re.match(r"(\S+) => not found$", line)
        if m:
            library = m.group(1)
            if library in (b["needed"] or []):
                if library in (b["loaded"] or []) or self.absent(wheel, library):
                    return None
                return library + ": not found"
            # A library of the house that needs it is a file of its own here.
            return None if library in somebody else library + ": not found, needed by a library that it needs"
        if " version `" in line and line.endswith("not found (required by %s)" % path):
            return re.sub(r"^%s: " % re.escape(path), "", line)
        return None

    def absent(self, wheel, library):
        patterns = (self.config["absent"] or {}).get(wheel["name"]) or {}
        return any(fnmatch.fnmatchcase(library, p) for p in patterns)

    # Imports.

    def skipped(self, wheel, module):
        """Why a module is not imported, or None."""
        for name, why in ((self.config["skip"] or {}).get(wheel["name"]) or {}).items():
            if module == name or module.startswith(name + "."):
                return why
        return None

    def items(self, wheel):
        """What is to be tried of a wheel: dicts of kind and module, and what a kind has beside."""
        modules = wheel["modules"] or []
        out = [{"kind": "import", "module": m} for m in modules]
        for b in wheel["elf"] or []:
            if b["module"] and b["module"] not in modules:
                out.append({"kind": "extension", "module": b["module"]})
        for s in wheel["scripts"] or []:
            out.append(dict(s, kind="script"))
        return out

    def imports(self, results):
        waiting = [Attempt(self, w) for w in sorted(self.tried, key=lambda w: len(w["elf"] or []))]  # the slow ones come first
        running = []
        while waiting or running:
            while waiting and len(running) < self.jobs:
                attempt = waiting.pop()
                if attempt.todo:
                    attempt.start()
                    running.append(attempt)
                else:
                    results[attempt.wheel["name"]] = attempt.finish()
                    self.records[attempt.wheel["name"]] = attempt.record
            select.select([a.pipe for a in running if not a.eof], [], [], 0.02)
            for attempt in running[:]:
                if attempt.ended():
                    running.remove(attempt)
                    waiting.append(attempt)
        problems = []
        for wheel in self.tried:
            record = self.records[wheel["name"]]
            done = results[wheel["name"]]
            broken = any(i["kind"] == "import" and verdict == "failed" for i, verdict, _ in done)
            for item, verdict, said in done:
                if item["kind"] == "script" or broken and verdict == "noted" and said.startswith(NoParent.__name__):
                    continue
                line = "%s: import %s: %s" % (wheel["label"], item["module"], said)
                if verdict == "ok":
                    record["counts"][KINDS.index(item["kind"])] += 1
                else:
                    (problems if verdict == "failed" else record["imports"]).append(line)
        summary = "%s and %s" % (plural(self.count("import"), "module"), plural(self.count("extension"), "extension module"))
        return problems, [summary] + self.elsewhere() + self.notes("imports")

    def verdict(self, item, result):
        said = result["said"]
        if not said:
            return "ok", ""
        kind, parts = item["kind"], item["module"].split(".")
        if kind == "extension":
            # Some want to be imported by another module first, or need what the lock does not have: loading is what counts.
            return ("failed" if result["loader"] else "noted"), said
        stray = parts[0] in self.config["strays"] and kind != "script"
        optional = item.get("extras") or kind == "import" and len(parts) > 1  # a module of a namespace, not the top
        return ("noted" if stray or result["missing"] and optional else "failed"), said

    def count(self, kind):
        return sum(self.records[w["name"]]["counts"][KINDS.index(kind)] for w in self.wheels)

    def notes(self, what):
        return [line for w in self.wheels for line in self.records[w["name"]][what]]

    def scripts(self, results):
        problems = []
        for wheel in self.tried:
            record = self.records[wheel["name"]]
            for item, verdict, said in results.get(wheel["name"], []):
                if item["kind"] != "script":
                    continue
                line = "%s: script %s: %s" % (wheel["label"], item["name"], said)
                if verdict == "ok":
                    record["counts"][KINDS.index("script")] += 1
                else:
                    (problems if verdict == "failed" else record["scripts"]).append(line)
        return problems, [plural(self.count("script"), "script")] + self.elsewhere() + self.notes("scripts")
