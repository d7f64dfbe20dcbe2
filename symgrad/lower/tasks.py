"""Roots -> tasks: what each loop nest computes, before loops are merged.

A task is one statement under a list of axes.  Where an axis sums, the memory it sums into starts
at the task's `start`, just before that axis' loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgrad.lower import index as ix
from symgrad.lower.expressions import Access, At
from symgrad.lower.formula import formula
from symgrad.lower.index import Index
from symgrad.lower.kernel import Axis, Distinct, Expression, Store, Update, targets
from symgrad.lower.nodes import Extent, Node, Ragged, largest


@dataclass(eq=False, slots=True)
class Task:
    """One statement and its loops.

    axes:     outer to inner
    summing:  depth of the first axis that sums; len(axes) where none does
    start:    what a sum starts from
    constant: computed once a run
    node:     what it computes; remark: in words, where it is none
    """

    statement: Any
    axes: tuple[Axis, ...] = ()
    summing: int = 0
    start: Expression | None = None
    constant: bool = False
    node: Node | None = None
    remark: str = ""
    reads: list[Access] = field(default_factory=list)
    before: dict[Task, dict[tuple[At | None, At | None], None]] = field(default_factory=dict)

    @property
    def comment(self) -> str:
        """Its mathematics, written out when it is asked for."""
        return formula(self.node) if self.node else self.remark

    @property
    def targets(self) -> list[Access]:
        """What it changes."""
        s = self.statement
        first = s.index if isinstance(s, Store | Update | Distinct) else None
        changed, *others = targets(s)
        return [(changed, first), *((b, None) for b in others)]

    @property
    def target(self) -> Access:
        return self.targets[0]


class Axes:
    """One axis for each depth and extent, so that nests which can be merged share theirs."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.length_of: Callable[[Ragged, Index], Expression] | None = None
        self._known: dict[tuple[int, Extent, Any], Axis] = {}
        self._bounded: dict[tuple[int, Expression], Axis] = {}

    def axis(self, extent: Extent, depth: int, sample: Index) -> Axis:
        """sample: whose list it is, where it is a list's."""
        key = (depth, extent, sample if isinstance(extent, Ragged) else None)
        if key not in self._known:
            self._known[key] = self._axis(extent, depth, sample)
        return self._known[key]

    def _axis(self, extent: Extent, depth: int, sample: Index) -> Axis:
        limit = largest(extent, self.batch)
        if not isinstance(extent, Ragged):
            return Axis(extent, limit, depth)
        assert self.length_of is not None
        return Axis(limit, limit, depth, stop=self.length_of(extent, sample))

    def counted(self, limit: int, depth: int, stop: Expression, often: int | None = None) -> Axis:
        """An axis from 0 to an integer of the run, which is at most `limit`.

        often: about how large it is, where that is not the same
        """
        axis = Axis(often or limit, limit, depth, None, stop)
        return self._bounded.setdefault((depth, stop), axis)

    def loops(self, extents: Sequence[Extent], around: tuple[Axis, ...] = ()
              ) -> tuple[tuple[Axis, ...], At]:  # fmt: skip
        """Axes for the extents that need a loop, and the index under them.

        around: the axes of loops that they stand in, which come first
        """
        axes: list[Axis] = list(around)
        index: list[Index] = []
        sample = ix.ZERO
        for e in extents:
            if e == 1:
                index.append(ix.ZERO)
            else:
                axes.append(self.axis(e, len(axes), sample))
                index.append(ix.of(axes[-1]))
            if e is None and len(index) == 1:
                sample = index[0]
        return tuple(axes), tuple(index)


START = {"add": 0, "mul": 1, "max": -math.inf, "min": math.inf}


def start_of(combine: str, dtype: str) -> int | float:
    """What a sum, product or extreme starts from: it changes nothing.

    >>> start_of("add", "float32"), start_of("max", "int64") < -10**18
    (0, True)
    """
    if dtype == "int64" and combine in ("max", "min"):
        return -(2**63) if combine == "max" else 2**63 - 1
    return START[combine]
