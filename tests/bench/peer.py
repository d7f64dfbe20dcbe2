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
PAUSE = 0.3  # seconds before a run: the pool of the peer before spins for up to 0.2


@dataclass
class Peer:
    """The driver's side: starts the process, lets it run once at a time, ends it."""

    workload: str
    name: str
    cores: int
    first: tuple[float, float, int] = (0.0, 0.0, 0)  # of import, preparation, compilation, one run
    runs: list[float] = field(default_factory=list)  # seconds per unit
    work: list[float] = field(default_factory=list)  # processor seconds per unit
    absent: str = ""  # why it cannot run here

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
        time.sleep(PAUSE)
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        seconds, processor, units = self._answer()
        self.runs.append(seconds / units)
        self.work.append(processor / units)

    def stop(self) -> None:
        self.process.communicate(timeout=30)
        self.cache.cleanup()

    def _answer(self) -> tuple[float, float, int]:
        """Seconds by the clock, seconds of the processor, and the units that were done."""
        for line in self.process.stdout:
            if line.startswith(READY):
                seconds, processor, units = json.loads(line.removeprefix(READY))
                return seconds, processor, units
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
    from tests.bench.workloads import POINTS, WORKLOADS

    pin(cores)
    begin = clocks()
    run = (WORKLOADS | POINTS)[workload].peers[name](cores)
    report(begin, run())
    for _ in sys.stdin:
        begin = clocks()
        report(begin, run())


def clocks() -> tuple[float, float]:
    """Time by the clock and of the processor; other people's load disturbs the first alone."""
    return time.perf_counter(), time.process_time()


def report(begin: tuple[float, float], units: int) -> None:
    seconds, processor = (now - then for now, then in zip(clocks(), begin, strict=True))
    print(READY + json.dumps([seconds, processor, units]), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
