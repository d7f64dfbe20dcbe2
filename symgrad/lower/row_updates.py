"""Which new values are computed in a few rows of a table: those that a step touches.

    P := rule(P, S, scatter(g, u))  in the rows u        S := another rule of them, in the same rows

A table that only gets scatters added is accumulated where it stands (see `sums`), whatever rows
they meet.  Any other rule wants each distinct row once, with the sum of its gradients.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgrad.calculus.block import Lists
from symgrad.lower import costs
from symgrad.lower.linear import Term, linear_terms
from symgrad.lower.nodes import Extent, Node, Operand, is_scalar, largest

PASSED = ("scatter", "broadcast_to", "transpose")


@dataclass(eq=False)
class Selection:
    """Rows of tables, selected by indices.

    axes:   those that select, of the tables as they are held: (0,) for rows, (1,) for columns
    sizes:  theirs
    lists:  of each list of indices, an operand for each of these axes
    inside: what is computed for the selected rows alone
    """

    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    lists: tuple[tuple[Operand, ...], ...]
    inside: dict[Node, None] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """How many axes select a row."""
        return len(self.axes)

    def rest(self, of: Sequence[Any]) -> tuple[Any, ...]:
        """What a sequence with an element for each axis of a table has for the axes of a row."""
        return tuple(x for a, x in enumerate(of) if a not in self.axes)

    def whole(self, row: Sequence[Any], rest: Sequence[Any]) -> tuple[Any, ...]:
        """An element for each axis of a table, from those of the axes that select, and others."""
        remaining, chosen = iter(rest), dict(zip(self.axes, row, strict=True))
        rank = len(row) + len(rest)
        return tuple(chosen[a] if a in chosen else next(remaining) for a in range(rank))

    def most(self, batch: int) -> int:
        """The largest number of rows in all lists of a mini-batch."""
        every = (extents_of(indices) for indices in self.lists)
        return sum(math.prod(largest(e, batch) for e in extents) for extents in every)


@dataclass(eq=False)
class RowUpdate(Selection):
    """New values of tables of one height, in the rows of the same lists of indices.

    writes: (old value, new value) of each table and state
    sums:   gradient -> the scatters that it adds up, with their factors
    frames: gradient -> the axes of the tables in the order in which it has them
    """

    writes: list[tuple[Node, Node]] = field(default_factory=list)
    sums: dict[Node, list[Term]] = field(default_factory=dict)
    frames: dict[Node, tuple[int, ...]] = field(default_factory=dict)

    @property
    def factors(self) -> list[Node]:
        terms = (t for terms in self.sums.values() for t in terms)
        return [f for factors, _ in terms for f in factors if isinstance(f, Node)]

    @property
    def is_one(self) -> bool:
        """Whether a step has one row, known by its index: nothing is to be searched or added up."""
        exact = all(len(y.operands) == 1 + self.width for ts in self.sums.values() for _, y in ts)
        return exact and len(self.lists) == 1 and set(extents_of(self.lists[0])) <= {1}


def extents_of(indices: tuple[Operand, ...]) -> tuple[Extent, ...]:
    """The extents of a list of indices: samples, then the axes that the indices have together."""
    nodes = [x for x in indices if isinstance(x, Node)]
    rank = max((x.rank for x in nodes), default=0)
    bodies = [(1,) * (rank - x.rank) + x.body for x in nodes]
    body = tuple(next((e for e in es if e != 1), 1) for es in zip(*bodies, strict=True))
    return (None,) * max((x.lead for x in nodes), default=0) + body


def row_updates(
    rows: Mapping[sp.Symbol, Lists], writes: Mapping[sp.Symbol, Node],
    inputs: Mapping[sp.Symbol, Node], apart: set[sp.Symbol], turned: Container[sp.Symbol] = (),
) -> dict[sp.Symbol, RowUpdate]:  # fmt: skip
    """The row updates of a block, by what they write; uses are counted.

    apart:  what cannot be added to where it stands
    turned: what is held column by column
    """
    found: dict[Any, RowUpdate] = {}
    result = {}
    for symbol, lists in rows.items():
        old, new = inputs[symbol], writes[symbol]
        if symbol in apart or not _only_added(old, new):
            axes, chosen = selected(lists)
            axes = tuple(1 - a for a in axes) if symbol in turned else axes
            key = (axes, tuple(old.shape[a] for a in axes), chosen)
            result[symbol] = found.setdefault(key, RowUpdate(*key))
            result[symbol].writes.append((old, new))
    for group in found.values():
        look_inside(group)
    return result


def selected(lists: Lists) -> tuple[tuple[int, ...], tuple[tuple[Operand, ...], ...]]:
    """The axes that lists of indices select from, and of each list the indices for these."""
    axes = tuple(a for a, x in enumerate(lists[0]) if x is not None)
    return axes, tuple(tuple(i[a] for a in axes) for i in lists)


def _only_added(old: Node, new: Node) -> bool:
    """Whether a new value is the old one with scatters added."""
    terms, _ = linear_terms(new)
    own = [factors for factors, y in terms if y is old]
    return own == [()] and all(
        y is old or (y.operation == "scatter" and y.uses == 1) for _, y in terms
    )


def look_inside(group: RowUpdate) -> None:
    """Find what is computed for the touched rows alone, and the gradients in it."""
    stack = [(new, tuple(range(new.rank))) for _, new in group.writes]
    while stack:
        x, frame = stack.pop()
        if x in group.inside or x.operation == "input" or not _has_rows(x, frame, group):
            continue
        parts: dict[Node, None] = {}
        terms = [] if _is_multiple(x) else _scatters(x, parts)
        if terms:
            group.sums[x], group.frames[x] = terms, frame
            group.inside.update(parts)
        else:
            group.inside[x] = None
            stack.extend((y, frame_inside(x, y, frame)) for y in x.nodes)


def frame_inside(x: Node, y: Node, frame: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the tables in the order in which an operand of x has them."""
    if x.operation == "transpose":
        axes = x.attributes["axes"]
        return tuple(frame[axes.index(a)] for a in range(len(axes)))
    return frame[len(frame) - y.rank :]


def _is_multiple(x: Node) -> bool:
    """Whether x is a multiple of what others need as it is: that is added up, and once."""
    return x.operation == "mul" and any(y.uses > 1 and not is_scalar(y) for y in x.nodes)


def _has_rows(x: Node, frame: tuple[int, ...], group: RowUpdate) -> bool:
    known = x.operation in PASSED or costs.is_primitive(x.operation)
    if not known or x.lead or not set(group.axes) <= set(frame):
        return False
    return tuple(x.shape[frame.index(a)] for a in group.axes) == group.sizes


def _scatters(x: Node, parts: dict[Node, None]) -> list[Term]:
    """The terms of a sum of scatters with scalar factors, and what it goes through; [] where it
    has other terms."""
    parts[x] = None
    if x.operation == "scatter":
        return [((), x)]
    if x.operation == "add" and all(isinstance(y, Node) and y.shape == x.shape for y in x.operands):
        terms = [_scatters(y, parts) for y in x.nodes]
        return [t for ts in terms for t in ts] if all(terms) else []
    if x.operation == "mul":
        factors = tuple(y for y in x.operands if is_scalar(y))
        rest = [y for y in x.operands if not is_scalar(y)]
        if len(rest) == 1 and rest[0].shape == x.shape:
            return [((*factors, *f), y) for f, y in _scatters(rest[0], parts)]
    return []
