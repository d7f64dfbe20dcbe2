"""How a matrix product is worked off: which way round, in which tiles, in which order.

A product is c[i, j] = sum over k of a[i, k] b[k, j] with vectors along j.  Turned round it is the
same product of the transposes, c'[j, i] = sum over k of b'[j, k] a'[k, i], with vectors along i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from symgrad.generate.micro_tile import Tile

RunTime = Literal["", "m", "n", "k"]
Size = Literal["", "rows", "columns", "depth"]


@dataclass(frozen=True)
class Shape:
    """c (m, n) = alpha op(a) (m, k) @ op(b) (k, n) + beta c, all row-major.

    sampled: which of the sizes is given when the code runs, at most what stands here
    beta:    0 (c is not read), 1, or None: given when the code runs
    """

    dtype: str
    ta: int
    tb: int
    m: int
    n: int
    k: int
    lda: int
    ldb: int
    ldc: int
    sampled: RunTime = ""
    beta: int | None = None

    @property
    def work(self) -> int:
        return self.m * self.n * self.k


@dataclass(frozen=True)
class View:
    """A product one way round: sizes and the strides of both axes of a, b and c, in elements.

    packed: strips of b are first put into panels, whose rows lie together
    gathered: rows of a are first copied for each row of tiles, as the elements of a row lie apart
    """

    rows: int
    columns: int
    depth: int
    a: tuple[int, int]
    b: tuple[int, int]
    c: tuple[int, int]
    sampled: Size
    packed: bool
    gathered: bool


STRAIGHT: dict[RunTime, Size] = {"": "", "m": "rows", "n": "columns", "k": "depth"}
TURNED: dict[RunTime, Size] = {"": "", "m": "columns", "n": "rows", "k": "depth"}


def view(shape: Shape, turned: bool, copied: bool = False, blocks: bool = False) -> View:
    """The product turned round or not; where rows of b are not contiguous, it has to be packed.

    copied: b is packed anyway; blocks: several strips at a time

    >>> view(Shape("float32", 0, 0, 2, 3, 4, 4, 3, 3), True).c
    (1, 3)
    """
    a = (1, shape.lda) if shape.ta else (shape.lda, 1)
    b = (1, shape.ldb) if shape.tb else (shape.ldb, 1)
    if turned:
        a, b = b[::-1], a[::-1]
        return View(shape.n, shape.m, shape.k, a, b, (1, shape.ldc), TURNED[shape.sampled],
                    copied or b[1] != 1, blocks and a[1] != 1)  # fmt: skip
    return View(shape.m, shape.n, shape.k, a, b, (shape.ldc, 1), STRAIGHT[shape.sampled],
                copied or b[1] != 1, blocks and a[1] != 1)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """rows, vectors, lanes: the tile; panel: how much of k at a time.

    across: tiles of one row of tiles follow each other, else those of one column
    copied: strips of b are copied into panels even where their rows are contiguous
    block: columns of b whose strips are copied together; then tiles of one row follow each other.
           0: strips are copied one by one
    fetched: a tile's part of c comes while its sums are made
    """

    turned: bool
    rows: int
    vectors: int
    lanes: int
    panel: int
    across: bool
    copied: bool = False
    fetched: bool = False
    block: int = 0

    @property
    def width(self) -> int:
        return self.vectors * self.lanes

    @property
    def along(self) -> bool:
        """Whether tiles of one row of tiles follow each other."""
        return self.across or self.block > 0

    def __str__(self) -> str:
        way = "turned round, " if self.turned else ""
        return (
            f"{way}tiles of {self.rows} x {self.vectors} vectors of {self.lanes}, "
            f"{'row' if self.along else 'column'} by {'row' if self.along else 'column'}, "
            f"k in {'copied ' if self.copied else ''}panels of {self.panel}"
            f"{f' by {self.block}' if self.block else ''}"
            f"{', c fetched' if self.fetched else ''}"
        )


def column_tiles(plan: Plan, columns: int, narrowest: int) -> list[tuple[Tile, int]]:
    """Kinds of tiles that cover the columns from left to right, and how many of each.

    >>> [(t.vectors, t.lanes, t.last, n) for t, n in column_tiles(
    ...     Plan(False, 8, 2, 16, 99, False), 100, 4)]
    [(2, 16, 16, 3), (1, 4, 4, 1)]
    """
    number, rest = divmod(columns, plan.width)
    tiles = [(Tile(plan.rows, plan.vectors, plan.lanes, plan.lanes), number)] if number else []
    if rest:
        lanes = plan.lanes
        while rest <= lanes // 2 and lanes > narrowest:
            lanes //= 2
        vectors = -(-rest // lanes)
        tiles.append((Tile(plan.rows, vectors, lanes, rest - (vectors - 1) * lanes), 1))
    return tiles


def row_counts(plan: Plan, rows: int) -> list[tuple[int, int]]:
    """Rows of a tile and how many of such tiles, from top to bottom.

    >>> row_counts(Plan(False, 8, 2, 16, 99, False), 20)
    [(8, 2), (4, 1)]
    """
    number, rest = divmod(rows, plan.rows)
    return [(r, n) for r, n in ((plan.rows, number), (rest, 1)) if r and n]
