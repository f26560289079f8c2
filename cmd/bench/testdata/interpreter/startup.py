"""The start of an interpreter, by itself.

    python startup.py VALUES NAME ARGUMENT…

A value is the processor time (user and system) of a process of this interpreter with the arguments, as the mean of 20.
Prints {"NAME": [seconds, …]}.
"""
import json
import resource
import subprocess
import sys

RUNS = 20


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main():
    values = []
    argv = [sys.executable] + sys.argv[3:]
    subprocess.run(argv, check=True)
    for _ in range(int(sys.argv[1])):
        start = spent()
        for _ in range(RUNS):
            subprocess.run(argv, check=True)
        values.append((spent() - start) / RUNS)
    print(json.dumps({sys.argv[2]: values}))


if __name__ == "__main__":
    main()
