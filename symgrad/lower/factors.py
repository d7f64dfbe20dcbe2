"""Matrices are factorised once for all that is computed from their factors.

    solve(K, y), logdet(K), solve(K.T, g)   ->   F = factors(K)
                                                 solve(F, y), logdet(F), solve(F, g, transposed)

The factors of a matrix that stays the same for the whole run are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symgrad.lower import calls
from symgrad.lower.nodes import Node

if TYPE_CHECKING:
    from symgrad.lower.normalize import Normalizer


def factorised(s: Normalizer, operands: Sequence[Node]) -> tuple[list[Node], bool]:
    """The operands of a routine with factors in place of the first one, a matrix; whether those are
    of its transpose."""
    matrix, *rest = operands
    base = matrix
    if matrix.operation == "transpose" and _swaps_rows_and_columns(matrix):
        base = matrix.operands[0]
    found = s.factors.get(base)
    if found is None:
        a = calls.readable(s, base)
        n = a.shape[-1]
        extents = (*a.extents[:-2], n + 2, n)
        found = s.make(calls.FACTORS, [a], extents, lead=a.lead, label=a.label)
        found.wide = False
        s.factors[base] = found
    return [found, *rest], base is not matrix


def _swaps_rows_and_columns(x: Node) -> bool:
    *stack, i, j = range(x.rank)
    return x.attributes["axes"] == (*stack, j, i)
