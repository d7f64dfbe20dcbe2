"""How far the results of a loop body wait for each other."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.generate.size import size_of
from symgrad.lower.kernel import Apply, Buffer, Expression, Load, Statement, Store, Update


def side_by_side(body: Sequence[Statement]) -> float:
    """How many operations need no other's result, on average: all, over those in the longest chain.

    A body of 2 n operations, of which n make a chain, has 2.
    """
    depth: dict[Buffer, int] = {}

    def depth_of(x: Expression) -> int:
        if isinstance(x, Load):
            return depth.get(x.buffer.home, 0)
        return 1 + max(map(depth_of, x.operands), default=0) if isinstance(x, Apply) else 0

    longest = 1
    for s in body:
        if isinstance(s, Store | Update):
            found = depth_of(s.value)
            longest = max(longest, found)
            if isinstance(s, Store):
                depth[s.buffer.home] = found
    return size_of(body) / longest
