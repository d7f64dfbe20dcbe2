"""Which rows of a table a step touches: those that the indices of its gradient name.

The adjoint of `P[u]` is a scatter, rows of numbers and the indices where they go.  A gradient that
is a sum of scatters is 0 in every other row, and is never written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symgrad.calculus.block import Block, Lists, Name, Operand
from symgrad.calculus.builder import Builder
from symgrad.calculus.padding import Sizes


def looked_up(block: Block, table: Name) -> bool:
    """Whether data or other values of the run select rows of the table."""
    fixed = {n for s, n in block.inputs.items() if getattr(s, "role", "") == "constant"}
    return any(
        e.operation == "gather"
        and e.operands[0] is table
        and any(isinstance(x, Name) and x not in fixed for x in e.operands[1:])
        for e in block.equations
    )


def touched_rows(builder: Builder, gradient: Operand) -> Lists | None:
    """The lists of indices that a gradient is scattered to; None where it may have other rows.

    Where one part selects by more axes than another, rows are what the fewest axes select.
    """
    shape = getattr(gradient, "shape", ())
    found: dict[tuple[Operand, ...], None] = {}
    stack = [gradient]
    while stack:
        x = stack.pop()
        e = builder.definition(x) if isinstance(x, Name) else None
        if e is None or e.name.shape != shape:
            return None
        if e.operation == "scatter":
            found[e.operands[1:]] = None
        elif e.operation in ("add", "expectation", "broadcast_to"):
            stack.extend(e.operands)
        elif e.operation == "mul":
            stack.extend(x for x in e.operands if not _is_scale(x))
            if sum(not _is_scale(x) for x in e.operands) != 1:
                return None
        else:
            return None
    width = min(map(len, found))
    return tuple(dict.fromkeys(indices[:width] for indices in found))


def _is_scale(x: Operand) -> bool:
    """A number, or one for the whole step."""
    return not isinstance(x, Name) or (x.shape == () and not x.per_sample)


def in_rows(
    old: np.ndarray, new: np.ndarray, lists: Lists, values: Mapping[Any, Any], sizes: Sizes
) -> np.ndarray:
    """The old values, with the new ones in the rows that lists of indices name.

    values: of the block's names, a mini-batch's; beyond the ends of ragged lists they do not count
    """
    result = old.copy()
    for indices in lists:
        rank = max(len(getattr(x, "shape", ())) for x in indices)
        where, inside = [], np.ones((), bool)
        for x in indices:
            value = np.asarray(values[x] if isinstance(x, Name) else int(x))
            mask = np.ones(value.shape, bool)
            if isinstance(x, Name) and x.per_sample:
                shape = (len(value), *(1,) * (rank - len(x.shape)), *value.shape[1:])
                mask = np.reshape(sizes.masked(x, mask), shape)
                value = value.reshape(shape)
            where.append(value)
            inside = inside & mask
        at = tuple(np.broadcast_to(i, np.shape(inside))[inside] for i in where)
        result[at] = new[at]
    return result
