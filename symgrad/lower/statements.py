"""The loop IR's statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from symgrad.lower.index import ZERO, Index
from symgrad.lower.values import Axis, Buffer, Expression


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
    """c = alpha * a @ b + beta * c, with sizes (m, k) @ (k, n); None is that of all samples' rows.

    rows: how many a sample has; where two sizes are None, one
    shared: "m" or "n" where each thread computes its share of the rows or columns of c, "k" where
            it adds up its share of the terms
    samples, most: all rows of a tile's samples, and the largest number that it may be
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
    rows: int = 1

    def longest(self, batch: int) -> int:
        """What a size that is None may be, where mini-batches have up to so many samples."""
        return self.most or batch * self.rows


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

    Where they last from one mini-batch to the next, 2**count[1] places of the table are in use.
    """

    rows: Buffer
    count: Buffer
    table: Buffer
    places: Buffer

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return (self.rows, self.count, self.table, self.places)

    @property
    def lasts(self) -> bool:
        """Whether they are a state, and not a mini-batch's own."""
        return self.rows.role == "state"


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


def remarked(section: Iterable[Statement]) -> Iterator[tuple[list[Statement], Statement]]:
    """Every statement of a section with the remarks in front of it."""
    comments: list[Statement] = []
    for s in section:
        if isinstance(s, Comment):
            comments.append(s)
        else:
            yield comments, s
            comments = []


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, outer before inner."""
    stack = list(reversed(body))
    while stack:
        s = stack.pop()
        yield s
        if isinstance(s, Loop | Alone):
            stack.extend(reversed(s.body))
