"""Values that later parts of a loop's body compute again, as that costs less than to keep them.

part 1:  s = 1.5*i;  r = x*s - u          x, i and u are kept anyway
part 2:  ... r ...                        s and r are computed from them once more
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgrad.generate.ir_locals import uses
from symgrad.generate.size import size_of
from symgrad.lower.expressions import walk
from symgrad.lower.kernel import Apply, Buffer, Expression, Load, Number, Statement, Store

PLAIN = frozenset({"add", "mul"})


def computed_again(
    pieces: Sequence[Sequence[Statement]], last: dict[Buffer, int], most: int
) -> dict[Buffer, Expression]:
    """Variable -> what it is; all that it is made of is used as long as the variable is.

    last: variable -> the piece that uses it last, which becomes later for operands
    most: operations, those for its operands included
    """
    stores = _single_stores(pieces)
    first = {home: k for home, (k, _) in stores.items()}
    found: dict[Buffer, Expression] = {}
    cost: dict[Buffer, int] = {}
    for home, (k, s) in stores.items():
        operands = _operands(s.value)
        if last.get(home, k) == k or operands is None:
            continue
        stays = all(b in found or b not in first or last.get(b, 0) > first[b] for b in operands)
        size = size_of([s]) + sum(cost[b] for b in operands if b in found)
        if stays and size <= most:
            found[home], cost[home] = s.value, size
            for b in _leaves(operands, found):
                last[b] = max(last[b], last[home])
    return found


def _single_stores(
    pieces: Sequence[Sequence[Statement]],
) -> dict[Buffer, tuple[int, Store]]:
    """Variables that are set once and for all, by their piece and statement."""
    once = {home for home, use in uses(s for p in pieces for s in p).items()
            if len(use.stores) == 1 and not use.updates}  # fmt: skip
    return {
        s.buffer.home: (k, s)
        for k, piece in enumerate(pieces)
        for s in piece
        if isinstance(s, Store) and s.buffer.is_local and s.buffer.home in once
    }


def _operands(x: Expression) -> list[Buffer] | None:
    """The variables in sums and products of variables and numbers; None for anything else."""
    found: list[Buffer] = []
    for y in walk([x]):
        if isinstance(y, Load) and y.buffer.is_local and y.dtype == x.dtype:
            found.append(y.buffer.home)
        elif not (isinstance(y, Number) or (isinstance(y, Apply) and y.operation in PLAIN)):
            return None
    return found


def _leaves(operands: Sequence[Buffer], found: Mapping[Buffer, Any]) -> set[Buffer]:
    """The operands that are kept, through those that are computed again."""
    leaves: set[Buffer] = set()
    for b in operands:
        leaves |= _leaves(_operands(found[b]) or (), found) if b in found else {b}
    return leaves
