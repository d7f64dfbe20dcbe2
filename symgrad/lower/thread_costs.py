"""What statements cost a thread, in cycles: enough to tell whether sharing them pays.

Element loops take what their operations take in vectors, or what their memory takes; products
what their multiply-adds take.  The constants are right to within a factor of two on machines of
today: choices that are close do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.lower import costs
from symgrad.lower.expressions import accesses, roots, walk
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Alone,
    Apply,
    Axis,
    Barrier,
    Call,
    Collect,
    Comment,
    Distinct,
    Expression,
    Load,
    Loop,
    Number,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
)  # fmt: skip
from symgrad.lower.owners import EVERY, OWN, Owner
from symgrad.lower.processor import Processor

BARRIER = 2000.0  # until all threads know that all have come, on cores that share no cache
START = 60_000.0  # until other threads work, where a run is one step
FETCHED = 2000.0  # until the first of what another core has written comes
MOVED = 6.0  # bytes a cycle of it
SCALAR = 0.5  # operations a cycle where vectors are not used
SHORT = 8  # turns of a loop at most that is unrolled in a loop over vectors
MEMORY = 12.0  # bytes a cycle of what a loop reads and writes
SEARCH = 15.0  # cycles until a row is found among the distinct ones
CALLED = 0.5  # cycles of a library's routine, for each of n**2 k: n rows, k columns of a result
WIDTH, CALL = 16, 40.0  # columns of a product are filled up to so many; cycles around it


@dataclass(frozen=True)
class Team:
    """Those who share a step: how many threads, on what, and of how many samples at most."""

    threads: int
    batch: int
    processor: Processor


def cycles(s: Statement, team: Team) -> float:
    """Cycles of the busiest thread."""
    if isinstance(s, Alone):
        return sum(cycles(t, team) for t in s.body)
    if isinstance(s, Loop):
        times = _times(s.axis, team.batch)
        times = -(-times // team.threads) if s.shared else times
        return 2.0 + times * _turn(s, team)
    if isinstance(s, Product):
        return _product(s, team)
    if isinstance(s, Call):
        n, k = s.sizes
        return CALLED * n**2 * k * s.x.many * (team.batch if s.x.per_sample else 1)
    if isinstance(s, Collect):
        return s.buffer.nbytes / MEMORY / (team.threads if s.shared else 1)
    if isinstance(s, Distinct):
        return SEARCH
    return 0.0 if isinstance(s, Comment | Barrier | Prefetch) else _element(s) / SCALAR


def _times(axis: Axis, batch: int) -> int:
    """How often a loop runs; the samples of a tile are as many as it may have."""
    if axis.step > 1:
        return -(-(axis.extent or batch) // axis.step)
    if axis.extent is None:
        return batch if axis.stop is None else axis.limit
    return axis.extent


def _turn(loop: Loop, team: Team) -> float:
    """Cycles of one turn of a loop."""
    if all(not isinstance(t, Loop) or _is_short(t) for t in loop.body):
        return max(_arithmetic(loop.body, team), _moved(loop.body) / MEMORY)
    return sum(cycles(t, team) for t in loop.body)


def _is_short(loop: Loop) -> bool:
    inside = any(isinstance(t, Loop) for t in loop.body)
    return not inside and not loop.shared and (loop.axis.extent or SHORT + 1) <= SHORT


def _arithmetic(body: Sequence[Statement], team: Team) -> float:
    """Cycles of a turn in a vector of turns."""
    total = 0.0
    for s in body:
        if isinstance(s, Loop):
            total += _times(s.axis, team.batch) * _arithmetic(s.body, team)
        elif isinstance(s, Store | Update):
            bytes_of = ITEM_BYTES.get(s.buffer.dtype, 1)
            total += _element(s) * bytes_of / team.processor.multiplied
        else:
            total += cycles(s, team)
    return total


def _moved(body: Sequence[Statement]) -> float:
    """Bytes that a turn reads and writes, each element once."""
    elements, total = set(), 0.0
    for s in body:
        if isinstance(s, Loop):
            total += _times(s.axis, 1) * _moved(s.body)
        elif isinstance(s, Store | Update):
            elements |= {*accesses(s), (s.buffer, s.index)}
    return total + sum(ITEM_BYTES.get(b.dtype, 1) for b, _ in elements if not b.is_local)


def _element(s: Store | Update) -> float:
    """Additions, or what takes as long, of one element."""
    return 1.0 + sum(map(_operation, walk(roots(s))))


def _operation(x: Expression) -> float:
    if isinstance(x, Apply):
        if x.operation == "pow":
            return 2.0 if isinstance(x.operands[1], Number) else 20.0
        known = costs.is_primitive(x.operation)  # else a cast, a position, a clamped index
        return costs.pointwise(x.operation, x.operands) if known else 1.0
    return 0.5 if isinstance(x, Load) and not x.buffer.is_local else 0.0


def _product(s: Product, team: Team) -> float:
    whole = [s.longest(team.batch) if e is None else e for e in s.sizes]
    parts = [team.threads if s.shared == side else 1 for side in "mnk"]
    m, n, k = (-(-size // among) for size, among in zip(whole, parts, strict=True))
    size = ITEM_BYTES[s.c.buffer.dtype]
    filled = -(-n // WIDTH) * WIDTH * -(-m // 2) * 2
    work = filled * k * size / team.processor.multiplied
    return CALL + max(work, size * (m * k + k * n + m * n) / MEMORY)


def moved(owner: Owner, before: Owner, nbytes: int, threads: int) -> float:
    """Cycles to fetch what other threads wrote: elements of this owner, written by that one."""
    if owner == before or OWN in (owner, before):
        return 0.0
    read = nbytes if owner == EVERY else nbytes / threads
    return FETCHED + read * (threads - 1) / threads / MOVED


def padded(items: int, dtype: str) -> int:
    """So many items or a little more, which fill whole lines of the cache."""
    line = 64 // ITEM_BYTES[dtype]
    return math.ceil(items / line) * line
