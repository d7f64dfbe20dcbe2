"""`python -m tests.fuzz --programs 20000 --seed 1 --jobs 2`: fuzzes, and prints what it finds.

A processor works off about two programs a second: 1,000 programs, as in `make test-full`, take it
eight minutes, and 20,000 about three hours.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from tests.fuzz.session import Report, chunk, report_of

CHUNK = 24


def chunk_report(seed: int, number: int, shrink: bool) -> Report:
    """One chunk's programs against every target that is its turn."""
    torch.set_num_threads(1)
    return report_of(chunk(seed, number, CHUNK), number, shrink)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the chunk to begin with")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--scripts", type=Path, help="folder for the failing programs")
    parser.add_argument("--no-shrink", action="store_true")
    given = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    report, start = Report(), time.perf_counter()
    numbers = itertools.count(given.first)
    with ProcessPoolExecutor(given.jobs) as pool:
        ask = lambda: pool.submit(  # noqa: E731
            chunk_report, given.seed, next(numbers), not given.no_shrink
        )
        running = {ask() for _ in range(given.jobs)}
        while running:
            done = next(as_completed(running))
            running.remove(done)
            new = done.result()
            report.add(new)
            _show(report, new, start, given.scripts)
            if report.tested + len(running) * CHUNK < given.programs:
                running.add(ask())
    return 1 if report.shown else 0


def _show(report: Report, new: Report, start: float, scripts: Path | None) -> None:
    seconds = time.perf_counter() - start
    for text in new.shown:
        print(text, flush=True)
        if scripts is not None:
            scripts.mkdir(parents=True, exist_ok=True)
            (scripts / f"{len(list(scripts.iterdir()))}.py").write_text(text)
    checks = ", ".join(f"{k} {n}" for k, n in sorted(report.checks.items()))
    print(
        f"{report.tested} programs ({report.scalar} scalar, {report.steep} more too steep), "
        f"{report.steps} operations, {len(report.shown)} failing, {seconds:.0f} s, "
        f"{report.tested / seconds:.1f} a second; {checks}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
