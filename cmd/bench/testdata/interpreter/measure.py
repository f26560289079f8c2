"""One benchmark of pyperformance, by one interpreter, in one process.

    python measure.py VALUES run_benchmark.py [ARGUMENT…]

Stands in for pyperf, whose workers and warm-ups are more than a pinned core needs, and counts processor time (user and
system) where pyperf takes the wall clock: what else the machine does is then not counted. A value is the mean of as many
runs as take a tenth of a second, after as many to warm up. Prints {"name": [seconds, …]}. Runs on CPython 3.9 and newer.
"""
import argparse
import asyncio
import json
import runpy
import sys
import time
import types

TENTH = 0.1


class Runner:
    results = {}

    def __init__(self, add_cmdline_args=None, **kw):
        self.metadata = {}
        self.argparser = argparse.ArgumentParser()

    def parse_args(self):
        self.args = self.argparser.parse_args()
        return self.args

    def bench_time_func(self, name, run, *args, inner_loops=1, **kw):
        loops = 1
        while run(loops, *args) < TENTH and loops < 1 << 20:
            loops *= 2
        values = [run(loops, *args) / loops / inner_loops for _ in range(VALUES)]
        self.results[name] = values

    def bench_func(self, name, call, *args, **kw):
        def run(loops):
            start = time.process_time()
            for _ in range(loops):
                call(*args)
            return time.process_time() - start

        self.bench_time_func(name, run, **kw)

    def bench_async_func(self, name, call, *args, loop_factory=None, **kw):
        async def runs(loops):
            start = time.process_time()
            for _ in range(loops):
                await call(*args)
            return time.process_time() - start

        def run(loops):
            if loop_factory is None:
                return asyncio.run(runs(loops))
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                return runner.run(runs(loops))

        self.bench_time_func(name, run, **kw)


def main():
    global VALUES
    VALUES = int(sys.argv[1])
    sys.argv = sys.argv[2:]
    sys.path[0] = sys.argv[0].rpartition("/")[0]
    pyperf = types.ModuleType("pyperf")
    pyperf.Runner, pyperf.perf_counter = Runner, time.process_time
    pyperf.python_implementation = lambda: "cpython"
    sys.modules["pyperf"] = pyperf
    time.perf_counter = time.process_time
    runpy.run_path(sys.argv[0], run_name="__main__")
    print(json.dumps(Runner.results))


if __name__ == "__main__":
    main()
