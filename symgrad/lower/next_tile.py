"""The first data of the next tile are asked for before a tile is worked off.

    for tile in range(0, n, 1024):
        prefetch(x[tile + 1024]) ...
        for b in range(1024): ... x[tile + b] ...

A tile ends with its sums, so that nothing of the next is under way; often a page ends with it, too,
beyond which processors do not look ahead.  They would wait for the first lines of each tile; those
that follow they foresee (0.91 of the time of a curve through a million points).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from symgrad.lower import index as ix
from symgrad.lower.costs import COST
from symgrad.lower.expressions import roots, walk
from symgrad.lower.kernel import (
    AT,
    ITEM_BYTES,
    Apply,
    Buffer,
    Load,
    Loop,
    Prefetch,
    Product,
    Statement,
    statements,
)

LINE = 64  # bytes
LINES = 2  # of each array
MOST_ARRAYS = 4  # more keep a processor's own look-ahead busy, and their samples the processor
# Additions for a sample: with fewer all is about memory, and it is asked for fast enough; with more
# a tile takes so long that the wait is nothing.
LEAST_WORK, MOST_WORK = 20, 100


def next_asked_for(section: Sequence[Statement]) -> list[Statement]:
    """The section, where loops over tiles do so."""
    return [_asking(s) if isinstance(s, Loop) and s.axis.step > 1 else s for s in section]


def _asking(s: Loop) -> Loop:
    body = list(statements(s.body))
    if any(isinstance(t, Product) for t in body) or not LEAST_WORK <= _work(body) <= MOST_WORK:
        return s
    arrays = [b for b in _data(body) if _row(b) * ITEM_BYTES[b.dtype] < LINE]
    if len(arrays) > MOST_ARRAYS:
        return s
    count, *rest = s.body
    return s.over((count, *(p for b in arrays for p in _requests(b, s)), *rest))


def _requests(b: Buffer, s: Loop) -> list[Prefetch]:
    row, line = _row(b), LINE // ITEM_BYTES[b.dtype]
    here = [(ix.of(AT), row), (ix.of(s.axis), row)]
    return [Prefetch(b, ix.linear(here, s.axis.step * row + k * line)) for k in range(LINES)]


def _row(b: Buffer) -> int:
    """Elements of a sample."""
    return math.prod(b.shape)


def _data(body: Iterable[Statement]) -> list[Buffer]:
    """The data that statements read at a sample's place."""
    parts = walk(x for s in body for x in roots(s))
    found = (x.buffer for x in parts if isinstance(x, Load) and len(x.index) > len(x.buffer.shape))
    return [b for b in dict.fromkeys(found) if b.role == "data"]


def _work(body: Iterable[Statement]) -> int:
    made = walk(x for s in body for x in roots(s))
    return sum(COST.get(x.operation, 1) for x in made if isinstance(x, Apply))
