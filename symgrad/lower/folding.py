"""What follows a product row by row is done for a few rows at a time, while caches hold them.

    g = d.T @ x                     for tile in range(0, 512, 8):
    for i in range(512):      ->        g = d.T[tile:] @ x          g: of 8 rows
        W[i] -= rate * g[i]             for i in range(8):
                                            W[tile + i] -= rate * g[i]

So a gradient that only an update reads never stands in memory as a whole.  It pays where products
are short, as those of gradients over few samples are: the matrix on the right, which is read again
for every few rows, has to stay in a cache too, beside much else.  tests/bench/folding.py says what
they take, and the constants were fitted to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from functools import cached_property

from symgrad.lower import index as ix
from symgrad.lower.expressions import At, Rewriting, accesses
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Axis,
    Buffer,
    Comment,
    Loop,
    Matrix,
    Number,
    Product,
    Statement,
    Store,
    Update,
    remarked,
    statements,
    targets,
)
from symgrad.lower.processor import Processor

REPEATED = 1 / 10  # of the second-level cache is what the matrix on the right takes, at most
RESULT_BYTES = 32 * 1024  # of a result, at least: smaller ones stay in caches as they are
WIDE = 8  # times as many columns as terms: else too little is done with rows of the left matrix
ADDED = 24  # terms, at least, of what is added to memory: rows that come and go take as long
ROWS = 8  # at a time, or about so many


def folded(
    section: list[Statement], others: Iterable[list[Statement]], batch: int, processor: Processor
) -> list[Statement]:
    """The section with products folded into the loops that read their rows, where that pays.

    others: the sections that may touch the same memory
    """
    short = {s for s in section if isinstance(s, Product) and _is_short(s, batch, processor)}
    if not short:
        return section
    parts = _parts(section)
    elsewhere = {b for other in others for p in _parts(other) for b in p.touched}
    for loop in [p for p in parts if p.is_over_rows]:
        products = list(_products_of(loop, parts, short))
        if products:
            parts = [p for p in parts if p not in products]
            rest = elsewhere.union(*(p.touched for p in parts if p is not loop))
            parts[parts.index(loop)] = _together(products, loop, rest)
    return [s for p in parts for s in (*p.comments, p.statement)]


@dataclass(eq=False)
class _Part:
    """A statement of a section with the remarks in front of it."""

    statement: Statement
    comments: list[Statement]

    @cached_property
    def reads(self) -> set[Buffer]:
        return {b.home for s in self._working for b, _ in accesses(s)}

    @cached_property
    def writes(self) -> set[Buffer]:
        return {b.home for s in self._working for b in targets(s)}

    @property
    def _working(self) -> Iterator[Statement]:
        return (s for s in statements((self.statement,)) if not isinstance(s, Comment))

    @property
    def touched(self) -> set[Buffer]:
        return self.reads | self.writes

    @property
    def is_over_rows(self) -> bool:
        """Whether it is a plain loop over a known number of rows."""
        s = self.statement
        kinds = (Loop, Store, Update, Comment)
        plain = isinstance(s, Loop) and s.axis.extent is not None and not s.bounds
        return plain and all(isinstance(t, kinds) for t in self._working)

    def meets(self, other: _Part, but: frozenset[Buffer] = frozenset()) -> bool:
        """Whether the order of the two matters, apart from what they do to some memory."""
        clash = (self.writes & other.touched) | (self.touched & other.writes)
        return not clash <= but


def _parts(section: Iterable[Statement]) -> list[_Part]:
    return [_Part(s, comments) for comments, s in remarked(section)]


# ---- which products


def _products_of(loop: _Part, parts: list[_Part], short: Set[Statement]) -> Iterator[_Part]:
    """The products that can be made row by row in front of the loop's turns."""
    at = parts.index(loop)
    for k, p in enumerate(parts[:at]):
        s = p.statement
        if not isinstance(s, Product) or s not in short:
            continue
        c = frozenset({s.c.buffer.home})
        alone = not any(p.meets(q) for q in parts[k + 1 : at])
        if alone and p.meets(loop) and not p.meets(loop, c) and _reads_rows(loop.statement, s):
            yield p


def _is_short(s: Product, batch: int, processor: Processor) -> bool:
    m, n, k = s.sizes
    if m is None or n is None:
        return False
    terms = s.longest(batch) if k is None else k
    return pays(m, n, terms, s.c.buffer.dtype, processor, added=not _is_new(s))


def _is_new(s: Product) -> bool:
    return isinstance(s.beta, Number) and s.beta.value == 0


def pays(m: int, n: int, k: int, dtype: str, processor: Processor, added: bool = False) -> bool:
    """Whether a product of (m, k) and (k, n) is made a few rows at a time.

    added: to what is there

    >>> core = Processor(second=1024**2)
    >>> [pays(512, 784, batch, "float32", core) for batch in (32, 256)]
    [True, False]
    """
    size = ITEM_BYTES[dtype]
    fits = size * n * k <= REPEATED * processor.second and size * m * n >= RESULT_BYTES
    return fits and n >= WIDE * k and (k >= ADDED or not added) and rows_at_a_time(m) > 0


def rows_at_a_time(m: int) -> int:
    """How many rows of m are made together: they divide m; 0 where that is not possible.

    >>> [rows_at_a_time(m) for m in (512, 100, 98, 101)]
    [8, 10, 7, 0]
    """
    near = [r for r in range(ROWS * 3 // 4, ROWS * 3 // 2 + 1) if m % r == 0 and r < m]
    return min(near, key=lambda r: abs(r - ROWS), default=0)


def _reads_rows(loop: Statement, product: Product) -> bool:
    """Whether the product's rows are what the loop's turns touch of it, each its own."""
    assert isinstance(loop, Loop)
    c, (m, n, _) = product.c, product.sizes
    shape = c.buffer.shape
    whole = c.offset == ix.ZERO and len(shape) > 1 and c.leading == n == ix.strides(shape)[0]
    found = [at for b, at in _touches(loop) if b.home is c.buffer.home]
    return (
        whole and shape[0] == m == loop.axis.extent
        and all(at is not None and _is_row(at, loop.axis) for at in found)
    )  # fmt: skip


def _touches(loop: Loop) -> Iterator[tuple[Buffer, At | None]]:
    for s in statements(loop.body):
        if not isinstance(s, Comment):
            yield from accesses(s)
        if isinstance(s, Store | Update):
            yield s.buffer, s.index


def _is_row(at: At, axis: Axis) -> bool:
    return at[0] == ix.of(axis) and not any(a is axis for i in at[1:] for a, _ in i.terms)


# ---- the products and the loop in one


def _together(products: list[_Part], loop: _Part, elsewhere: set[Buffer]) -> _Part:
    """One loop over tiles of rows: the products', then the loop's turns.

    elsewhere: what others touch, too: all other results need memory for a tile only
    """
    s = loop.statement
    assert isinstance(s, Loop) and s.axis.extent is not None
    made = [p.statement for p in products if isinstance(p.statement, Product)]
    own = {p.c.buffer for p in made if _is_own(p, elsewhere)}
    tile = _Rows(s.axis, rows_at_a_time(s.axis.extent), own)
    body: list[Statement] = []
    for part, product in zip(products, made, strict=True):
        body += [*part.comments, tile.product(product)]
    body += [*loop.comments, tile.loop(s)]
    return _Part(Loop(tile.axis, tuple(body)), [])


def _is_own(s: Product, elsewhere: set[Buffer]) -> bool:
    return _is_new(s) and s.c.buffer.role == "scratch" and s.c.buffer not in elsewhere


class _Rows:
    """The loop over tiles of so many rows, and what becomes of statements inside it.

    Row i becomes tile + i; memory of `local` buffers has rows for one tile only.
    """

    def __init__(self, axis: Axis, rows: int, local: Iterable[Buffer]) -> None:
        assert axis.extent is not None and axis.extent % rows == 0
        self.rows = rows
        self.axis = Axis(axis.extent, axis.extent - rows + 1, 0, step=rows)
        self.inner = Axis(rows, rows, axis.depth)
        self.local = {b: Buffer("scratch", b.label, (rows, *b.shape[1:]), b.dtype) for b in local}
        row = ix.linear([(ix.of(self.axis), 1), (ix.of(self.inner), 1)])
        self._moved = Rewriting(self._place, {axis: row})

    def loop(self, s: Loop) -> Loop:
        return Loop(self.inner, tuple(map(self._moved.statement, s.body)), s.comment)

    def product(self, s: Product) -> Product:
        _, n, k = s.sizes
        new = self.local.get(s.c.buffer)
        c = replace(s.c, buffer=new) if new else self._below(s.c, s.c.leading)
        a = self._below(s.a, 1 if s.a.transposed else s.a.leading)
        return replace(s, c=c, a=a, sizes=(self.rows, n, k))

    def _below(self, m: Matrix, step: int) -> Matrix:
        return replace(m, offset=ix.linear([(m.offset, 1), (ix.of(self.axis), step)]))

    def _place(self, buffer: Buffer, index: At) -> tuple[Buffer, At]:
        new = self.local.get(buffer)
        return (new, (ix.of(self.inner), *index[1:])) if new else (buffer, index)
