"""Which thread touches which elements of a buffer, when several work through one kernel.

Threads share an axis in contiguous stretches, and how is decided by its extent alone.  So two
statements that share the same axis of a buffer give each of its elements to the same thread, and
need no barrier between them:

    for j in my share:  h[b, j] = sigmoid(z[b, j])    both belong to the thread of j
    for j in my share:  g[b, j] = h[b, j] * d[b, j]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from symgrad.lower import index as ix
from symgrad.lower.expressions import At, accesses
from symgrad.lower.index import Index
from symgrad.lower.kernel import (
    THREAD,
    Alone,
    Axis,
    Barrier,
    Buffer,
    Call,
    Collect,
    Comment,
    Counter,
    Distinct,
    Loop,
    Matrix,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
    targets,
)  # fmt: skip

Size = int | None  # of an axis; None for the samples of the mini-batch


@dataclass(frozen=True, eq=False, slots=True)
class Stretch:
    """A thread's share of an axis whose elements are `step` elements apart in memory.

    extent: of the axis that is shared, None for the samples; shift: where its first element is.
    Equal ones are one object, made by `stretch`: the search for the best way compares them often.

    >>> stretch(32, None) is stretch(32, None, ix.ZERO)
    True
    """

    step: int
    extent: Size
    shift: Index = ix.ZERO


def stretch(step: int, extent: Size, shift: Index = ix.ZERO) -> Stretch:
    """The stretch of this axis."""
    return _known(step, extent, shift)


_known = cache(Stretch)


EVERY, FIRST, OWN = "all threads", "thread 0", "each thread its own"
Owner = Stretch | str


@dataclass(frozen=True, slots=True)
class Touch:
    """A statement reads or writes elements of a buffer: those of one owner."""

    buffer: Buffer
    owner: Owner
    written: bool = False


def conflict(a: Touch, b: Touch) -> bool:
    """Whether one thread may write what another touches.

    >>> memory = Buffer("scratch", "", (8,), "float64")
    >>> mine, all_ = Touch(memory, stretch(1, 8), True), Touch(memory, EVERY)
    >>> conflict(mine, mine), conflict(mine, all_), conflict(all_, all_)
    (False, True, False)
    """
    same = a.owner == b.owner and a.owner != EVERY
    return a.buffer is b.buffer and (a.written or b.written) and not same


def touches(s: Statement, batch: int, axis: Axis | None = None) -> Iterator[Touch]:
    """What a statement touches in memory; axis: the one that is shared around it."""
    if isinstance(s, Alone):
        for t in s.body:
            for touch in touches(t, batch):
                yield Touch(touch.buffer, FIRST, touch.written)
    elif isinstance(s, Loop):
        yield from _reads(s, axis)
        inner = s.axis if s.shared else axis
        for t in s.body:
            yield from touches(t, batch, inner)
    elif isinstance(s, Product):
        yield from _product(s, batch, axis)
    elif isinstance(s, Call):
        yield from (Touch(b.home, EVERY) for b, _ in accesses(s))
        yield from (Touch(b.home, EVERY, written=True) for b in (s.buffer, s.work))
    elif isinstance(s, Collect):
        step = ix.strides(s.buffer.shape)[0]
        yield Touch(s.data.home, EVERY)
        whole = stretch(step, None) if s.shared else EVERY
        yield Touch(s.buffer.home, OWN if s.place.terms else whole, True)
    elif isinstance(s, Distinct):
        yield from _reads(s, axis)
        yield from (Touch(b.home, EVERY, written=True) for b in targets(s) if not b.is_local)
    elif not isinstance(s, Comment | Barrier | Prefetch):
        yield from _reads(s, axis)
        if not s.buffer.is_local:
            yield Touch(s.buffer.home, owner(s.buffer, s.index, axis), True)


def _reads(s: Store | Update | Distinct | Loop, axis: Axis | None) -> Iterator[Touch]:
    for buffer, index in accesses(s):
        if not buffer.is_local and index is not None:
            yield Touch(buffer.home, owner(buffer, index, axis))


def owner(buffer: Buffer, index: At, axis: Axis | None) -> Owner:
    """Whose element this is, where the axis is shared.

    >>> a, memory = Axis(8, 8, 0), Buffer("scratch", "", (8, 3), "float64")
    >>> owner(memory, (ix.of(a), ix.ZERO), a)
    Stretch(step=3, extent=8, shift=Index(constant=0, terms=()))
    """
    if index and index[0] == ix.of(THREAD):
        return OWN
    if axis is None:
        return EVERY
    shape = buffer.shape if len(index) == len(buffer.shape) else (1, *buffer.shape)
    for i, step in zip(index, ix.strides(shape), strict=True):
        found = _along(i, step, 1, axis)
        if found:
            return found
    return EVERY


def _along(index: Index, step: int, span: int, axis: Axis) -> Stretch | None:
    """The stretch in which an index moves with the axis; span: elements touched from there on."""
    factor = dict(index.terms).get(axis, 0)
    if not factor:
        return None
    rest = ix.linear([(index, 1), (ix.of(axis), -factor)])
    if axis.step > 1:
        return _of_tile(factor, rest, step, axis)
    if factor == 1 and span == 1 and all(_common(a) for a, _ in rest.terms):
        return stretch(step, axis.extent, rest)
    inside = all(isinstance(a, Axis) and a is not axis for a, _ in rest.terms)
    if factor > 1 and inside and rest.lower >= 0 and rest.bound + span <= factor:
        return stretch(step * factor, axis.extent)  # the block of `factor` elements of each one
    return None


def _of_tile(factor: int, rest: Index, step: int, axis: Axis) -> Stretch | None:
    """The samples or rows of a tile: one each, or rows of so many elements of a matrix."""
    if factor == 1:
        beside = [(a, k) for a, k in rest.terms if not _is_within(a, k, axis)]
        if all(_common(a) for a, _ in beside):
            return stretch(step, axis.extent, Index(rest.constant, tuple(beside)))
    elif factor > 1 and not rest.terms and rest.constant < factor:
        return stretch(factor, axis.extent)
    return None


def _is_within(atom: object, factor: int, tile: Axis) -> bool:
    """Whether an atom of an index counts a tile's samples or rows."""
    return isinstance(atom, Axis) and factor == 1 and atom.limit <= tile.step


def _common(atom: object) -> bool:
    """Whether an atom of an index is one number for all threads."""
    return isinstance(atom, Counter) and atom != THREAD


# ---- products


def _product(s: Product, batch: int, axis: Axis | None) -> Iterator[Touch]:
    for buffer, _ in accesses(s)[2:]:  # in its factors and offsets
        if not buffer.is_local:
            yield Touch(buffer.home, EVERY)
    m, n, k = s.sizes
    for matrix, rows, columns in ((s.a, m, k), (s.b, k, n), (s.c, m, n)):
        found = _matrix(s, matrix, (rows, columns), batch, axis)
        yield Touch(matrix.buffer.home, found, written=matrix is s.c)


def _shared_side(s: Product, matrix: Matrix) -> str:
    """Whether threads share the rows or the columns of a matrix, as op() shows them."""
    if s.shared == "m":
        return "" if matrix is s.b else "rows"
    if s.shared == "n":
        return "" if matrix is s.a else "columns"
    if s.shared == "k":
        return {s.a: "columns", s.b: "rows"}.get(matrix, "")
    return ""


def _matrix(
    s: Product, m: Matrix, sizes: tuple[Size, Size], batch: int, axis: Axis | None
) -> Owner:
    (rows, columns), side = sizes, _shared_side(s, m)
    if m.offset.terms and m.offset.terms[0][0] == THREAD:
        return OWN
    if m.transposed:  # as it lies in memory
        rows, columns = columns, rows
        side = {"rows": "columns", "columns": "rows", "": ""}[side]
    down, across = (s.longest(batch) if e is None else e for e in (rows, columns))
    if side:
        extent = rows if side == "rows" else columns
        return _side(m, extent, side, across, s.rows if extent is None else 1)
    if axis is None:
        return EVERY
    return _along(m.offset, 1, max((down - 1) * m.leading + across, 2), axis) or EVERY


def _side(m: Matrix, extent: Size, side: str, across: int, many: int) -> Owner:
    """many: rows or columns for each element of the axis that is shared"""
    row, column = divmod(m.offset.constant, m.leading)
    first = row if side == "rows" else column
    if m.offset.terms or column + across > m.leading or first % many:
        return EVERY
    return stretch((m.leading if side == "rows" else 1) * many, extent, ix.constant(first // many))
