"""Divisions of a part in front of all else: the divider is busy while the rest is computed.

z = c*a - s*b;  r = 1/z;  u = x*r           z = c*a - s*b;  r = 1/z
...                                  ->     t = s*a + c*b;  q = 1/t
t = s*a + c*b;  q = 1/t;  v = x*q           u = x*r  ...  v = x*q
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.generate.ir_late import is_arithmetic
from symgrad.generate.ir_locals import uses
from symgrad.generate.powers import is_inverse
from symgrad.lower.expressions import accesses, walk
from symgrad.lower.kernel import Apply, Buffer, Statement, Store, targets


def divided_first(piece: Sequence[Statement]) -> list[Statement]:
    """The statements, those first that divide, with what they need."""
    once = {home for home, use in uses(piece).items() if len(use.stores) == 1 and not use.updates}
    changed = {b.home for s in piece for b in targets(s)} - once
    free = {
        s.buffer.home: k
        for k, s in enumerate(piece)
        if isinstance(s, Store) and s.buffer.home in once and is_arithmetic(s, changed)
    }
    first: set[int] = set()
    for k in free.values():
        if _divides(piece[k]):
            first |= _needed(piece, k, free)
    order = sorted(range(len(piece)), key=lambda k: (k not in first, k))
    return [piece[k] for k in order]


def _divides(s: Statement) -> bool:
    assert isinstance(s, Store)
    return any(isinstance(x, Apply) and is_inverse(x) for x in walk([s.value]))


def _needed(piece: Sequence[Statement], k: int, free: Mapping[Buffer, int]) -> set[int]:
    """A statement and all of the piece that it needs; nothing where some of that has to stay."""
    made = {b.home for s in piece for b in targets(s)}
    found: set[int] = set()
    stack = [k]
    while stack:
        k = stack.pop()
        if k in found:
            continue
        found.add(k)
        for b, _ in accesses(piece[k]):
            if b.home in free:
                stack.append(free[b.home])
            elif b.home in made:
                return set()
    return found
