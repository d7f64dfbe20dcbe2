"""Threads on shared arrays, without locks: `model.fit(..., parallel="hogwild")`.

Each thread works with the ordinary kernel of one thread, reading and writing the same parameters as
the others.  Where two meet in one element, one's update of it may be lost; in large tables they
rarely do (Niu, Recht, Re, Wright: Hogwild!, NIPS 2011).  Yet a row that another core has just
written takes long to come, so that two threads on two tables may take longer than one.

So the samples of a call (a twentieth of a second) are sorted such that threads meet in no row, see
`symgrad.train.partition`: wherever rows are selected by a number of each sample, as by u and i in
`P[u] @ Q[i] + b[u]`.  Then the samples of a call are not taken in the given order, though each once
and within a cell in that order, and mini-batches are of samples of one cell; losses are recorded in
the order in which they are taken.  Threads may still meet

- in rows that are selected by computed or drawn indices, by several numbers of a sample, or by two
  indices into one table (`Q[i] - Q[j]`);
- in parameters that are no tables;
- anywhere, in calls of few mini-batches, which are cut into a stretch of the order for each thread.

A number of rank 0 lives in the processor while a kernel runs.  Each thread begins a call with the
same one; what they arrive at is averaged, weighted by the mini-batches that they worked off.
Counts of steps are added.  As threads count the same steps at the same time, each draws its random
numbers from a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from ctypes import addressof
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgrad.calculus.apart import separating
from symgrad.language.symbols import seed as SEED
from symgrad.train.partition import Partition, chosen
from symgrad.train.schedule import Schedule, Stretch, in_cells, in_order
from symgrad.train.targets import Executables
from symgrad.train.threads import get_threads

if TYPE_CHECKING:
    from symgrad.build.executable import Compiled

LEAST = 16  # mini-batches of a cell, on the average: else samples are not sorted
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

    def __init__(
        self, executables: Sequence[Compiled], batch: int, indices: Sequence[sp.Symbol] = ()
    ) -> None:
        """indices: data by which samples are sorted so that threads meet in no row"""
        self.executables, self.batch = executables, batch
        self.own: list[dict[Any, np.ndarray]] = [{} for _ in executables]
        self.seeds: dict[int, np.ndarray] = {}
        self.partition = Partition(indices, len(executables)) if indices else None
        self.begin()

    @property
    def source(self) -> str:
        return self.executables[0].source

    def begin(self) -> None:
        """Start the threads."""
        self.pool = ThreadPoolExecutor(len(self.executables), "symgrad-hogwild")

    def close(self) -> None:
        """End the threads, once they have done what they were told."""
        self.pool.shutdown(wait=True)
        if self.partition:
            self.partition.forget()

    def run(
        self, arrays: Arrays, order: np.ndarray | None, first: int, last: int, every: int = 1,
        pending: int = 0, outputs: Mapping[str, np.ndarray] | None = None,
    ) -> int:  # fmt: skip
        """As `Executable.run`; outputs are numbers of mini-batches."""
        self.pool.submit(self._lead, arrays, order, first, last, outputs or {}).result()
        return pending

    def _lead(
        self, arrays: Arrays, order: np.ndarray | None, first: int, last: int, outputs: Arrays
    ) -> None:
        """What the first thread does.  Ctrl-C comes to another one: no call is left half done."""
        numbers = {s: a for s, a in arrays.items() if a.ndim == 0 and s != SEED}
        given = [self._given(k, arrays, numbers) for k in range(len(self.executables))]
        batches, parted = -(-(last - first) // self.batch), self.partition
        if parted and batches >= LEAST * parted.rounds * len(given):
            parted.begin(arrays, order, first, last, self._each)
            schedule = self._in_cells(parted, given, outputs)
        else:
            schedule = in_order(order, first, last, self.batch, len(given))
            (stretches,) = schedule.rounds
            self._each(lambda k: self._run(k, given, stretches[k], outputs))
        self._run(0, given, schedule.rest, outputs)
        _merge(numbers, self.own, [schedule.batches(k) for k in range(len(given))])

    def _in_cells(self, parted: Partition, given: list[Arrays], outputs: Arrays) -> Schedule:
        """Sort the samples and work on them cell by cell."""
        calls = Calls(parted, self.executables, given, outputs, self.batch)

        def work(k: int) -> None:
            again = True
            while again:
                parted.sort(k)
                if k == 0:
                    calls.prepare()
                again = parted.work(k)

        with self.executables[0].alone:
            self._each(work)
        return calls.made()

    def _run(self, k: int, given: list[Arrays], stretch: Stretch, outputs: Arrays) -> None:
        if stretch.first < stretch.last:
            where = stretch.order, stretch.first, stretch.last
            self.executables[k].run(given[k], *where, outputs=stretch.part(outputs))

    def _each(self, function: Callable[[int], Any]) -> None:
        """Call the function in every thread, with the thread's number; this is the first one."""
        calls = [self.pool.submit(function, k) for k in range(1, len(self.executables))]
        try:
            function(0)
        finally:
            wait(calls)
        for call in calls:
            call.result()

    def _given(self, k: int, arrays: Arrays, numbers: Arrays) -> Arrays:
        """A thread's arrays.  Its copies of the numbers are the same arrays in each call, with
        their new values."""
        for s, a in numbers.items():
            self.own[k].setdefault(s, a.copy())[...] = a
        seed = self.seeds.setdefault(k, arrays[SEED].copy())
        seed[...] = arrays[SEED] ^ k
        return {**arrays, **self.own[k], SEED: seed}


class Calls:
    """The calls of kernels for cells that have been sorted.  The first thread prepares them while
    the others wait."""

    def __init__(
        self, parted: Partition, executables: Sequence[Compiled], given: list[Arrays],
        outputs: Arrays, batch: int,
    ) -> None:  # fmt: skip
        self.parted, self.executables, self.given = parted, executables, given
        self.outputs, self.batch = outputs, batch
        self.tables: list[Any] = []  # of words: they have to stay while kernels run
        self.failure: Exception | None = None

    def prepare(self) -> None:
        """Put the calls where the threads find them.  Raises nothing, or they would wait for ever:
        what goes wrong is for `made`."""
        self.parted.calls[:] = self.parted.results[:] = self.parted.again[:] = 0
        try:
            cells = self.parted.found()
            self.parted.again[:] = cells is None
            if cells is not None:
                self._put(in_cells(cells, self.batch))
        except Exception as failure:
            self.parted.calls[:] = 0
            self.failure = failure

    def _put(self, schedule: Schedule) -> None:
        self.schedule = schedule
        for r, stretches in enumerate(schedule.rounds):
            for k, s in enumerate(stretches):
                if s.first < s.last:
                    where, part = (s.order, s.first, s.last), s.part(self.outputs)
                    code, table = self.executables[k].begun(self.given[k], *where, part)
                    self.parted.calls[r, k] = code, addressof(table)
                    self.tables.append(table)

    def made(self) -> Schedule:
        """What has been done; raises what went wrong."""
        if self.failure:
            raise self.failure
        for result in self.parted.results.flat:
            self.executables[0].checked(result)
        return self.schedule


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
    """One executable for each thread that there may be; with its memory, kept for other fits."""
    threads = get_threads()
    found = executables.made.get(("hogwild", batch, threads))
    if not isinstance(found, Hogwild):
        first: Any = executables.exactly("step", batch, threads=1)
        every = [first, *(first.again() for _ in range(threads - 1))]
        rows = separating(executables.program("step").step) if threads > 1 else {}
        found = Hogwild(every, batch, chosen(rows, threads))
        executables.keep(("hogwild", batch, threads), found)
    found.begin()
    return found
