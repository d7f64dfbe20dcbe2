"""Samples sorted into cells, so that threads can work on them without meeting in a row.

The rows of each index are cut into as many parts as there are threads.  A cell holds the samples
of which every index is in one part of its rows; cells of one round have no part in common, see
`symgrad.generate.cells` (the schedules of Gemulla, Nijkamp, Haas, Sismanis: Large-scale matrix
factorization with distributed stochastic gradient descent, KDD 2011, and of Zhuang, Chin, Juan,
Lin: A fast parallel SGD for matrix factorization in shared memory systems, RecSys 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgrad.generate.cells import cells_text
from symgrad.language.aligned import LINE, aligned_zeros

if TYPE_CHECKING:
    from symgrad.build.helper import Helper

LOOKED_AT = 4096  # samples that tell where to cut
UNEVEN = 1.1  # times the time that the last cuts took, and rows are cut anew
ROUNDS = 64  # at most: between two of them threads wait for each other
FEWEST = 2  # rows of a part, on the average
NO_ORDER = np.zeros(0, np.int64)
Each = Callable[[Callable[[int], Any]], None]  # calls a function in every thread, with its number


def chosen(rows: Mapping[sp.Symbol, int], threads: int) -> tuple[sp.Symbol, ...]:
    """The indices by which samples are sorted, the one with most rows first: a thread stays in its
    part of these.

    rows: how many each selects from.  Where there are too many indices, threads may meet in the
    rows of the largest tables, in which they do so most rarely.
    """
    wide = sorted((s for s, n in rows.items() if n >= FEWEST * threads), key=rows.__getitem__)
    most = max(d for d in range(1, len(wide) + 2) if threads ** (d - 1) <= ROUNDS or d == 1)
    return tuple(reversed(wide[:most]))


class Partition:
    """Sorts the samples of a call into cells, and calls kernels for them.

    A line of memory that another core has changed may take as long to come as ten from this core's
    own, and a thread that sleeps as long to wake as a thousand samples: each thread makes the list
    of its own samples, and threads meet in compiled code.
    """

    def __init__(self, indices: Sequence[sp.Symbol], threads: int) -> None:
        """indices: data of which different values select different rows"""
        self.indices, self.threads = tuple(indices), threads
        self.rounds = threads ** (len(self.indices) - 1)
        self.limits = np.zeros(0, np.int64)  # of each index, where its parts but the first begin
        self.best = 1.0  # the time of the rounds when these were new; 1 is that of even cells
        self.order: np.ndarray | None = None  # of which the samples' cells are known
        cell = np.min_scalar_type(self.rounds * threads - 1)
        self.known = self.cells = np.empty(0, cell)  # of samples, of positions
        self.lists = [List(self.rounds) for _ in range(threads)]
        self.sync = aligned_zeros((2 * LINE,), np.int64)
        self.again = aligned_zeros((LINE,), np.int64)
        self.calls = aligned_zeros((self.rounds, threads, 2), np.int64)  # see generate/cells.py
        self.results = aligned_zeros((self.rounds, threads), np.int64)
        self.turn = 0  # the round that comes first
        self.helpers = helpers(len(self.indices), threads, cell.name)

    def begin(
        self, arrays: Mapping[Any, np.ndarray], order: np.ndarray | None, first: int, last: int,
        each: Each,
    ) -> None:  # fmt: skip
        """Take the positions first ... last - 1; each: calls a function in every thread."""
        from symgrad.build.arrays import check_order

        given = [arrays[s] for s in self.indices]
        if order is None and not len(self.limits):
            self._cut(given, first, last)
        if order is not None and order is not self.order:
            check_order(order, len(given[0]))
            self._cut(given, 0, len(given[0]))
            self.known = _with_room(self.known, len(given[0]))
            each(self._classify(given, len(given[0])))
        self.order = order
        self.cells = _with_room(self.cells, last - first)
        self.given, self.positions = given, range(first, last)

    def sort(self, thread: int) -> None:
        """A thread's part of the work; all threads do theirs."""
        memory = self.lists[thread].memory(len(self.positions))
        order = NO_ORDER if self.order is None else self.order
        cells = self.cells, self.known, self.limits, *self.given
        where = self.positions.start, self.positions.stop, thread
        ordered = int(self.order is not None)
        self.helpers["sort"](*memory, *cells, order, ordered, self.sync, *where)

    def found(self) -> list[list[np.ndarray]] | None:
        """The samples of each round for each thread, within a cell in their order, until they are
        sorted again; None where that is to be done now, as rows were cut for other samples.

        The round that was the last one is the next call's first: its rows are at hand.
        """
        if self.order is None and self._time() > UNEVEN * self.best:
            self._cut(self.given, self.positions.start, self.positions.stop)
            self.best = np.inf
            return None
        if self.best == np.inf:
            self.best = self._time()
        rounds = [list(cells) for cells in zip(*(x.by_round() for x in self.lists), strict=True)]
        self.turn = (self.turn - 1) % self.rounds
        return [*rounds[self.turn :], *rounds[: self.turn]]

    def forget(self) -> None:
        """Let go of data; memory stays for the next fit."""
        self.given, self.order = [], None
        self.known, self.limits, self.best = self.known[:0].copy(), NO_ORDER, 1.0

    def work(self, thread: int) -> bool:
        """Make a thread's calls, when all threads have come here; whether to sort again."""
        memory = self.calls.reshape(-1), self.results.reshape(-1), self.again, self.sync
        return bool(self.helpers["work"](*memory, thread))

    def _classify(self, given: list[np.ndarray], samples: int) -> Callable[[int], Any]:
        classify = self.helpers["classify"]
        cuts = [samples * k // self.threads for k in range(self.threads + 1)]
        return lambda k: classify(self.known[cuts[k] :], self.limits, *given, cuts[k], cuts[k + 1])

    def _cut(self, given: list[np.ndarray], first: int, last: int) -> None:
        some = np.random.default_rng(0).integers(first, last, LOOKED_AT)
        self.limits = np.concatenate([limits(index[some], self.threads) for index in given])

    def _time(self) -> float:
        """How long the rounds take, in each of which all wait for the largest cell."""
        counts = np.array([np.diff(x.ends, prepend=0) for x in self.lists])
        return float(counts.max(axis=0).sum() * self.threads / counts.sum())


class List:
    """A thread's samples."""

    def __init__(self, rounds: int) -> None:
        self.ends = aligned_zeros((rounds,), np.int64)  # behind those of each round
        self.samples, self.positions = np.empty(0, np.int64), np.empty(0, np.int32)

    def memory(self, items: int) -> tuple[np.ndarray, ...]:
        """With room for so many samples, should all of them be this thread's, and one more."""
        self.samples = _with_room(self.samples, items + 1)
        self.positions = _with_room(self.positions, items + 1)
        return self.samples, self.ends, self.positions

    def by_round(self) -> list[np.ndarray]:
        return np.split(self.samples[: self.ends[-1]], self.ends[:-1])


def _with_room(array: np.ndarray, items: int) -> np.ndarray:
    """The memory, or some with room for the longer calls that will come, too."""
    return array if len(array) >= items else np.empty(2 * items, array.dtype)


def limits(rows: np.ndarray, parts: int) -> list[int]:
    """Where parts but the first begin, if these rows are to be divided among them evenly.

    >>> limits(np.array([7, 7, 7, 0, 1, 9]), 2)
    [7]
    """
    rows, found = np.sort(rows), []
    for k in range(1, parts):
        at = len(rows) * k // parts
        begin, end = (
            np.searchsorted(rows, rows[at], "left"),
            np.searchsorted(rows, rows[at], "right"),
        )
        found.append(int(rows[at]) + int(at - begin > end - at))
    return found


@cache
def helpers(indices: int, parts: int, cell: str) -> dict[str, Helper]:
    """The compiled functions of `symgrad.generate.cells`; cell: the dtype of a cell's number."""
    from symgrad.build.entry import INTEGER
    from symgrad.build.helper import Helper

    n, table = "int64", ("int64",) * indices
    kinds = {
        "classify": (cell, n, *table, INTEGER, INTEGER),
        "sort": (n, n, "int32", cell, cell, n, *table, n, INTEGER, n, INTEGER, INTEGER, INTEGER),
        "work": (n, n, n, n, INTEGER),
    }
    text, modules = cells_text(indices, parts), ("symgrad.generate.native",)
    return {name: Helper(text, name, kinds[name], modules) for name in kinds}
