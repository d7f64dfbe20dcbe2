"""Short loops of a length that is no multiple of a vector's are printed in pieces that are.

    for i in range(20): ...    becomes    for i in range(16): ...
                                          for i in range(16, 20): ...

LLVM makes vector operations of each piece.  Of the loop as it stands it makes one and four turns of
scalars, or, when it is unrolled first, whatever vectors can be put together again (22 instead of 13
ns a sample in matrix factorisation).
"""

from __future__ import annotations

import itertools

from symgrad.lower.kernel import ITEM_BYTES, Loop, Store, Update

VECTOR = 64  # bytes; where vectors are shorter, a piece is a few of them
LEAST = 4  # elements of a vector that is worth a piece
LONG = 8  # whole vectors after which the rest does not matter; with none the loop is as good
MOST = 8  # statements that are printed several times


def pieces(s: Loop, dtype: str) -> list[tuple[int, int]]:
    """The first and last + 1 of each piece of a loop over elements of a dtype."""
    extent = s.axis.extent
    plain = all(isinstance(t, Store | Update) for t in s.body) and len(s.body) <= MOST
    if extent is None or s.bounds or s.shared or s.axis.step > 1 or not plain:
        return []
    return _cut(extent, VECTOR // ITEM_BYTES[dtype])


def _cut(extent: int, width: int) -> list[tuple[int, int]]:
    """Whole vectors, then halves, quarters ... of one, then what is left.

    >>> _cut(20, 16), _cut(109, 16), _cut(32, 16), _cut(3, 16)
    ([(0, 16), (16, 20)], [(0, 96), (96, 104), (104, 108), (108, 109)], [], [])
    """
    if not 1 <= extent // width <= LONG:
        return []
    ends = [0]
    while width >= LEAST:
        ends.append(extent // width * width)
        width //= 2
    ends = list(dict.fromkeys([*ends, extent]))
    return list(itertools.pairwise(ends)) if len(ends) > 2 else []
