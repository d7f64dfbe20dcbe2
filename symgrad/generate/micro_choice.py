"""Which plan for a product, or BLAS: the cheapest by the cost model."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from symgrad.generate.micro_cost import PAGE, blas_cycles, cycles
from symgrad.generate.micro_machine import Machine, asked, host
from symgrad.generate.micro_plan import Plan, Shape, View, view
from symgrad.generate.micro_vectors import ITEM_BYTES

PANEL_BYTES = 40 * 1024  # of a panel of b: most of it stays in a first-level cache
LONGEST = 1024  # terms of one sum: longer ones are added up from panels, which rounds less
BLOCKS = (128, 256, 512)  # rows of a block of b
FILLED = 3 / 4  # of the registers hold sums at most


@dataclass(frozen=True)
class Choice:
    """How a product is computed best.

    library: by BLAS; plan: the best of ours all the same; seconds: of ours, by the model
    """

    shape: Shape
    library: bool
    plan: Plan
    seconds: float
    blas_seconds: float

    def __str__(self) -> str:
        s = self.shape
        ways = f"{s.m}x{s.k}{'ᵀ' if s.ta else ''} @ {s.k}x{s.n}{'ᵀ' if s.tb else ''} {s.dtype}"
        times = f"{self.seconds * 1e6:.2f} us, BLAS {self.blas_seconds * 1e6:.2f} us"
        how = "BLAS" if self.library else self.plan
        return f"{ways}: {how}; {times}"


@functools.lru_cache(4096)
def choose(shape: Shape, machine: Machine | None = None) -> Choice:
    """The cheapest way to compute a product, on this machine where none is named.

    >>> zen4 = Machine(64, 32, True, True, 64)
    >>> choice = choose(Shape("float32", 0, 0, 32, 512, 784, 784, 512, 512, beta=0), zen4)
    >>> not choice.library and choice.seconds < choice.blas_seconds
    True
    """
    known = machine or host()
    best, plan = min(
        ((cycles(shape, p, known), p) for p in plans(shape, known)), key=lambda found: found[0]
    )
    blas = blas_cycles(shape, known)
    if blas < best and machine is None:
        blas = blas_cycles(shape, asked(known))  # loads BLAS: only where it may be wanted
    unit = 1e-9 / known.gigahertz
    return Choice(shape, blas < best, plan, best * unit, blas * unit)


def plans(shape: Shape, machine: Machine) -> Iterator[Plan]:
    """The plans worth looking at."""
    size = ITEM_BYTES[shape.dtype]
    for turned in (False, True):
        v = view(shape, turned)
        for lanes in _widths(machine.lanes(size), v.columns, 16 // size):
            for vectors in range(1, 5):
                if vectors > 1 and (vectors - 1) * lanes >= v.columns:
                    break
                for rows in tile_rows(_tallest(vectors, machine), v.rows):
                    tile = Plan(turned, rows, vectors, lanes, 0, False)
                    yield from _ordered(tile, v, machine, size)


def _widths(lanes: int, columns: int, narrowest: int) -> list[int]:
    """Lanes of vectors: all of them, or fewer where few columns would leave many unused.

    >>> _widths(16, 512, 4), _widths(16, 20, 4), _widths(16, 3, 4)
    ([16], [16, 8], [4])
    """
    while lanes // 2 >= columns and lanes > narrowest:
        lanes //= 2
    if columns % lanes and columns < 4 * lanes and lanes > narrowest:
        return [lanes, lanes // 2]
    return [lanes]


def _tallest(vectors: int, machine: Machine) -> int:
    """Rows of a tile whose sums stay in registers, beside a row of b and an element of a.

    >>> avx2 = Machine(32, 16, True, True, 64)
    >>> [_tallest(vectors, avx2) for vectors in (1, 2, 3, 4)]
    [12, 6, 4, 2]
    """
    free = machine.registers - vectors - 1
    return min(int(machine.registers * FILLED), free) // vectors


def tile_rows(most: int, rows: int) -> list[int]:
    """Heights of tiles: as many rows as the registers allow, even shares, powers of two.

    >>> tile_rows(12, 100)
    [12, 8, 4]
    >>> tile_rows(12, 10)
    [10, 8, 4]
    """
    most = max(1, min(most, 16))
    if rows <= most:
        even = max(rows, 1)
    else:
        even = -(-rows // -(-rows // most))
    found = dict.fromkeys((min(most, max(rows, 1)), even, 8, 4))
    return [r for r in found if r <= max(min(most, rows), 1)]


def _ordered(plan: Plan, v: View, machine: Machine, size: int) -> Iterator[Plan]:
    """The same tile with k in long panels or short ones, column by column or row by row.

    Turned round, weights are read along their rows.  Where sums wait for them, rows of whole pages
    are not cut: processors fetch ahead within a page, from its beginning on.
    """
    depth = max(v.depth, 1)
    long = _even(depth, LONGEST)
    short = _even(depth, max(PANEL_BYTES // (size * plan.width), 64))
    plan = replace(plan, fetched=not plan.turned and size * v.rows * v.columns >= machine.caches[1])
    paged = plan.turned and v.packed and machine.waits > 0 and size * depth >= PAGE
    if not v.packed or paged:
        yield replace(plan, panel=long)
    if (v.packed and not paged) or (not v.packed and short < long):
        yield replace(plan, panel=min(short, long))
    if not v.packed:
        yield replace(plan, panel=short, copied=True)
    if not v.packed and size * v.depth * v.columns <= machine.caches[1] // 4:
        yield replace(plan, panel=long, across=True, fetched=_fetched_along(plan, v, machine, size))
    for most in BLOCKS if machine.waits and not plan.turned else ():
        length = _even(depth, most)
        block = _block(plan.width, v.columns, machine.caches[1] // 4 // (size * length))
        if block > plan.width:
            yield replace(plan, panel=length, copied=True, fetched=False, block=block)


def _fetched_along(plan: Plan, v: View, machine: Machine, size: int) -> bool:
    """Whether c is fetched where tiles of one row follow each other.

    Rows that all fall into the same sets of the first-level cache would push each other out.
    """
    leaves = size * v.rows * v.columns > machine.caches[1] // 2
    apart = size * v.c[0] % (machine.caches[0] // machine.ways) != 0
    return machine.waits > 0 and not plan.turned and leaves and apart


def _block(width: int, columns: int, most: int) -> int:
    """Whole strips that make even shares of the columns, at most so many columns.

    >>> _block(64, 1024, 1024), _block(48, 1024, 1000), _block(64, 100, 40)
    (1024, 528, 0)
    """
    strips, fit = -(-columns // width), most // width
    return _even(strips, fit) * width if strips and fit else 0


def _even(depth: int, most: int) -> int:
    """The length of equal pieces of at most so many.

    >>> _even(10000, 1024)
    1000
    """
    return -(-depth // -(-depth // most))
