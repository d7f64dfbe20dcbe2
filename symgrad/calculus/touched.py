"""Which rows of a table a step touches: those that the indices of its gradient name.

The adjoint of `P[u]` is a scatter, rows of numbers and the indices where they go.  A gradient that
is a sum of scatters is 0 in every other row, and is never written out.  That of `P[:, i]` is the
transpose of one: what is said of rows here holds for columns, and along any other axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from symgrad.calculus.block import Block, Lists, Name, Operand
from symgrad.calculus.builder import Builder
from symgrad.calculus.padding import Sizes


def looked_up(block: Block) -> set[Operand]:
    """The tables of which data or other values of the run select rows."""
    fixed = {n for s, n in block.inputs.items() if getattr(s, "role", "") == "constant"}
    tables: dict[Name, Operand] = {}  # of each transpose, what it is one of
    found = set()
    for e in block.equations:
        if e.operation == "transpose":
            tables[e.name] = _table(tables, e.operands[0])
        chosen = [x for x in e.operands[1:] if isinstance(x, Name) and x not in fixed]
        if e.operation == "gather" and chosen:
            found.add(_table(tables, e.operands[0]))
    return found


def _table(tables: Mapping[Name, Operand], x: Operand) -> Operand:
    return tables.get(x, x) if isinstance(x, Name) else x


def touched_rows(builder: Builder, gradient: Operand) -> Lists | None:
    """The lists of indices that a gradient is scattered to; None where it may have other rows.

    Where one part selects by other axes than another, rows are what the axes of all select.
    """
    shape = getattr(gradient, "shape", ())
    found: list[dict[int, Operand]] = []  # of each scatter, the index for each axis of the table
    stack = [(gradient, tuple(range(len(shape))))]
    while stack:
        x, axes = stack.pop()  # axes: those of the table in the order in which x has them
        e = builder.definition(x) if isinstance(x, Name) else None
        if e is None or e.name.shape != tuple(shape[a] for a in axes):
            return None
        if e.operation == "scatter":
            found.append(dict(zip(axes, e.operands[1:], strict=False)))
        elif e.operation == "transpose":
            order = e.attribute("axes")
            stack.append((e.operands[0], tuple(axes[order.index(a)] for a in range(len(order)))))
        elif e.operation in ("add", "expectation", "broadcast_to"):
            stack.extend((x, axes) for x in e.operands)
        elif e.operation == "mul":
            rest = [x for x in e.operands if not _is_scale(x)]
            stack.extend((x, axes) for x in rest)
            if len(rest) != 1:
                return None
        else:
            return None
    common = set.intersection(*map(set, found))
    if not common:
        return None
    lists = (tuple(i[a] if a in common else None for a in range(max(common) + 1)) for i in found)
    return tuple(dict.fromkeys(lists))


def selected(lists: Lists) -> tuple[int, ...]:
    """The axes of a table that its lists of indices select from."""
    return tuple(axis for axis, index in enumerate(lists[0]) if index is not None)


def _is_scale(x: Operand) -> bool:
    """A number, or one for the whole step."""
    return not isinstance(x, Name) or (x.shape == () and not x.per_sample)


def places(
    lists: Lists, values: Mapping[Any, Any], sizes: Sizes
) -> Iterator[tuple[np.ndarray, ...]]:
    """Of each list of indices, an index for each axis that selects, for every place of the list.

    values: of the block's names, a mini-batch's; beyond the ends of ragged lists they do not count
    """
    axes = selected(lists)
    for indices in lists:
        chosen: list[Any] = [indices[a] for a in axes]
        rank = max(len(getattr(x, "shape", ())) for x in chosen)
        where, inside = [], np.ones((), bool)
        for x in chosen:
            value = np.asarray(values[x] if isinstance(x, Name) else int(x))
            mask = np.ones(value.shape, bool)
            if isinstance(x, Name) and x.per_sample:
                shape = (len(value), *(1,) * (rank - len(x.shape)), *value.shape[1:])
                mask = np.reshape(sizes.masked(x, mask), shape)
                value = value.reshape(shape)
            where.append(value)
            inside = inside & mask
        yield tuple(np.broadcast_to(i, np.shape(inside))[inside] for i in where)


def in_rows(
    old: np.ndarray, new: np.ndarray, lists: Lists, values: Mapping[Any, Any], sizes: Sizes
) -> np.ndarray:
    """The old values, with the new ones in the rows that lists of indices name."""
    result, axes = old.copy(), selected(lists)
    for where in places(lists, values, sizes):
        at: list[Any] = [slice(None)] * len(lists[0])
        for axis, i in zip(axes, where, strict=True):
            at[axis] = i
        result[tuple(at)] = new[tuple(at)]
    return result
