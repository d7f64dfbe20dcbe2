"""The ways in which threads may work off a statement: alone, each all of it, or each its share.

A loop is shared over one of its axes.  What it writes then belongs, element by element, to the
thread whose share the axis' value is in; or to memory that each thread has for itself:

    sums over the axis      each thread adds up its own part, and all parts are added afterwards,
                            in the order of the threads
    memory of an iteration  a copy for each thread
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from symgrad.lower import index as ix
from symgrad.lower.expressions import (
    At,
    Rewriting,
    accesses,
)
from symgrad.lower.kernel import (
    ITEM_BYTES,
    THREAD,
    Alone,
    Apply,
    Axis,
    Buffer,
    Call,
    Collect,
    Counter,
    Distinct,
    Expression,
    Load,
    Loop,
    Matrix,
    Number,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
    Whole,
    statements,
)  # fmt: skip
from symgrad.lower.owners import EVERY, Touch, touches
from symgrad.lower.tasks import start_of
from symgrad.lower.thread_costs import padded
from symgrad.lower.tiling import in_tile

MINE = ix.of(THREAD)
FEWEST = 2  # elements of an axis for each thread, for it to be shared
LONG = 64  # elements for each thread from which it pays to share the addition of parts
APART = 4096  # bytes between parts: what one thread's core fetches ahead is no other thread's


@dataclass(frozen=True, eq=False)
class Way:
    """One way: its name, and statements in pieces, each behind a barrier where data ask for it."""

    name: str
    pieces: tuple[tuple[Statement, ...], ...]


@dataclass(frozen=True)
class Surroundings:
    """What is known around a statement.

    threads, batch: how many; used: local variables that others read, or that outlive the run
    private: memory that no other statement touches; starts: local variable -> the number it holds
    """

    threads: int
    batch: int
    used: frozenset[Buffer]
    private: frozenset[Buffer]
    starts: Mapping[Buffer, Number]


def ways(s: Statement, around: Surroundings) -> list[Way]:
    """The ways of a statement, the plainest first."""
    if isinstance(s, Loop):
        found = [_plain(s, around)]
        axes = {t.axis: None for t in statements((s,)) if isinstance(t, Loop) and not t.bounds}
        return found + [way for a in axes if (way := _Shared(s, a, around).way())]
    if isinstance(s, Product):
        shares = [replace(s, shared=side) for side, size in zip("mn", s.sizes, strict=False)
                  if _large(size, around)]  # fmt: skip
        return [Way("alone", ((Alone((s,)),),)),
                *(Way(f"share of {p.shared}", ((p,),)) for p in shares),
                *([_of_own_terms(s, around)] if _is_over_tokens(s, around) else [])]  # fmt: skip
    if isinstance(s, Collect):
        return [Way("share of samples", ((replace(s, shared=True),),))]
    if isinstance(s, Call | Distinct) or (isinstance(s, Store | Update) and not s.buffer.is_local):
        return [Way("alone", ((Alone((s,)),),))]
    return [Way("all", ((s,),))]


def _large(size: int | None, around: Surroundings) -> bool:
    return (around.batch if size is None else size) >= FEWEST * around.threads


def local_writes(s: Statement) -> dict[Buffer, None]:
    """The local variables that a statement sets."""
    return {
        t.buffer.home: None
        for t in statements((s,))
        if isinstance(t, Store | Update | Distinct) and t.buffer.is_local
    }


def _working(s: Statement) -> Iterator[Statement]:
    """The statements inside that read something themselves."""
    kinds = (Loop, Store, Update, Product, Call, Collect, Distinct, Prefetch)
    return (t for t in statements((s,)) if isinstance(t, kinds))


def local_reads(s: Statement) -> dict[Buffer, None]:
    """The local variables that a statement reads, those included that it adds to."""
    found: dict[Buffer, None] = {}
    for t in _working(s):
        found.update((b.home, None) for b, _ in accesses(t) if b.is_local)
        if isinstance(t, Update) and t.buffer.is_local:
            found[t.buffer.home] = None
    return found


def _plain(s: Loop, around: Surroundings) -> Way:
    """By all threads where only local variables change, else by thread 0, which tells them."""
    if not any(t.written for t in touches(s, around.batch)):
        return Way("all", ((s,),))
    told = [b for b in local_writes(s) if b in around.used]
    cells = {b: Buffer("scratch", "", (padded(1, b.dtype),), b.dtype) for b in told}
    tell = [Store(cell, (ix.ZERO,), Load(b, (), b.dtype)) for b, cell in cells.items()]
    hear = [Store(b, (), Load(cell, (ix.ZERO,), b.dtype)) for b, cell in cells.items()]
    return Way("alone", ((Alone((s, *tell)),), *((tuple(hear),) if hear else ())))


# ---- a loop shared over one of its axes


class _Shared:
    """Makes the way in which the threads share one axis of a loop, if there is one."""

    def __init__(self, loop: Loop, axis: Axis, around: Surroundings) -> None:
        self.axis, self.around = axis, around
        self.loop = _ending(_marked(loop, axis))
        self.outermost = loop.axis is axis
        self.before: list[Statement] = []
        self.after: list[Statement] = []
        self.apart: dict[Buffer, Buffer] = {}  # memory -> what has a part for each thread
        self.sums: list[Statement] = []

    def way(self) -> Way | None:
        if not _large(self.axis.extent, self.around) or self._for_all():
            return None
        if not (self._memory_fits() and self._locals_fit()):
            return None
        loop = _Apart(self.apart).statement(self.loop) if self.apart else self.loop
        pieces = [(*self.before, loop, *self.after)]
        if self.sums:
            pieces.append(tuple(self.sums))
        extent = "samples" if self.axis.extent is None else f"an axis of {self.axis.extent}"
        return Way(f"share of {extent}", tuple(pieces))

    def _for_all(self) -> bool:
        """Whether a library is called, distinct rows are looked for or rows are collected for all
        threads; a tile's rows are collected for one."""
        kinds = (Call, Distinct, *((Collect,) if self.axis.step == 1 else ()))
        return any(isinstance(s, kinds) for s in statements((self.loop,)))

    def _memory_fits(self) -> bool:
        """Give what threads would write together a part for each, where that can be."""
        found: dict[Buffer, list[Touch]] = {}
        for t in touches(self.loop, self.around.batch):
            found.setdefault(t.buffer, []).append(t)
        for buffer, touched in found.items():
            owners = {t.owner for t in touched}
            clear = len(owners) == 1 and EVERY not in owners
            if clear or not any(t.written for t in touched):
                continue
            if not self.outermost:
                return False
            if buffer in self.around.private:
                self.apart[buffer] = _parts(buffer, self.around.threads)
            elif not self._adds_up(buffer, touched):
                return False
        return True

    def _adds_up(self, buffer: Buffer, touched: list[Touch]) -> bool:
        """Make parts of a sum over the axis, unless something else happens to its memory."""
        combine = _combines(self.loop).get(buffer)
        if combine is None or any(not t.written for t in touched) or buffer.role == "output":
            return False
        parts = self.apart[buffer] = _parts(buffer, self.around.threads)
        start = Number(start_of(combine, buffer.dtype), buffer.dtype)
        size = (math.prod(buffer.shape),)
        self.before.append(_over(size, lambda at: Store(parts, (MINE, ix.flat(at, size)), start)))
        self.sums.append(_added_up(buffer, parts, combine, lambda old: [old]))
        return True

    def _locals_fit(self) -> bool:
        """Local variables that differ between threads may not leave their loops, but as sums."""
        found = (b for loop in _shared_loops(self.loop) for b in local_writes(loop))
        differing = dict.fromkeys(found)  # in their order: the same code in every process
        if not self.outermost and differing.keys() & set(_reads_outside(self.loop)):
            return False
        used = [b for b in differing if b in self.around.used]
        if not used or not self.outermost:
            return not used
        combines = _combines(self.loop)
        read = {b.home for t in _working(self.loop) for b, _ in accesses(t)}
        return all(b not in read and self._sum_of(b, combines.get(b)) for b in used)

    def _sum_of(self, local: Buffer, combine: str | None) -> bool:
        known = self.around.starts.get(local)
        if combine is None or known is None:
            return False
        if known.value != start_of(combine, local.dtype):
            return False
        parts = _parts(local, self.around.threads)
        self.after.append(Store(parts, (MINE, ix.ZERO), Load(local, (), local.dtype)))
        total = Apply(combine, tuple(_of_all(parts, ix.ZERO)), local.dtype)
        self.sums.append(Store(local, (), total))
        return True


def _parts(buffer: Buffer, threads: int) -> Buffer:
    """Memory like it for each thread."""
    gap = APART // ITEM_BYTES[buffer.dtype] if buffer.shape else 0
    size = padded(math.prod(buffer.shape) + gap, buffer.dtype)
    return Buffer("scratch", buffer.label, (threads, size), buffer.dtype)


def _of_all(parts: Buffer, at: ix.Index) -> list[Expression]:
    return [Load(parts, (ix.constant(t), at), parts.dtype) for t in range(parts.shape[0])]


def _added_up(
    buffer: Buffer, parts: Buffer, combine: str, kept: Callable[[Expression], list[Expression]]
) -> Statement:
    """What is kept of the old elements with all parts: shared where that is long, else alone."""

    def total(at: At) -> Statement:
        old = kept(Load(buffer, at, buffer.dtype))
        terms = *old, *_of_all(parts, ix.flat(at, buffer.shape))
        return Store(buffer, at, Apply(combine, terms, buffer.dtype))

    s, threads = _over(buffer.shape, total), parts.shape[0]
    loops = [t for t in statements((s,)) if isinstance(t, Loop)]
    longest = max(loops, key=lambda t: t.axis.limit, default=None)
    if longest is None or longest.axis.limit < LONG * threads:
        return Alone((s,))
    return _marked(s, longest.axis)


# ---- a product whose terms are shared


def _is_over_tokens(s: Product, around: Surroundings) -> bool:
    """Whether a product adds up what many samples have several rows of, to the whole of c."""
    m, n, k = s.sizes
    if k is not None or m is None or n is None or s.rows == 1:
        return False
    whole = s.c.offset == ix.ZERO and m * n == math.prod(s.c.buffer.shape)
    return whole and s.samples is None and _large(k, around)


def _of_own_terms(s: Product, around: Surroundings) -> Way:
    """Each thread adds up the terms of its samples, which it has made; then the parts are added."""
    c = s.c.buffer
    parts, n = _parts(c, around.threads), s.sizes[1]
    assert n is not None
    place = ix.linear([(MINE, parts.shape[1])])
    own = replace(s, c=Matrix(parts, place, False, n), beta=Number(0.0, c.dtype), shared="k")

    def kept(old: Expression) -> list[Expression]:
        if not isinstance(s.beta, Number):
            return [Apply("mul", (s.beta, old), c.dtype)]
        return [old] if s.beta.value else []

    return Way("share of samples", ((own,), (_added_up(c, parts, "add", kept),)))


def _marked(s: Statement, axis: Axis) -> Loop:
    """The loop with those over the axis shared."""

    def mark(s: Statement) -> Statement:
        if not isinstance(s, Loop):
            return s
        return replace(s.over(map(mark, s.body)), shared=s.axis is axis)

    return mark(s)  # type: ignore[return-value]


def _ending(loop: Loop) -> Loop:
    """A loop over tiles of samples, the last of which ends with the thread's share."""
    if loop.axis.step == 1 or loop.axis.extent is not None or not loop.shared:
        return loop
    count, *body = loop.body
    assert isinstance(count, Store)
    end = Whole(ix.of(Counter("end_n")))
    return loop.over([Store(count.buffer, (), in_tile(loop.axis, end)), *body])


def _shared_loops(loop: Loop) -> Iterator[Loop]:
    return (s for s in statements((loop,)) if isinstance(s, Loop) and s.shared)


def _reads_outside(s: Loop) -> Iterator[Buffer]:
    """The local variables that are read outside of the shared loops inside."""
    for t in s.body:
        if isinstance(t, Loop) and not t.shared:
            yield from (b.home for b, _ in accesses(t))
            yield from _reads_outside(t)
        elif not isinstance(t, Loop):
            yield from local_reads(t)


def _combines(loop: Loop) -> dict[Buffer, str | None]:
    """How each buffer is added to, None where it is written in another way."""
    found: dict[Buffer, set[str | None]] = {}
    for s in statements((loop,)):
        target = s.c.buffer if isinstance(s, Product) else getattr(s, "buffer", None)
        if target is not None:
            how = s.combine if isinstance(s, Update) else _added(s)
            found.setdefault(target.home, set()).add(how)
    return {b: ways.pop() if len(ways) == 1 else None for b, ways in found.items()}


def _added(s: Statement) -> str | None:
    """A product that is added to what is there."""
    plain = isinstance(s, Product) and isinstance(s.beta, Number) and s.beta.value == 1
    return "add" if plain else None


def _over(shape: Iterable[int], body: Callable[[At], Statement]) -> Statement:
    """A statement for every element of a shape."""
    axes: list[Axis] = []
    index: list[ix.Index] = []
    for size in shape:
        if size == 1:
            index.append(ix.ZERO)
        else:
            axes.append(Axis(size, size, len(axes)))
            index.append(ix.of(axes[-1]))
    s = body(tuple(index))
    for axis in reversed(axes):
        s = Loop(axis, (s,))
    return s


class _Apart:
    """Puts each thread's part in place of memory that would be written together."""

    def __init__(self, apart: Mapping[Buffer, Buffer]) -> None:
        self.apart = apart
        self.statement = Rewriting(self._place, done=self._whole).statement

    def _place(self, buffer: Buffer, index: At) -> tuple[Buffer, At]:
        parts = self.apart.get(buffer.home)
        return (parts, (MINE, ix.flat(index, buffer.shape))) if parts else (buffer, index)

    def _whole(self, s: Statement) -> Statement:
        """A statement that names memory as a whole."""
        if isinstance(s, Product):
            c, a, b = map(self._matrix, (s.c, s.a, s.b))
            return replace(s, c=c, a=a, b=b)
        if isinstance(s, Collect) and s.buffer in self.apart:
            parts = self.apart[s.buffer]
            return replace(s, buffer=parts, place=ix.linear([(MINE, parts.shape[1])]))
        return s

    def _matrix(self, m: Matrix) -> Matrix:
        parts = self.apart.get(m.buffer.home)
        if parts is None:
            return m
        offset = ix.linear([(MINE, parts.shape[1]), (m.offset, 1)])
        return replace(m, buffer=parts, offset=offset)
