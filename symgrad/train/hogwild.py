"""Lock-free threads on shared arrays: `model.fit(..., parallel="hogwild")`.

Each thread works through its own part of the order with the ordinary kernel of one thread, reading
and writing the same parameters as the others.  Where two meet in one element, one's update of it
may be lost; in large tables they rarely do (Niu, Recht, Re, Wright: Hogwild!, NIPS 2011).

A number of rank 0 lives in the processor while a kernel runs.  Each thread begins a call (some 60
milliseconds) with the same one; what they arrive at is averaged, weighted by the mini-batches that
they worked off.  Counts of steps are added.  As threads count the same steps at the same time, each
draws its random numbers from a seed of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgrad.language.symbols import seed as SEED
from symgrad.train.targets import Executable, Executables
from symgrad.train.threads import get_threads

Arrays = Mapping[Any, np.ndarray]


def check_parallel(parallel: Any, target: str, every: int, catches_up: bool = False) -> bool:
    """Whether a fit is to be lock-free; ValueError where that cannot be.

    catches_up: rows are updated for the steps that they missed
    """
    if parallel is None:
        return False
    if not isinstance(parallel, str) or parallel != "hogwild":
        raise ValueError(f"parallel is None or 'hogwild', not {parallel!r}")
    if target == "reference":
        raise ValueError(
            "parallel='hogwild' needs target='cpu': the reference target is there to say what is "
            "right, one step after the other"
        )
    if every > 1:
        raise ValueError(
            f"parallel='hogwild' updates after every mini-batch, so accumulate is 1, not {every}: "
            "threads that add up gradients in one memory would lose some of them"
        )
    if catches_up:
        raise ValueError(
            "parallel='hogwild' and lazy='catch_up' do not go together: what a row has missed is "
            "counted in steps, and each thread counts its own; lazy=True updates touched rows only"
        )
    return True


class Hogwild:
    """An Executable that is several ones at the same time."""

    def __init__(self, executables: Sequence[Executable], batch: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.executables, self.batch = executables, batch
        self.pool = ThreadPoolExecutor(len(executables), "symgrad-hogwild")
        self.own: list[dict[Any, np.ndarray]] = [{} for _ in executables]
        self.seeds: dict[int, np.ndarray] = {}

    @property
    def source(self) -> str:
        return self.executables[0].source

    def run(
        self, arrays: Arrays, order: np.ndarray | None, first: int, last: int, every: int = 1,
        pending: int = 0, outputs: Mapping[str, np.ndarray] | None = None,
        epoch: int | None = None,
        made: list[int] | None = None,
    ) -> int:  # fmt: skip
        """As `Executable.run`; outputs are numbers of mini-batches, all full but the last one."""
        from concurrent.futures import wait

        batches, many = -(-(last - first) // self.batch), len(self.executables)
        cuts = [batches * k // many for k in range(many + 1)]
        numbers = {s: a for s, a in arrays.items() if a.ndim == 0 and s != SEED}
        work = []
        for k, (begin, end) in enumerate(itertools.pairwise(cuts)):
            if begin == end:
                continue
            own = self._own(k, numbers)
            part = {label: array[begin:end] for label, array in (outputs or {}).items()}
            stretch = first + begin * self.batch, min(first + end * self.batch, last)
            run = self.executables[k].run
            seed = self.seeds.setdefault(k, np.array(arrays[SEED] ^ k))
            given = {**arrays, **own, SEED: seed}
            call = self.pool.submit(run, given, order, *stretch, outputs=part)
            work.append((call, own, end - begin))
        wait([call for call, _, _ in work])
        for call, _, _ in work:
            call.result()
        _merge(numbers, [own for _, own, _ in work], [weight for _, _, weight in work])
        if made is not None:
            made.append(pending)
        return pending

    def _own(self, k: int, numbers: Arrays) -> dict[Any, np.ndarray]:
        """A thread's copies of the numbers: the same arrays in each call, with their new values."""
        for s, a in numbers.items():
            self.own[k].setdefault(s, a.copy())[...] = a
        return self.own[k]

    def close(self) -> None:
        """End the threads, once they have done what they were told."""
        self.pool.shutdown(wait=True)


def _merge(numbers: Arrays, found: list[dict[Any, np.ndarray]], weights: list[int]) -> None:
    for s, old in numbers.items():
        values = np.array([own[s] for own in found])
        if (values == old).all():
            continue
        if old.dtype.kind == "i":
            old[...] += (values - old).sum()
        else:
            old[...] = np.average(values, weights=weights)


def hogwild(executables: Executables, batch: int) -> Hogwild:
    """One executable for each thread that there may be."""
    first: Any = executables.exactly("step", batch, threads=1)
    return Hogwild(first.side_by_side(get_threads()), batch)
