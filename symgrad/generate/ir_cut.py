"""Where a long loop body is cut into the parts that become functions.

Parts are so short that LLVM is quick, and that their sums and parameters stay in registers where
several vectors of samples are under way at a time.  A part ends where few of its values are read
later: each costs a store, and a load there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from symgrad.generate.ir_depth import side_by_side
from symgrad.generate.size import size_of
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Buffer, Comment, Statement, Store, Update

LARGEST = 400  # operations of a part
SUMS = 64  # of a part: LLVM takes each for memory that all others may change, in quadratic time
FEW = 32  # operations side by side that keep a processor busy
# Operations of a part where there are fewer: several vectors are under way at a time.  By the
# vector registers that there are.
SHORTER = {16: 40, 32: 100}
# Sums and values from before the loop that such a part reads: of more, some are loaded for every
# vector, which keeps the processor from having the next ones under way.
STEADY = 12
SHORTEST = 0.6  # of what a part may have, before it may end
ENDING = 3  # stores that the end of a part costs by itself


@dataclass(frozen=True)
class Limits:
    """What a part has at most: operations, and variables that the body does not set."""

    operations: int
    steady: float = math.inf

    def share(self, operations: int, steady: int) -> float:
        """How much of what it may have a part has; beyond 1 it has too much."""
        return max(operations / self.operations, steady / self.steady)


def waits(body: Sequence[Statement]) -> bool:
    """Whether so many results wait for each other that several vectors should be under way."""
    return side_by_side(body) < FEW


def cut(body: Sequence[Statement], registers: int) -> list[list[Statement]]:
    """The statements in pieces of no more operations than a part has.

    A piece ends where it has to keep few values for its size.
    """
    limits = Limits(min(LARGEST, SHORTER[registers]), STEADY) if waits(body) else Limits(LARGEST)
    last = {b: k for k, s in enumerate(body) for b in read_in([s])}
    given = last.keys() - {s.buffer.home for s in body if isinstance(s, Store)}
    pieces: list[list[Statement]] = []
    start = 0
    while start < len(body):
        end = _end(body, start, limits, last, given)
        pieces.append(list(body[start:end]))
        start = end
    return pieces


def _end(
    body: Sequence[Statement], start: int, limits: Limits, last: Mapping[Buffer, int],
    given: Set[Buffer],
) -> int:  # fmt: skip
    """Where the piece that begins at `start` ends.

    last: where variables are read last; given: those that the body does not set
    """
    size, sums, end, least = 0, 0, start, 0.0
    kept: set[Buffer] = set()
    steady: set[Buffer] = set()
    for k in range(start, len(body)):
        s = body[k]
        size += size_of([s])
        sums += isinstance(s, Update)
        read = read_in([s])
        steady |= read.keys() & given
        full = limits.share(size, len(steady))
        if (full > 1 or sums > SUMS) and k > start:
            return end
        kept.difference_update([b for b in read if last[b] == k])
        if isinstance(s, Store) and s.buffer.is_local and last.get(s.buffer.home, k) > k:
            kept.add(s.buffer.home)
        cost = (len(kept) + ENDING) / max(size, 1)
        if cost <= least or full < SHORTEST or end == start:
            least, end = cost, k + 1
    return len(body)


def read_in(piece: Sequence[Statement]) -> dict[Buffer, None]:
    """The variables that statements read, those that they add to included, in their order."""
    found: dict[Buffer, None] = {}
    for s in piece:
        if isinstance(s, Comment):
            continue
        for b, _ in accesses(s):
            if b.is_local and b.role != "batch_size":
                found[b.home] = None
        if isinstance(s, Update) and s.buffer.is_local:
            found[s.buffer.home] = None
    return found
