"""The loop IR: what a target prints.

    Kernel     = buffers, sections of statements: once a run, each mini-batch, each update
    statement  = Loop | Store | Update | Product | Call | Collect | Distinct | Prefetch
               | Alone | Barrier
    expression = Number | Load | Apply | Whole

Buffers of rank 0 are local variables of the run, unless they are outputs.  Sizes are literal, but
for the number of samples in the mini-batch, n, which is at most the kernel's batch size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import sympy as sp

from symgrad.lower.index import ZERO, Index

REMARK = 120  # characters of a comment that are shown
ITEM_BYTES = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "int8": 1}


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """Memory, or a local variable where the rank is 0.

    role:        data, parameter, state, hyper, constant, step, seed, batch_size, output or scratch
    symbol:      the language's symbol whose array it is; None for outputs and scratch
    label:       an output's label, else for people: never printed as it stands
    shape:       one sample's for data; for what is per sample otherwise (batch size, ...)
    per_sample:  outputs: one value a sample, by position, not one for the whole
    storage:     the buffer whose memory holds it, where that is another's (a new value in place)
    distinct:    no two of its elements are equal: they are rows, each found once
    turned:      the symbol's array is held column by column; the shape is that of its transpose
    """

    role: str
    label: str
    shape: tuple[int, ...]
    dtype: str
    symbol: sp.Symbol | None = None
    per_sample: bool = False
    storage: Buffer | None = None
    distinct: bool = False
    turned: bool = False

    @property
    def home(self) -> Buffer:
        return self.storage or self

    @property
    def is_local(self) -> bool:
        return not self.shape and self.role not in ("output", "data")

    @property
    def nbytes(self) -> int:
        return ITEM_BYTES[self.dtype] * math.prod(self.shape)


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """A loop's variable, from 0 to its extent; extent None is n, the mini-batch's samples.

    start, stop: with a `stop` the loop goes from `start` (or 0) to it, integers of the run that
                 are evaluated once, before the loop; the variable stays below the extent
    step:        how far it goes at a time
    """

    extent: int | None
    limit: int  # the largest extent it may have
    depth: int
    start: Expression | None = None
    stop: Expression | None = None
    step: int = 1

    @property
    def bound(self) -> int:
        return max(self.limit - 1, 0)


@dataclass(frozen=True, eq=False, slots=True)
class Counter:
    """An integer that the driver loop keeps: `at`, `slot` or `row`."""

    name: str
    bound: int = 2**40


AT = Counter("at")  # position of the mini-batch's first sample
SLOT = Counter("slot")  # index of the mini-batch in recorded outputs, 0 when not recorded
ROW = Counter("row")  # index of its first sample in recorded per-sample outputs
PENDING = Counter("pending")  # mini-batches since the last update
THREAD = Counter("thread")  # which of the kernel's threads this is, from 0
LAST = Counter("last")  # the position behind the last one of this call
FAR = Counter("far", 1)  # 1 where samples come in an order and the data do not fit the cache


# ---- expressions: compared by identity; lowering shares equal ones


@dataclass(frozen=True, eq=False, slots=True)
class Number:
    value: int | float | bool
    dtype: str


@dataclass(frozen=True, eq=False, slots=True)
class Load:
    buffer: Buffer
    index: tuple[Index, ...]
    dtype: str
    bound: int = 2**40  # where it is an integer that serves as an index


@dataclass(frozen=True, eq=False, slots=True)
class Apply:
    operation: str  # a pointwise row, or cast, position (of a sample in the data), clamp
    operands: tuple[Expression, ...]
    dtype: str
    bound: int = 2**40


@dataclass(frozen=True, eq=False, slots=True)
class Whole:
    """The value of an index, as an int64."""

    index: Index
    dtype: str = "int64"


Expression = Number | Load | Apply | Whole


# ---- statements


@dataclass(frozen=True, eq=False, slots=True)
class Store:
    """buffer[index] = value"""

    buffer: Buffer
    index: tuple[Index, ...]
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Update:
    """buffer[index] = combine(buffer[index], value), combine one of add, mul, max, min"""

    buffer: Buffer
    index: tuple[Index, ...]
    combine: str
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Matrix:
    """A matrix in a buffer: row-major from `offset`, rows `leading` elements apart.

    collected: the data buffer whose rows stand in `buffer` where samples come in an order, and
    which is read directly, from sample `at`, where they do not
    """

    buffer: Buffer
    offset: Index
    transposed: bool
    leading: int
    collected: Buffer | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """c = alpha * a @ b + beta * c, with sizes (m, k) @ (k, n); None is the number of samples.

    shared: "m" or "n" where each thread computes its share of the rows or columns of c
    samples, most: that number in a tile, and the largest that it may be
    """

    c: Matrix
    a: Matrix
    b: Matrix
    sizes: tuple[int | None, int | None, int | None]  # m, n, k
    alpha: Expression
    beta: Expression
    shared: str = ""
    samples: Expression | None = None
    most: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Stack:
    """Square matrices or right-hand sides, one after the other in a buffer.

    many: how many for each sample, or for all of them
    """

    buffer: Buffer
    many: int
    per_sample: bool


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """x = routine(*operands) for each matrix of a stack, by a library; work is its scratch memory.

    sizes: the matrices' rows, and the columns of x
    """

    routine: str  # the row of the operation table
    x: Stack
    operands: tuple[Stack, ...]
    sizes: tuple[int, int]
    flags: tuple[int, ...]
    work: Buffer

    @property
    def buffer(self) -> Buffer:
        return self.x.buffer


@dataclass(frozen=True, eq=False, slots=True)
class Collect:
    """Copy the mini-batch's rows of a data buffer together, where samples come in an order.

    shared: each thread copies its share of them
    first, samples: of a tile, where the rows are a tile's
    place: where they begin in the buffer, which is in the offsets of matrices too
    """

    buffer: Buffer
    data: Buffer
    shared: bool = False
    first: Index = ZERO
    samples: Expression | None = None
    place: Index = ZERO


@dataclass(frozen=True, eq=False, slots=True)
class Prefetch:
    """Ask for the memory at an offset, in elements, before it is needed; nothing is read."""

    buffer: Buffer
    offset: Index


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """The distinct rows met so far, in the order of their first appearance.

    rows:   the rows; the first `count[0]` elements are set
    table:  a hash table with open addressing, of a power of two of places: numbers of rows
    places: where in the table each row stands.  A place is taken if its row stands there, so that
            a table need not be cleared: count[0] = 0 empties it
    """

    rows: Buffer
    count: Buffer
    table: Buffer
    places: Buffer

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return (self.rows, self.count, self.table, self.places)


@dataclass(frozen=True, eq=False, slots=True)
class Distinct:
    """buffer[index] = the number of a row among the distinct ones found; a new one is added."""

    buffer: Buffer
    index: tuple[Index, ...]
    row: Expression
    found: Found


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    """`for axis: body`; start and stop are the axis' own, over what they have become meanwhile.

    shared: each thread goes through its share of the axis
    """

    axis: Axis
    body: tuple[Statement, ...]
    comment: str = ""
    start: Expression | None = None
    stop: Expression | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if self.stop is None:
            object.__setattr__(self, "start", self.axis.start)
            object.__setattr__(self, "stop", self.axis.stop)

    @property
    def bounds(self) -> tuple[Expression, ...]:
        """The expressions that it evaluates."""
        return tuple(x for x in (self.start, self.stop) if x is not None)

    def over(self, body: Iterable[Statement], known: Mapping[Expression, Expression] | None = None
             ) -> Loop:  # fmt: skip
        """The loop around other statements, with the bounds that `known` holds in place of its."""
        start, stop = (known[x] if known and x else x for x in (self.start, self.stop))
        return Loop(self.axis, tuple(body), self.comment, start, stop, self.shared)


@dataclass(frozen=True, eq=False, slots=True)
class Alone:
    """Statements of thread 0; the others go on."""

    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Barrier:
    """No thread goes on before all have come here."""


@dataclass(frozen=True, eq=False, slots=True)
class Comment:
    text: str


Statement = (
    Store
    | Update
    | Product
    | Call
    | Collect
    | Distinct
    | Prefetch
    | Loop
    | Alone
    | Barrier
    | Comment
)


def targets(s: Statement) -> tuple[Buffer, ...]:
    """The buffers that a statement itself changes."""
    if isinstance(s, Product):
        return (s.c.buffer,)
    if isinstance(s, Distinct):
        return (s.buffer, *s.found.buffers)
    return (s.buffer,) if isinstance(s, Store | Update | Call | Collect) else ()


@dataclass(frozen=True, eq=False)
class Kernel:
    """A whole run of steps, specialised to a dtype and a batch size.

    buffers: the arrays that the run is given, in the order of its arguments
    written: the parameters and states that it changes; of rank 0, they are local variables that
             go back to their arrays at the end
    fault:   one integer, set to 1 where a computed index had to be clamped
    memory:  scratch arrays that share others with each other: in which of the buffers they lie
    threads: how many run it together; all execute every statement but those of an `Alone`
    sync:    the memory of its barriers
    plan:    how they share the work, and what it should cost, for people
    """

    dtype: str
    batch_size: int
    buffers: tuple[Buffer, ...]
    once: tuple[Statement, ...]
    step: tuple[Statement, ...]
    update: tuple[Statement, ...] | None
    written: frozenset[Buffer] = frozenset()
    fault: Buffer | None = None
    memory: Mapping[Buffer, Buffer] = field(default_factory=dict)
    threads: int = 1
    sync: Buffer | None = None
    plan: str = ""

    @property
    def sections(self) -> tuple[tuple[Statement, ...], ...]:
        return self.once, self.step, self.update or ()

    @property
    def scratch_bytes(self) -> int:
        return sum(b.nbytes for b in self.buffers if b.role == "scratch")

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes by role; data and per-sample outputs are counted for one mini-batch."""
        total: dict[str, int] = {}
        for b in self.buffers:
            size = b.nbytes * (self.batch_size if b.role == "data" else 1)
            total[b.role] = total.get(b.role, 0) + size
        return total

    def check(self) -> Kernel:
        """Raise AssertionError unless the kernel is well formed; return it."""
        from symgrad.lower.check import check

        check(self)
        return self


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, outer before inner."""
    stack = list(reversed(body))
    while stack:
        s = stack.pop()
        yield s
        if isinstance(s, Loop | Alone):
            stack.extend(reversed(s.body))
