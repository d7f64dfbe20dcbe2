"""A peer in its own process, pinned to some cores, that works when told to.

    python -m tests.bench.peer WORKLOAD PEER CORES     (started by `Peer`, not by people)

It answers every line on its standard input with one line of JSON: how long one run took.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

READY = "ready"


@dataclass
class Peer:
    """The driver's side: starts the process, lets it run once at a time, ends it."""

    workload: str
    name: str
    cores: int
    first: tuple[float, int] = (0.0, 0)  # seconds to import, prepare, compile and run; units run
    runs: list[float] = field(default_factory=list)  # seconds per unit

    def start(self) -> None:
        self.cache = tempfile.TemporaryDirectory()
        command = [sys.executable, "-m", "tests.bench.peer", self.workload, self.name]
        self.process = subprocess.Popen(
            [*command, str(self.cores)], text=True,
            env=environment(self.cores, self.cache.name),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.first = self._answer()

    def run(self) -> None:
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        seconds, units = self._answer()
        self.runs.append(seconds / units)

    def stop(self) -> None:
        self.process.communicate(timeout=30)
        self.cache.cleanup()

    def _answer(self) -> tuple[float, int]:
        for line in self.process.stdout:
            if line.startswith(READY):
                seconds, units = json.loads(line.removeprefix(READY))
                return seconds, units
        raise RuntimeError(f"{self.name} on {self.workload} ended with {self.process.wait()}")


def environment(cores: int, cache: str) -> dict[str, str]:
    """Every library's pool has as many threads as there are cores; our kernels are built anew."""
    pools = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    threads = {f"{pool}_NUM_THREADS": str(cores) for pool in pools}
    if cores == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        threads["XLA_FLAGS"] = flags
    return os.environ | threads | {"SYMGRAD_CACHE_DIR": cache}


def pin(cores: int) -> None:
    """Keep this process on the first `cores` of the cores that it may use, where that exists."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def serve(workload: str, name: str, cores: int) -> None:
    """The process's side: prepare, run once, then once for every line that comes in."""
    from tests.bench.workloads import WORKLOADS

    pin(cores)
    begin = time.perf_counter()
    run = WORKLOADS[workload].peers[name](cores)
    units = run()
    report(time.perf_counter() - begin, units)
    for _ in sys.stdin:
        begin = time.perf_counter()
        units = run()
        report(time.perf_counter() - begin, units)


def report(seconds: float, units: int) -> None:
    print(READY + json.dumps([seconds, units]), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
