"""Sums over samples in a long loop body: each term is added when it is there.

    r = x*s - u                         r = x*s - u;  loss += r*r
    ...                         ->      ...
    loss += r*r + q*q                   loss += q*q

What is added up waits for nothing then.  A long sum is made of partial sums.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from symgrad.lower.expressions import loads
from symgrad.lower.kernel import Apply, Buffer, Expression, Statement, Update, targets

TERMS = 2  # of a partial sum: those of more have to be kept from part to part


def early(body: Sequence[Statement], sums: Collection[Buffer]) -> list[Statement]:
    """The statements with the updates of these sums, which nobody reads meanwhile, in front."""
    made: dict[Buffer, int] = {}  # what statements change -> the last that does
    after: dict[int, list[Statement]] = defaultdict(list)
    for k, s in enumerate(body):
        if isinstance(s, Update) and s.buffer.home in sums:
            for at, t in _in_parts(s, made):
                after[at].append(t)
        else:
            after[k].insert(0, s)
            made.update((b.home, k) for b in targets(s))
    return [s for k in sorted(after) for s in after[k]]


def _in_parts(s: Update, made: Mapping[Buffer, int]) -> list[tuple[int, Statement]]:
    """The update, in several where the sum is long, each with the statement that it follows."""
    dtype = s.value.dtype
    terms = sorted((_ready(x, made), k, x) for k, x in enumerate(_terms(s.value)))
    if len(terms) <= TERMS or s.combine != "add":
        return [(terms[-1][0], s)]
    found: list[tuple[int, Statement]] = []
    for first in range(0, len(terms), TERMS):
        part = terms[first : first + TERMS]
        value = Apply("add", tuple(x for _, _, x in part), dtype) if len(part) > 1 else part[0][2]
        found.append((part[-1][0], Update(s.buffer, s.index, s.combine, value)))
    return found


def _terms(x: Expression) -> list[Expression]:
    if isinstance(x, Apply) and x.operation == "add":
        return [z for y in x.operands for z in _terms(y)]
    return [x]


def _ready(x: Expression, made: Mapping[Buffer, int]) -> int:
    """The last statement that x needs."""
    return max((made.get(v.buffer.home, -1) for v in loads(x)), default=-1)
