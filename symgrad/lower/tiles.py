"""Large mini-batches are worked off in tiles of samples, whose intermediate values stay in caches.

    h = tanh(X @ W)                 for tile in range(0, n, 256):
    y = h @ V                 ->        h = tanh(X[tile:] @ W)     h, y: of one tile's samples
    total = sum of y over samples       y = h @ V
                                        total += sum of y over the tile's samples

What a tile computes belongs to its samples alone, or is added to totals.  What needs a total over
all samples waits for it: then the next run over the tiles begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.lower import index as ix
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import (
    Apply,
    Axis,
    Collect,
    Comment,
    Load,
    Loop,
    Number,
    Product,
    Statement,
    Store,
    statements,
)
from symgrad.lower.narrow_sums import MOST, is_wide
from symgrad.lower.phases import Part, Phase, parts_of, phases
from symgrad.lower.sums import NotInPlace
from symgrad.lower.tiling import Tile

TILE_BYTES = 96 * 1024  # what the samples of a tile may take: the first-level cache and some more
APART = 1 / 32  # of the samples may be left over rather than that a tile has twice as many
LEAST, STEP = 64, 16  # samples of a tile: fewer are not worth it; a multiple of what
MOST_STATEMENTS = 400  # of a section; larger ones keep samples in vector lanes, and tile for sums


def tiled(section: list[Statement], others: list[list[Statement]], batch: int) -> list[Statement]:
    """The section with its work on samples in tiles, where that pays.

    others: the sections that may touch the same memory.  Raises NotInPlace for a parameter whose
    new value must not be made in its memory, because later tiles still read it.
    """
    if batch < 2 * LEAST:
        return section
    large = sum(1 for _ in statements(tuple(section))) > MOST_STATEMENTS
    parts = parts_of(section, batch)
    elsewhere = {b.home for other in others for s in statements(tuple(other))
                 if not isinstance(s, Comment) for b, _ in accesses(s)}  # fmt: skip
    everything = Phase([], [p for p in parts if p.samplewise])
    if _size(everything, batch) is None or (large and everything.bytes(batch)[0]):
        return section
    _check_in_place(everything.samplewise)
    found = phases(parts)
    out: list[Statement] = []
    for phase in found:
        size = _size(phase, batch)
        others_touch = elsewhere.union(*(p.homes for p in parts if p not in phase.samplewise))
        before = [s for p in phase.before for s in p.statements]
        out.extend(before)
        if size is None:
            out.extend(s for p in phase.samplewise for s in p.statements)
        else:
            out.extend(_tile_loop(phase.samplewise, size, batch, others_touch))
    return out


def _size(phase: Phase, batch: int) -> int | None:
    """How many samples a tile has; None where tiles do not pay.

    Parameters are read again for every tile, so its samples should take as much memory.
    """
    sample, fixed = phase.bytes(batch)
    if sample and len(phase.samplewise) > 1:
        size = max(TILE_BYTES // sample, -(-fixed // sample), LEAST)
        return _even(size, batch) if batch >= 2 * size else None
    sums = any(is_wide(t) for p in phase.samplewise for t in statements((p.statement,)))
    return MOST if sums and batch > MOST else None


def _even(size: int, batch: int) -> int:
    """About so many samples, such that few are left for the last tile, whose products are slower.

    >>> _even(112, 4096), _even(272, 1024), _even(112, 10_000)
    (128, 256, 112)
    """
    near = range(max(size * 2 // 3, LEAST) // STEP * STEP, size * 4 // 3 + 1, STEP)
    return min(near, key=lambda s: batch % s / batch + APART * abs(s - size) / size)


def _check_in_place(parts: Sequence[Part]) -> None:
    """A product is not added to a parameter that other tiles still have to read."""
    read = {home for p in parts for home in p.reads}
    for p in parts:
        s = p.statement
        if isinstance(s, Product) and s.c.buffer.storage in read:
            raise NotInPlace(s.c.buffer.home)


def _tile_loop(parts: Sequence[Part], size: int, batch: int, elsewhere: set) -> list[Statement]:
    tile = Tile(size, batch, {b for p in parts for b in p.sample_buffers(batch) - elsewhere})
    before: list[Statement] = []
    body: list[Statement] = [tile.count]
    for part in parts:
        s = part.statement
        body.extend(part.comments)
        if isinstance(s, Product) and s.sizes[2] is None:
            before.extend(_begun(s))
            body.append(tile.product(s, Number(1, s.c.buffer.dtype)))
        elif isinstance(s, Product):
            body.append(tile.product(s, s.beta))
        elif isinstance(s, Collect):
            body.append(tile.collect(s))
        else:
            assert isinstance(s, Loop)
            body.append(tile.loop(s))
    return [*before, Loop(tile.axis, tuple(body))]


def _begun(s: Product) -> list[Statement]:
    """What stands in memory before the first tile adds to it."""
    if isinstance(s.beta, Number) and s.beta.value == 1:
        return []
    buffer = s.c.buffer
    axes = [Axis(e, e, i) for i, e in enumerate(buffer.shape)]
    index = tuple(ix.of(a) if a.extent != 1 else ix.ZERO for a in axes)
    old = Load(buffer, index, buffer.dtype)
    is_zero = isinstance(s.beta, Number) and s.beta.value == 0
    value = Number(0.0, buffer.dtype) if is_zero else Apply("mul", (s.beta, old), buffer.dtype)
    body: Statement = Store(buffer, index, value)
    for a in reversed(axes):
        body = Loop(a, (body,)) if a.extent != 1 else body
    return [body]
