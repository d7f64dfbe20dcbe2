"""Memory of samples to come is asked for ahead of time.

In an order, or where an index comes from data, no machine can foresee what is read next; the kernel
can.  Each sample's step begins with requests for later samples, a stage of the address at a time:

    the sample's row          X[row], offsets[row], u[row]       farthest ahead
    what its numbers point to columns[offsets[row] + k], P[u[row]]
    and so on                 w[columns[...]]                    nearest

Data are asked for where they come in an order and do not fit the second-level cache (`far`), tables
where they are large beside it.  A request for memory that does not exist does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symgrad.lower import index as ix
from symgrad.lower.costs import COST
from symgrad.lower.expressions import At, content, loads, roots, walk
from symgrad.lower.index import Index
from symgrad.lower.kernel import (
    AT,
    FAR,
    ITEM_BYTES,
    LAST,
    Apply,
    Axis,
    Buffer,
    Expression,
    Load,
    Loop,
    Number,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
    Whole,
    statements,
)  # fmt: skip

CACHE = 2**18  # bytes: what is smaller stays at hand, in the second-level cache
LINE = 64  # bytes
MOST_LINES = 8  # of one stretch of memory: the machine foresees the rest of a longer one
IN_FLIGHT = 64  # lines that are asked for and not yet needed, at each stage
MOST_IN_FLIGHT = 1024  # where whole mini-batches are: beyond, samples' own rows are found faster
NEAREST, FARTHEST = 2, 16  # samples ahead
SHORT = 20  # additions: the processor begins the steps after one of fewer while it waits
LARGEST_BATCH = 64  # samples whose rows stay at hand until their mini-batch comes
TABLES = ("parameter", "state")
ARITHMETIC = ("add", "mul")
SAME, UNKNOWN = -1, 100  # reads of what no sample changes, and of what cannot be foreseen


def ahead(section: Sequence[Statement], batch: int) -> list[Statement]:
    """What a step's section starts with: requests for the samples that come next."""
    if batch > LARGEST_BATCH:
        return []
    found = {a: _stage(a[1]) for a in _accesses(section)}
    wanted = {a: stage for a, stage in found.items() if stage}
    deepest = max(wanted.values(), default=0)
    foreseen = _row_bytes(wanted) < LINE and _is_short(section)
    if deepest < 2 and (foreseen or _multiplies(section)):
        return []  # the processor is ahead by itself, or busy for longer than it waits
    stages: dict[tuple[bool, int], _Requests] = {}
    for (buffer, index), stage in wanted.items():
        key = (buffer.role == "data", deepest - stage + 1)
        stages.setdefault(key, _Requests(batch)).add(buffer, index)
    lines = sum(r.lines for r in stages.values())
    each = max(batch, min(max(IN_FLIGHT // max(lines, 1), NEAREST), FARTHEST))
    if deepest < 2 and lines * each > MOST_IN_FLIGHT:
        return []
    parts = {key: r.statements(key[1] * each) for key, r in stages.items()}
    data = [s for (is_data, _), part in parts.items() if is_data for s in part]
    tables = [s for (is_data, _), part in parts.items() if not is_data for s in part]
    if data:
        where_far = Axis(1, 1, 8, stop=Whole(Index(0, ((FAR, 1),))))
        return [Loop(where_far, tuple(data), "memory of samples to come"), *tables]
    return tables


def _accesses(section: Iterable[Statement]) -> dict[tuple[Buffer, At], None]:
    """The places in data and in large tables that statements read or change, each once."""
    found: dict[tuple[Buffer, At], None] = {}
    for s in statements(tuple(section)):
        if isinstance(s, Store | Update):
            found[s.buffer.home, s.index] = None
        found.update(((x.buffer.home, x.index), None) for x in loads(*roots(s)))
    return {
        (b, i): None
        for b, i in found
        if b.role == "data" or (b.role in TABLES and not b.is_local and b.nbytes > CACHE)
    }


def _row_bytes(places: Iterable[tuple[Buffer, At]]) -> int:
    return sum(b.nbytes for b in {b for b, _ in places})


def _is_short(section: Iterable[Statement]) -> bool:
    """Whether a step is so little work that the processor has several in hand."""
    parts = list(statements(tuple(section)))
    made = walk(e for s in parts for e in roots(s))
    work = sum(COST.get(x.operation, 1) for x in made if isinstance(x, Apply))
    return work < SHORT and not any(isinstance(s, Loop) for s in parts)


def _multiplies(section: Iterable[Statement]) -> bool:
    return any(isinstance(s, Product) for s in statements(tuple(section)))


def _stage(index: At) -> int:
    """How many reads the address takes, itself one; 0 where it cannot be told ahead of time."""
    reads = max((_reads(atom) for i in index for atom, _ in i.terms), default=SAME)
    return 0 if reads in (SAME, UNKNOWN) else reads + 1


def _reads(x: Any) -> int:
    """The reads that an atom takes before its value is known."""
    if isinstance(x, Axis | Number):
        return SAME
    if isinstance(x, Apply) and x.operation == "position":
        return 0
    if isinstance(x, Load) and x.buffer.role == "data":
        inner = [_reads(a) for i in x.index for a, _ in i.terms]
        return min(max(inner, default=SAME) + 1, UNKNOWN)
    if isinstance(x, Apply) and x.operation in ARITHMETIC:
        return max(map(_reads, x.operands))
    return UNKNOWN


class _Requests:
    """The requests of one stage, at the same distance."""

    def __init__(self, batch: int) -> None:
        self.batch, self.lines = batch, 0
        self.local = Buffer("scratch", "ahead", (), "int64")
        self.position = Apply("position", (Load(self.local, (), "int64"),), "int64")
        self.known: dict[tuple, Any] = {}
        self.made: dict[tuple, tuple[tuple[Axis, ...], list[Prefetch]]] = {}

    def add(self, buffer: Buffer, index: At) -> None:
        """Ask for the memory of an access: along some axes line by line, in loops over others."""
        shape = (1, *buffer.shape) if len(index) > len(buffer.shape) else buffer.shape
        offset = ix.flat(index, shape)
        item = ITEM_BYTES[buffer.dtype]
        inside = {a for atom, _ in offset.terms if not isinstance(atom, Axis) for a in _axes(atom)}
        long = {a for a, k in offset.terms if isinstance(a, Axis) and abs(k) * item >= LINE}
        outer = [a for a in dict.fromkeys(_axes_of(offset)) if a in inside | long]
        axes = {a: self._axis(a, depth + 1) for depth, a in enumerate(outer)}
        start, span = Index(offset.constant), 1
        for atom, k in offset.terms:
            if isinstance(atom, Axis) and atom not in axes:
                span += abs(k) * atom.bound
            else:
                start = ix.linear([(start, 1), (self._new(atom, axes), k)])
        self._ask(buffer, start, span, tuple(axes.values()))

    def _ask(self, buffer: Buffer, start: Index, span: int, axes: tuple[Axis, ...]) -> None:
        """Ask for `span` elements; where they may begin within a line, for the last one, too."""
        if (buffer, start) in self.known:
            return
        self.known[buffer, start] = None
        step = LINE // ITEM_BYTES[buffer.dtype]
        places = [*range(0, span, step), *([span - 1] if span % step and span > 1 else [])]
        asked = [Prefetch(buffer, ix.linear([(start, 1)], k)) for k in places[:MOST_LINES]]
        self.made.setdefault(axes, (axes, []))[1].extend(asked)
        times = 1
        for a in axes:
            times *= a.limit
        self.lines += times * len(asked)

    def statements(self, distance: int) -> list[Statement]:
        """The requests for the sample that is `distance` positions ahead, or the last one."""
        body: list[Statement] = []
        for axes, asked in self.made.values():
            nest: list[Statement] = list(asked)
            for a in reversed(axes):
                nest = [Loop(a, tuple(nest))]
            body.extend(nest)
        sample = Axis(None, self.batch, 0)
        terms = ((AT, 1), *([(sample, 1)] if self.batch > 1 else []))
        end = Whole(Index(-1, ((LAST, 1),)))
        place = Apply("min", (Whole(Index(distance, terms)), end), "int64")
        body.insert(0, Store(self.local, (), place))
        return [Loop(sample, tuple(body))] if self.batch > 1 else body

    # ---- the same address for another sample

    def _axis(self, axis: Axis, depth: int) -> Axis:
        stop = None if axis.stop is None else self._expression(axis.stop, {})
        key = ("axis", axis.limit, stop, depth)
        made = Axis(axis.extent, axis.limit, depth, stop=stop)
        return self.known.setdefault(key, made)

    def _new(self, atom: Any, axes: dict[Axis, Axis]) -> Index:
        return ix.of(axes[atom] if isinstance(atom, Axis) else self._expression(atom, axes))

    def _expression(self, x: Any, axes: dict[Axis, Axis]) -> Expression:
        """An expression with the sample ahead in the sample's place; equal ones are one object."""
        if isinstance(x, Apply) and x.operation == "position":
            return self.position
        if isinstance(x, Load):
            index = tuple(
                ix.linear([(self._new(a, axes), k) for a, k in i.terms], i.constant)
                for i in x.index
            )
            x = Load(x.buffer, index, x.dtype, x.bound)
        elif isinstance(x, Apply):
            operands = tuple(self._expression(y, axes) for y in x.operands)
            x = Apply(x.operation, operands, x.dtype, x.bound)
        key = (x.value, x.dtype) if isinstance(x, Number) else content(x)
        return self.known.setdefault(key, x)


def _axes_of(index: Index) -> list[Axis]:
    parts = ([atom] if isinstance(atom, Axis) else _axes(atom) for atom, _ in index.terms)
    return [a for part in parts for a in part]


def _axes(x: Any) -> list[Axis]:
    """The axes inside an expression, but not those that say which sample it is."""
    if isinstance(x, Load):
        return [a for i in x.index for a in _axes_of(i)]
    if isinstance(x, Apply) and x.operation != "position":
        return [a for y in x.operands for a in _axes(y)]
    return []
