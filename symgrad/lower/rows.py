"""The loops of a row update: find the distinct rows, add up their gradients, apply the rule.

    count = 0
    for every index:         slot[...] = its number among the distinct rows
    for s in range(count):   G[s] = 0
    for every index:         G[slot[...]] += the gradient's row there
    for s in range(count):   P[rows[s]] = rule(P[rows[s]], G[s])

Nothing here is as large as the table.  One index of one sample needs no search and no sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symgrad.lower import index as ix
from symgrad.lower.element_rules import gather_index
from symgrad.lower.expressions import At
from symgrad.lower.kernel import (
    Axis,
    Buffer,
    Distinct,
    Expression,
    Found,
    Load,
    Store,
    Update,
)  # fmt: skip
from symgrad.lower.linear import Term
from symgrad.lower.nodes import Node, Operand, largest
from symgrad.lower.row_updates import RowUpdate, Selection, extents_of
from symgrad.lower.scale import product_of, scale
from symgrad.lower.sums import order_of, scattered


class Rows:
    """What the loops of a row update, and those of a group's sums, have in common."""

    def __init__(self, nests: Any, group: Selection) -> None:
        self.nests, self.group = nests, group
        self.elements, self.axes = nests.elements, nests.axes
        self.slots: dict[tuple[Operand, ...], Node] = {}  # list of indices -> its rows' numbers

    def where(self, indices: tuple[Operand, ...], at: At) -> At:
        """The row that a list of indices names at a place."""
        lead = max((x.lead for x in indices if isinstance(x, Node)), default=0)
        shape = (0,) * lead + self.group.sizes
        source = Node("scatter", (None, *indices), {}, (), shape, lead=lead)
        return gather_index(self.elements, source, at, self.elements.element) or ()

    def search(self, indices: tuple[Operand, ...], found: Found, comment: str) -> None:
        """The number of each row of a list."""
        extents = extents_of(indices)
        axes, at = self.axes.loops(extents)
        lead = int(extents[:1] == (None,))
        shape = tuple(largest(e, self.elements.batch) for e in extents)
        buffer = Buffer("scratch", "slot", shape, "int64")
        slots = self.slots[indices] = Node("slots", (), {}, extents, shape, "int", lead)
        self.elements.memory[slots] = buffer
        row = self.elements.whole(ix.flat(self.where(indices, at), self.group.sizes))
        row = self.elements.cast(row, "int64")  # sparse data have their columns as int32
        self.nests.add(Distinct(buffer, at, row, found), axes, comment=comment)

    def add(self, sums: Buffer, term: Term, frame: tuple[int, ...]) -> None:
        """Add the rows of a scatter to the sums of their numbers.

        frame: the axes of the tables in the order in which the scatter has them
        """
        (factors, y), group = term, self.group
        held = sorted(range(len(frame)), key=frame.__getitem__)  # y's axes as tables have them
        axes_of = [order_of(y)[a] for a in held]  # of the scatter's, as tables have them
        s = scattered(self.elements, self.axes, y)
        slots = self.slots[tuple(y.operands[1 + axes_of[a]] for a in group.axes)]
        slot = self.elements.element(slots, self.elements.below(s.source, slots, s.at))
        places = (*s.found, *s.rest)
        where = (ix.of(slot), *group.rest([places[a] for a in axes_of]))
        value = self.scaled(factors, s.element, sums.dtype)
        self.nests.add(Update(sums, where, "add", value), s.axes, y)

    def scaled(self, factors: tuple, element: Expression, dtype: str) -> Expression:
        values = [*scale(self.elements, factors, dtype), self.elements.cast(element, dtype)]
        return product_of(self.elements, values, dtype)

    def apply(self, group: RowUpdate, axes: tuple[Axis, ...], where: At, slot: At) -> None:
        """New values beside the old ones first: all of them read what was there before."""
        stores = []
        row = tuple(ix.ZERO if e == 1 else i for e, i in zip(group.sizes, where, strict=True))
        for old, x in group.writes:
            home = self.elements.memory[old]
            loops, rest = self.axes.loops(group.rest(x.extents), axes)
            at = group.whole(row, rest)
            value = self.elements.cast(self.elements.element(x, at), home.dtype)
            shape = (*(a.limit for a in axes), *group.rest(home.shape))
            beside = Buffer("scratch", x.label, shape, home.dtype)
            self.nests.add(Store(beside, (*slot, *rest), value), loops, x)
            value = self.elements.load(beside, (*slot, *rest))
            stores.append((Store(home.renewed, at, value), loops))
        for statement, loops in stores:
            self.nests.add(statement, loops)


class RowLoops(Rows):
    """Makes the tasks of one row update; what it reads has its memory already."""

    group: RowUpdate

    def __init__(self, nests: Any, group: RowUpdate) -> None:
        super().__init__(nests, group)
        if group.is_one:
            self._one_row()
        else:
            self._distinct_rows()

    # ---- one index

    def _one_row(self) -> None:
        indices = self.group.lists[0]
        _, at = self.axes.loops(extents_of(indices))
        for x, terms in self.group.sums.items():
            self.elements.given[x] = lambda index, x=x, terms=terms: self._sum(x, terms, index)
        self.apply(self.group, (), self.where(indices, at), ())

    def _sum(self, x: Node, terms: list[Term], index: At) -> Expression:
        """The element of a gradient in the row that it has."""
        dtype = self.elements.dtype_of(x)
        parts = []
        for factors, y in terms:
            g = y.operands[0]
            rest = rest_of(y, index, self.group.width)
            rank = g.rank - len(rest) if isinstance(g, Node) else 0
            at = (ix.ZERO,) * rank + rest if isinstance(g, Node) else ()
            parts.append(self.scaled(factors, self.elements.element(g, at), dtype))
        return self.elements.apply("add", tuple(parts), dtype)

    # ---- several indices

    def _distinct_rows(self) -> None:
        sizes = self.group.sizes
        found = self._found()
        for indices in self.group.lists:
            self.search(indices, found, f"the distinct rows of {self.group.writes[0][0].label}")
        most = found.rows.shape[0]
        stop = self.elements.load(found.count, (ix.ZERO,), most)
        axis = self.axes.counted(most, 0, stop)
        row = Load(found.rows, (ix.of(axis),), "int64", math.prod(sizes) - 1)
        for x, terms in self.group.sums.items():
            self._add_up(x, terms, axis)
        self.apply(self.group, (axis,), ix.unflatten(ix.of(row), sizes), (ix.of(axis),))

    def _found(self) -> Found:
        most = self.group.most(self.elements.batch)
        rows = Buffer("scratch", "rows", (most,), "int64", distinct=True)
        sizes = {"count": 1, "table": 1 << (2 * most - 1).bit_length(), "places": most}
        count, table, places = (Buffer("scratch", k, (n,), "int64") for k, n in sizes.items())
        zero = self.elements.number(0, "int64")
        self.nests.add(Store(count, (ix.ZERO,), zero))
        return Found(rows, count, table, places)

    def _add_up(self, x: Node, terms: list[Term], axis: Axis) -> None:
        """The sum of a gradient's rows, for each distinct one."""
        group, dtype = self.group, self.elements.dtype_of(x)
        frame = group.frames[x]
        held = sorted(range(len(frame)), key=frame.__getitem__)  # x's axes as tables have them
        rest = lambda of: group.rest([of[a] for a in held])  # noqa: E731
        shape = (axis.limit, *rest(x.shape))
        sums = Buffer("scratch", x.label or "g", shape, dtype)
        self.nests.changing.add(sums)
        axes, index = self.axes.loops(rest(x.extents), (axis,))
        zero = self.elements.number(0, dtype)
        self.nests.add(Store(sums, (ix.of(axis), *index), zero), axes)
        for term in terms:
            self.add(sums, term, frame)
        self.elements.given[x] = lambda at: self.elements.load(sums, (ix.of(axis), *rest(at)))


def rest_of(y: Node, of: Sequence[Any], width: int) -> tuple[Any, ...]:
    """What a sequence with an element for each axis of a scatter has for the axes of a row."""
    order = order_of(y)
    return tuple(of[order.index(a)] for a in range(width, len(order)))
