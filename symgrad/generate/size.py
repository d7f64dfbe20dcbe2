"""How large statements are, in operations: what decides between numba source and assembly."""

from __future__ import annotations

from collections.abc import Iterable

from symgrad.lower.expressions import roots, walk
from symgrad.lower.kernel import Apply, Load, Statement, statements


def size_of(body: Iterable[Statement]) -> int:
    """Operations and accesses to memory, each where it stands."""
    found = [x for s in statements(tuple(body)) for x in roots(s)]
    size = 0
    for x in walk(found):
        if isinstance(x, Apply):
            size += max(len(x.operands) - 1, 1)
        elif isinstance(x, Load) and not x.buffer.is_local:
            size += 1
    return size
