"""Which statements can be worked off tile by tile together, and what has to come between.

A statement works on samples one by one where it writes to the samples' own rows, or adds to totals.
Two of them share a phase unless one needs what the other has only when all samples are through.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from symgrad.lower import index as ix
from symgrad.lower.expressions import At, accesses
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Axis,
    Buffer,
    Call,
    Collect,
    Comment,
    Loop,
    Matrix,
    Product,
    Statement,
    Store,
    Update,
    remarked,
    statements,
    targets,
)


@dataclass(frozen=True, slots=True)
class Touch:
    """One use of a buffer.

    aligned: it is the row of the sample that is being worked on
    how:     read, store, or how an update combines
    """

    home: Buffer
    aligned: bool
    how: str


@dataclass(eq=False, slots=True)
class Part:
    """A statement of a section with the remarks in front of it."""

    statement: Statement
    comments: list[Statement] = field(default_factory=list)
    touches: dict[Buffer, set[Touch]] = field(default_factory=dict)  # by what they touch
    samplewise: bool = False

    @property
    def statements(self) -> list[Statement]:
        return [*self.comments, self.statement]

    @property
    def uses(self) -> Iterator[Touch]:
        return itertools.chain.from_iterable(self.touches.values())

    @property
    def homes(self) -> set[Buffer]:
        return set(self.touches)

    @property
    def reads(self) -> set[Buffer]:
        return {b for b, ways in self.touches.items() if any(t.how == "read" for t in ways)}

    def sample_buffers(self, batch: int) -> set[Buffer]:
        """Scratch memory with a row for each sample, of which only a sample's own is used."""
        return {
            home
            for home, ways in self.touches.items()
            if home.role == "scratch"
            and home.shape[:1] == (batch,)
            and all(t.aligned for t in ways)
        }

    def conflicts(self, later: Part) -> tuple[bool, bool]:
        """Whether the order of the two matters, and whether it does between different samples."""
        matters = across = False
        for home in self.touches.keys() & later.touches.keys():
            for t, u in itertools.product(self.touches[home], later.touches[home]):
                if _in_each_others_way(t.how, u.how):
                    matters = True
                    across |= not (t.aligned and u.aligned)
        return matters, across


@dataclass(eq=False, slots=True)
class Phase:
    """What comes first, and then what is worked off sample by sample."""

    before: list[Part] = field(default_factory=list)
    samplewise: list[Part] = field(default_factory=list)

    def bytes(self, batch: int) -> tuple[int, int]:
        """Of one sample's rows that statements hand on to each other, and of everything else."""
        users: dict[Buffer, int] = {}
        for p in self.samplewise:
            many = 2 if not isinstance(p.statement, Loop) else 1
            for home in p.homes:
                users[home] = users.get(home, 0) + many
        own = {b for p in self.samplewise for b in p.sample_buffers(batch)}
        sample = sum(b.nbytes // batch for b in own if users[b] > 1)
        fixed = sum(b.nbytes for b in users if b not in own and b.role not in ("data", "output"))
        return sample, fixed


def parts_of(section: Iterable[Statement], batch: int) -> list[Part]:
    """The section's statements with what they touch."""
    found: list[Part] = []
    for comments, s in remarked(section):
        part = Part(s, comments)
        part.samplewise = _is_samplewise(s, batch)
        axis = s.axis if isinstance(s, Loop) and part.samplewise else None
        for t in _touches(s, axis, part.samplewise):
            part.touches.setdefault(t.home, set()).add(t)
        found.append(part)
    return found


def phases(parts: list[Part]) -> list[Phase]:
    """The parts in an order that gives the same results, in as few phases as that allows."""
    number: dict[Part, int] = {}
    users: dict[Buffer, dict[str, list[Part]]] = {}  # by how they use it
    for p in parts:
        first = 0
        for q in _in_front_of(p, users):
            matters, across = q.conflicts(p)
            if matters:
                waits = q.samplewise and (across or not p.samplewise)
                first = max(first, number[q] + waits)
        number[p] = first
        for t in p.uses:
            users.setdefault(t.home, {}).setdefault(t.how, []).append(p)
    if _collect_first(parts, number):
        return phases(parts)
    found = [Phase() for _ in range(1 + max(number.values(), default=0))]
    for p, k in number.items():
        (found[k].samplewise if p.samplewise else found[k].before).append(p)
    return found


def _in_front_of(p: Part, users: Mapping[Buffer, Mapping[str, list[Part]]]) -> set[Part]:
    """The users that may have to stay in front of p."""
    return {
        q
        for t in p.uses
        for how, found in users.get(t.home, {}).items()
        if _in_each_others_way(t.how, how)
        for q in found
    }


def _in_each_others_way(how: str, other: str) -> bool:
    """Whether the order of two uses of a buffer matters."""
    return how != other or how == "store"


def _collect_first(parts: list[Part], number: dict[Part, int]) -> bool:
    """Rows of data that several phases read are collected for all samples before the first one."""
    found = False
    for p in parts:
        if isinstance(p.statement, Collect) and p.samplewise:
            users = {number[q] for q in parts if p.statement.buffer in q.homes}
            if len(users) > 1 or any(
                not q.samplewise for q in parts if p.statement.buffer in q.homes
            ):
                p.samplewise, found = False, True
    return found


# ---- one statement


def _is_samplewise(s: Statement, batch: int) -> bool:
    if isinstance(s, Collect):
        return True
    if isinstance(s, Product):
        return _is_samplewise_product(s, batch)
    return isinstance(s, Loop) and s.axis.extent is None and s.stop is None and all(
        _is_inner(t, s.axis) for t in statements(s.body)
    )  # fmt: skip


def _is_inner(s: Statement, axis: Axis) -> bool:
    if isinstance(s, Loop):
        return s.axis.extent is not None
    if isinstance(s, Store):
        recorded = s.buffer.role == "output" and any(a is axis for a, _ in s.index[0].terms)
        return recorded or (s.buffer.role == "scratch" and _is_aligned(s.index, axis))
    return isinstance(s, Update | Comment)


def _is_samplewise_product(s: Product, batch: int) -> bool:
    """Samples are rows of c, or what is summed over, and lie one after the other in memory."""
    if s.sizes.count(None) != 1 or s.sizes[1] is None:
        return False
    sampled = [(s.c, False), (s.a, False)] if s.sizes[0] is None else [(s.a, True), (s.b, False)]
    fits = all(_has_rows(m, batch, s.rows) and m.transposed is way for m, way in sampled)
    if s.sizes[0] is None:
        return fits and not _has_rows(s.b, batch, s.rows)
    whole = s.c.offset == ix.ZERO and s.c.buffer.nbytes == _nbytes(s)
    return fits and whole


def _nbytes(s: Product) -> int:
    m, n, _ = s.sizes
    return (m or 0) * (n or 0) * ITEM_BYTES[s.c.buffer.dtype]


def _has_rows(m: Matrix, batch: int, rows: int) -> bool:
    """Whether each sample has so many rows of a matrix, and they are all that it has there."""
    shape = m.buffer.shape
    if shape[:1] != (batch,) or m.buffer.role != "scratch":
        return False
    return m.leading * rows == ix.strides(shape)[0] and m.offset.is_constant


def _is_aligned(index: At, axis: Axis | None) -> bool:
    if axis is None or not index or index[0] != ix.of(axis):
        return False
    return not any(a is axis for i in index[1:] for a, _ in i.terms)


def _touches(s: Statement, axis: Axis | None, samplewise: bool) -> Iterator[Touch]:
    for t in statements((s,)):
        if isinstance(t, Comment):
            continue
        sampled: set[Buffer] = set()
        if isinstance(t, Product) and samplewise:
            sampled = {t.a.buffer, *((t.c.buffer,) if t.sizes[0] is None else (t.b.buffer,))}
        for buffer, index in accesses(t):
            if buffer.role != "data":
                aligned = buffer in sampled or (index is not None and _is_aligned(index, axis))
                yield Touch(buffer.home, aligned, "read")
        if isinstance(t, Store):
            yield Touch(t.buffer.home, _is_aligned(t.index, axis), "store")
        elif isinstance(t, Update):
            yield Touch(t.buffer.home, _is_aligned(t.index, axis), t.combine)
        elif isinstance(t, Product):
            how = "add" if samplewise and t.sizes[2] is None else "store"
            yield Touch(t.c.buffer.home, t.c.buffer in sampled, how)
        elif isinstance(t, Collect):
            yield Touch(t.buffer.home, samplewise, "store")
        else:
            work = (t.work,) if isinstance(t, Call) else ()
            yield from (Touch(b.home, False, "store") for b in (*targets(t), *work))
