"""What a matrix product costs by a plan, and by BLAS, in cycles of one core.

Arithmetic, loads and memory overlap: the slowest of them counts.  What begins and ends a tile, and
packing, come on top.  The constants were fitted to tests/bench/matrix_products.py, which prints
estimates beside measurements.
"""

from __future__ import annotations

import math
from dataclasses import replace

from symgrad.generate.micro_machine import Machine
from symgrad.generate.micro_plan import Plan, Shape, View, column_tiles, row_counts, view
from symgrad.generate.micro_tile import Tile
from symgrad.generate.micro_turn import square
from symgrad.generate.micro_vectors import ITEM_BYTES

CALL = 15.0  # of the whole product
KIND = (0.01, 10000.0)  # of the rest, at most so much: each kind of tile more to be compiled
TILE = 8.0  # to begin and end a tile
LATE = 1.1  # as long as a multiply-add takes: sums that are just enough to hide it wait for loads
STORE = (1.0, 0.8)  # a vector of results, in tiles of one vector's width and of more
READ = (0.6, 1.0)  # a vector of results read first
PAGE, PAGES = 4096, 64  # bytes of a page; pages found at once
JUMP, NEXT, FAR = 14.0, 3.5, 1024  # to a row of c so far away: to any part of it, to the next one
FETCHED = 0.2  # what is left of that where c is fetched ahead
COPIED = 2.0  # to copy a vector into a panel
SECOND, LAST, MEMORY = 32.0, 25.0, 5.5  # bytes a cycle from the second-level cache and beyond
DISTANT = 12.0  # bytes a cycle from the last level for which sums wait
BEGIN = 100.0  # until a row of a comes from there
APART = 0.1  # of what takes less time than the rest does not overlap with it
TURNED = 0.4  # an element through the transposition of squares
TURN = 15.0  # to begin turning a tile
LINE, WAYS = 64, 8  # bytes of a line of cache; about as many make a set, on any level
BLAS_CALL, BLAS_RESULT, BLAS_RATE, BLAS_PANEL = 300.0, 0.3, 0.97, 256
BLAS_WAITS = 1 / 8  # of its arithmetic, where sums wait for the second-level cache
BLAS_PACKED = 134.0  # bytes that could be loaded instead, for each element that BLAS packs


def cycles(shape: Shape, plan: Plan, machine: Machine) -> float:
    """Estimated cycles of the micro-kernels.

    >>> zen4 = Machine(64, 32, True, True, 64)
    >>> shape = Shape("float32", 0, 0, 32, 512, 784, 784, 512, 512, beta=0)
    >>> round(cycles(shape, Plan(False, 8, 2, 16, 784, False), zen4), -4)
    990000.0
    """
    v, size = view(shape, plan.turned, plan.copied, plan.block > 0), ITEM_BYTES[shape.dtype]
    panels = max(1, math.ceil(v.depth / plan.panel))
    total = 0.0
    tiles = _tiles(plan, v, size)
    for tile, times in tiles:
        inner = v.depth * _inner(tile, plan, v, machine, size)
        reads = (panels - (shape.beta == 0)) * _reading(tile, plan, v, machine, size)
        outer = _outer(tile, plan, shape) + _beginning(tile, plan, v, machine, size)
        total += times * (inner + panels * outer + reads)
    total += min(KIND[0] * total, KIND[1]) * max(len(tiles) - 1, 0)
    work, memory = total + _packing(plan, v, machine, size), _memory(shape, machine, size)
    if memory:
        work += _exchanged(shape, panels, machine, size)
    return CALL + max(work, memory) + APART * min(work, memory)


def blas_cycles(shape: Shape, machine: Machine) -> float:
    """Estimated cycles of a library that packs both operands, as OpenBLAS does."""
    m, n, k = shape.m, shape.n, shape.k
    size = ITEM_BYTES[shape.dtype]
    wide = min(1.0, 2 * (machine.library or machine.vector_bytes) / machine.arithmetic)
    work = shape.work / (wide * machine.peak(size)) / BLAS_RATE * (1 + BLAS_WAITS * machine.waits)
    work += BLAS_PACKED / machine.loads * (m * k + k * n) + BLAS_RESULT * m * n
    if size * m * n > machine.caches[1]:  # c is waited for
        work += 2 * size * m * n / LAST
    memory = _memory(shape, machine, size)
    if memory:
        work += _exchanged(shape, math.ceil(k / BLAS_PANEL), machine, size)
    return BLAS_CALL + max(work, memory)


def _exchanged(shape: Shape, panels: int, machine: Machine, size: int) -> float:
    """Cycles that sums wait for a c that does not stay in the second-level cache."""
    moved = size * shape.m * shape.n * (2 * panels - (shape.beta == 0))
    return machine.waits * moved / DISTANT


def _tiles(plan: Plan, v: View, size: int) -> list[tuple[Tile, int]]:
    """The tiles of one panel and how many there are of each."""
    strips, heights = column_tiles(plan, v.columns, 16 // size), row_counts(plan, v.rows)
    return [(replace(t, rows=r), across * down) for t, across in strips for r, down in heights]


def _inner(tile: Tile, plan: Plan, v: View, machine: Machine, size: int) -> float:
    """Cycles for each k."""
    vector, rows = tile.lanes * size, tile.rows
    sums = rows * tile.vectors
    arithmetic = max(sums * vector / machine.arithmetic, sums / 2) * (1 if machine.fused else 2)
    loads = max(tile.vectors * vector / machine.loads, tile.vectors / machine.loads_per_cycle)
    loads += rows / machine.loads_per_cycle
    if not v.gathered and _thrashing(rows, v.a, machine, size):
        loads += rows * LINE / SECOND
    again, waiting = 0.0, _waiting(tile, plan, v, machine, size)
    panel = min(plan.panel, v.depth) * plan.width * size
    if plan.block or (machine.waits and v.packed and panel > machine.caches[0]):
        again = tile.vectors * vector / SECOND
    elif not v.packed:
        rate = _bandwidth(tile, plan, v, machine, size)
        again = tile.vectors * vector / rate
        if rate <= LAST:
            waiting += machine.waits * tile.vectors * vector / DISTANT
        waiting += _translated(v.b[0], min(plan.panel, v.depth), machine, size)
    if not v.gathered:
        waiting += _translated(v.a[1], v.depth, machine, size)
    longest = max(arithmetic, LATE * machine.latency, loads, again)
    return longest + APART * (loads + again) + waiting


def _waiting(tile: Tile, plan: Plan, v: View, machine: Machine, size: int) -> float:
    """Cycles for each k until elements of a are there that do not stay in the first-level cache.

    Where tiles of a row follow each other, its rows of a are near when the next tile takes them,
    or even in the first-level cache beside a strip.
    """
    length = min(plan.panel, v.depth) * size
    if v.rows * length <= machine.caches[0]:
        return 0.0
    moved = tile.rows * size + (0 if v.a[1] == 1 or v.gathered else LINE)
    first = moved / (DISTANT if _is_far(plan, v, machine, size) else SECOND)
    strips = _strips_of_a_row(plan, v)
    stays = (tile.width + tile.rows) * length <= machine.caches[0]
    again = 0.0 if stays else moved / SECOND
    return machine.waits * (first + again * (strips - 1)) / strips


def _beginning(tile: Tile, plan: Plan, v: View, machine: Machine, size: int) -> float:
    """Cycles for each tile and panel until its rows of a come: nobody knows where they begin."""
    if v.a[1] != 1 or plan.panel >= v.depth or not _is_far(plan, v, machine, size):
        return 0.0
    return machine.waits * tile.rows * BEGIN / _strips_of_a_row(plan, v)


def _is_far(plan: Plan, v: View, machine: Machine, size: int) -> bool:
    """Whether a panel's part of a leaves the second-level cache between two strips.

    Pages are fetched ahead by the processor.
    """
    length = min(plan.panel, v.depth) * size
    return v.rows * length > machine.caches[1] / 4 and (length < PAGE or v.a[1] != 1)


def _strips_of_a_row(plan: Plan, v: View) -> int:
    """For how many tiles rows of a come once."""
    return -(-(plan.block or v.columns) // plan.width) if plan.along else 1


def _translated(stride: int, rows: int, machine: Machine, size: int) -> float:
    """Cycles for each row to find pages, where the rows lie in too many for them to be known."""
    pages = stride * size / PAGE
    return machine.page * min(pages, 1.0) if rows * pages > PAGES else 0.0


def _reading(tile: Tile, plan: Plan, v: View, machine: Machine, size: int) -> float:
    """Cycles for each tile whose sums are added to c.

    Where c does not stay in the first-level cache, lines along a row come before they are asked
    for; from row to row they are waited for.
    """
    jumps = _jumps(tile, plan, v, machine, size) * (FETCHED if plan.fetched else 1.0)
    return tile.rows * tile.vectors * READ[tile.vectors > 1] + jumps


def _jumps(tile: Tile, plan: Plan, v: View, machine: Machine, size: int) -> float:
    if size * v.rows * v.columns <= machine.caches[0]:
        return 0.0
    rows, stride = (tile.columns, v.c[1]) if plan.turned else (tile.rows, v.c[0])
    along = plan.along != plan.turned
    return rows * (NEXT if along else JUMP) * min(stride * size / FAR, 1.0)


def _thrashing(rows: int, a: tuple[int, int], machine: Machine, size: int) -> bool:
    """Whether so many rows of a leave no line of the first-level cache to the rest of a set."""
    step = machine.caches[0] // machine.ways
    return rows >= machine.ways * step // math.gcd(a[0] * size, step)


def _bandwidth(tile: Tile, plan: Plan, v: View, machine: Machine, size: int) -> float:
    """Bytes a cycle at which a strip of b comes, by the cache that keeps it between its uses.

    A strip whose rows are a power of two apart fits only into the few sets that it falls into.
    """
    stride, width = v.b[0] * size, tile.width * size
    strip = min(plan.panel, v.depth) * width
    if plan.across:
        strip = v.depth * v.columns * size
    for cache, rate in zip(machine.caches, (machine.loads, SECOND, LAST), strict=True):
        shared = math.gcd(stride, cache // WAYS)
        held = 1.0 if plan.across else min(1.0, width / max(shared, 1))
        if strip <= cache * held / 2:
            return float(rate)
    return MEMORY


def _outer(tile: Tile, plan: Plan, shape: Shape) -> float:
    """Cycles for each tile and panel."""
    rows = tile.rows
    total = TILE + rows * tile.vectors * STORE[tile.vectors > 1]
    if plan.turned:
        side = square(shape.dtype)
        squares = -(-rows // side) * -(-tile.columns // side)
        total += TURN + side**2 * squares * TURNED
    return total


def _packing(plan: Plan, v: View, machine: Machine, size: int) -> float:
    """Cycles to copy b, and rows of a."""
    if not v.packed:
        return 0.0
    total = _strips(plan, v, machine, size) + _lines(plan, v, machine, size)
    if size * v.depth * v.columns > machine.caches[1] / 2:  # where sums wait, copies do, too
        total += machine.waits * size * v.depth * v.columns / DISTANT
    return total


def _lines(plan: Plan, v: View, machine: Machine, size: int) -> float:
    if not v.gathered:
        return 0.0
    each = -(-plan.rows // plan.lanes) * COPIED + _translated(v.a[1], v.depth, machine, size)
    return -(-v.columns // plan.block) * -(-v.rows // plan.rows) * v.depth * each


def _strips(plan: Plan, v: View, machine: Machine, size: int) -> float:
    width = plan.width
    if v.b[1] == 1:
        vectors = -(-v.columns // plan.lanes)
        return vectors * v.depth * COPIED + v.depth * _translated(v.b[0], v.depth, machine, size)
    elements = v.depth * -(-v.columns // plan.lanes) * plan.lanes
    strips = -(-v.columns // width) * -(-v.depth // plan.panel)
    return strips * TURN + elements * TURNED


def _memory(shape: Shape, machine: Machine, size: int) -> float:
    """Cycles to bring what does not stay in the second-level cache."""
    m, n, k = shape.m, shape.n, shape.k
    total = size * (m * k + k * n + m * n)
    if total <= machine.caches[1]:
        return 0.0
    moved = total + size * m * n
    return moved / (LAST if total <= machine.caches[2] else MEMORY)
