"""Sums of gradients over mini-batches, in the rows that were touched since the last update.

    each mini-batch:   for every index:          slot = the row's number among the distinct ones
                                                 S[slot] += the gradient's row there
    each update:       for s in range(count):    P[rows[s]] = rule(P[rows[s]], S[s]);  S[s] = 0
                       count = 0

The rows and the sums outlive the kernel's calls (see `calculus.groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgrad.calculus.block import Lists
from symgrad.calculus.groups import Group
from symgrad.lower import index as ix
from symgrad.lower.kernel import Buffer, Found, Store
from symgrad.lower.linear import Term
from symgrad.lower.nodes import Node, is_scalar
from symgrad.lower.row_updates import (
    RowUpdate,
    Selection,
    frame_inside,
    look_inside,
    selected,
)
from symgrad.lower.rows import Rows


@dataclass(eq=False)
class GroupSums(Selection):
    """What a mini-batch adds to the sums of one group.

    found: the group's rows
    added: a sum's memory -> the scatters that are added to it, each with its factors and the
           table's axes in the order in which it has them
    """

    found: Found = field(kw_only=True)
    added: dict[Buffer, list[tuple[Term, tuple[int, ...]]]] = field(default_factory=dict)

    @property
    def factors(self) -> list[Node]:
        terms = (term for parts in self.added.values() for term, _ in parts)
        return [f for factors, _ in terms for f in factors if isinstance(f, Node)]

    def add(self, total: Buffer, gradient: Node) -> None:
        """Take a gradient apart, of which nothing has memory of its own."""
        parts = self.added[total] = []
        stack: list[tuple[Any, tuple, tuple[int, ...]]] = [
            (gradient, (), tuple(range(gradient.rank)))
        ]
        while stack:
            x, factors, frame = stack.pop()
            if not isinstance(x, Node):
                assert x == 0, f"a gradient has {x} in every row"
                continue
            self.inside[x] = None
            if x.operation == "scatter":
                parts.append(((factors, x), frame))
                continue
            assert x.operation in LINEAR, f"{x.operation} is not in a few rows"
            scale = tuple(y for y in x.operands if is_scalar(y)) if x.operation == "mul" else ()
            rest = [y for y in x.operands if y not in scale]
            stack.extend((y, (*factors, *scale), _frame(x, y, frame)) for y in reversed(rest))


LINEAR = ("add", "broadcast_to", "mul", "total", "transpose")  # and row by row


def _frame(x: Node, y: Any, frame: tuple[int, ...]) -> tuple[int, ...]:
    return frame_inside(x, y, frame) if isinstance(y, Node) else frame


@dataclass(eq=False)
class GroupUpdates:
    """What the rule makes of the rows of one group.

    sums:   a sum as the mathematics reads it, and its memory
    often:  how many rows a mini-batch has at most
    tables: those with the axes that select, as they are held
    """

    group: Group
    found: Found
    often: int
    sums: list[tuple[Node, Buffer]] = field(default_factory=list)
    tables: dict[tuple[int, ...], RowUpdate] = field(default_factory=dict)
    factors: tuple[Node, ...] = ()

    @property
    def inside(self) -> list[Node]:
        return [x for update in self.tables.values() for x in update.inside]


class Held:
    """The groups of one program: their memory, and what its two blocks do with them."""

    def __init__(
        self, groups: Mapping[sp.Symbol, Group], memory: Callable[..., Buffer], batch: int
    ) -> None:
        """memory: gives a state's buffer"""
        self.groups, self.memory, self.batch = groups, memory, batch
        self.found = {g: self._found(g) for g in dict.fromkeys(groups.values())}
        self.often: dict[Group, int] = {}

    def _found(self, group: Group) -> Found:
        rows = self.memory(group.rows, distinct=True)
        return Found(rows, *map(self.memory, (group.count, group.table, group.places)))

    def sums(
        self, lists: Mapping[sp.Symbol, Lists], writes: Mapping[sp.Symbol, Node]
    ) -> list[GroupSums]:
        """Of a step, what it adds to each group."""
        made: dict[Group, GroupSums] = {}
        for symbol in (s for s in writes if s in self.groups):
            group = self.groups[symbol]
            axes, chosen = selected(lists[symbol])
            if group not in made:
                made[group] = GroupSums(axes, group.sizes, (), found=self.found[group])
            sums = made[group]
            sums.lists = tuple(dict.fromkeys((*sums.lists, *chosen)))
            sums.add(self.memory(symbol), writes[symbol])
            self.often[group] = sums.most(self.batch)
        return list(made.values())

    def updates(
        self, writes: Mapping[sp.Symbol, Node], inputs: Mapping[sp.Symbol, Node],
        turned: Container[sp.Symbol],
    ) -> list[GroupUpdates]:  # fmt: skip
        """Of an update, what it makes of each group."""
        made = {g: GroupUpdates(g, f, max(self.often[g], 1)) for g, f in self.found.items()}
        for symbol, group in self.groups.items():
            if symbol in writes:
                axes = tuple(1 - a for a in group.axes) if symbol in turned else group.axes
                update = RowUpdate(axes, group.sizes, ())
                update = made[group].tables.setdefault(axes, update)
                update.writes.append((inputs[symbol], writes[symbol]))
            elif symbol in inputs:
                made[group].sums.append((inputs[symbol], self.memory(symbol)))
        for one in made.values():
            for update in one.tables.values():
                look_inside(update)
        return list(made.values())


class SumLoops(Rows):
    """Makes the tasks that add a mini-batch's gradients to the sums of a group."""

    def __init__(self, nests: Any, group: GroupSums) -> None:
        super().__init__(nests, group)
        for indices in group.lists:
            self.search(indices, group.found, group.found.rows.label)
        for total, parts in group.added.items():
            for term, frame in parts:
                self.add(total.renewed, term, frame)


class UpdateLoops(Rows):
    """Makes the tasks of the update of a group's rows; all of its loops become one."""

    def __init__(self, nests: Any, updates: GroupUpdates) -> None:
        super().__init__(nests, next(iter(updates.tables.values())))
        group, found, elements = updates.group, updates.found, self.elements
        stop = elements.load(found.count, (ix.ZERO,), group.height)
        axis = self.axes.counted(group.height, 0, stop, updates.often)
        slot = ix.of(axis)
        row = ix.of(elements.load(found.rows, (slot,), group.height - 1))
        rest = lambda of: tuple(x for a, x in enumerate(of) if a not in group.axes)  # noqa: E731
        for x, total in updates.sums:
            elements.given[x] = lambda at, b=total: elements.load(b, (slot, *rest(at)))
        for update in updates.tables.values():
            self.apply(update, (axis,), ix.unflatten(row, group.sizes), (slot,))
        for x, total in updates.sums:
            loops, index = self.axes.loops(rest(x.extents), (axis,))
            zero = elements.number(0, total.dtype)
            nests.add(Store(total.renewed, (slot, *index), zero), loops)
        nests.add(Store(found.count.renewed, (ix.ZERO,), elements.number(0, "int64")))
