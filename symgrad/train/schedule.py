"""Which thread works on which samples, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Stretch:
    """What a thread does in one call of its kernel.

    order:   the samples, or None for all of them as they are
    first:   the first position of the order, and last: the one behind the last
    batches: the numbers of the mini-batches that these are, in the order in which they are recorded
    """

    order: np.ndarray | None
    first: int
    last: int
    batches: slice

    def part(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Where these mini-batches' numbers are recorded."""
        return {label: array[self.batches] for label, array in outputs.items()}


@dataclass(frozen=True)
class Schedule:
    """rounds: of each a stretch for every thread, which run at the same time; rest: what is left,
    for the first thread after all rounds."""

    rounds: list[list[Stretch]]
    rest: Stretch

    def batches(self, thread: int) -> int:
        """How many mini-batches a thread makes."""
        own = [stretches[thread] for stretches in self.rounds]
        if thread == 0:
            own.append(self.rest)
        return sum(s.batches.stop - s.batches.start for s in own)


def in_order(
    order: np.ndarray | None, first: int, last: int, batch: int, threads: int
) -> Schedule:  # fmt: skip
    """Each thread has its part of the positions: they may meet in any row."""
    batches = -(-(last - first) // batch)
    cuts = [batches * k // threads for k in range(threads + 1)]
    places = [min(first + cut * batch, last) for cut in cuts]
    parts = zip(pairwise(places), pairwise(cuts), strict=True)
    stretches = [Stretch(order, *positions, slice(*numbers)) for positions, numbers in parts]
    return Schedule([stretches], Stretch(order, last, last, slice(batches, batches)))


def in_cells(rounds: list[list[np.ndarray]], batch: int) -> Schedule:
    """Each thread has a cell in each round.  A mini-batch's samples come from one cell, but for
    those of the few at the end that are made of what remains of all cells.

    rounds: the samples of the cells
    """
    made, done, left = [], 0, list[np.ndarray]()
    for cells in rounds:
        made.append(list[Stretch]())
        for samples in cells:
            whole = len(samples) // batch
            batches = slice(done, done + whole)
            made[-1].append(Stretch(samples[: whole * batch], 0, whole * batch, batches))
            left.append(samples[whole * batch :])
            done += whole
    rest = np.concatenate(left)
    return Schedule(made, Stretch(rest, 0, len(rest), slice(done, done - (-len(rest) // batch))))
