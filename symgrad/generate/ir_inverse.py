"""1/x in every lane without the processor's divider.

    r = an estimate of 14 bits;   e = x r - 1;   r := r - e r, with twice as many, and so on

A divider takes a vector in 16 cycles, and chains of multiply-adds that wait for it leave their
units idle.  Of a loop's divisions so many are done by estimates that both are busy equally long.
Where the estimate is 0, infinite or NaN, or 1/x beyond the largest number, it is the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from symgrad.generate.ir_text import Lines, Value, constant, suffix_of
from symgrad.generate.powers import exponent_of, is_inverse
from symgrad.generate.size import size_of
from symgrad.lower.costs import COST
from symgrad.lower.expressions import roots, walk
from symgrad.lower.kernel import Apply, Statement, statements

UNITS = 2  # that multiply and add
FUSED = 0.6  # instructions for each operation: multiplications join additions
FUNCTION = 2  # those of a function's formula, for each addition that it costs
LONGEST = 2  # additions that an operation costs which is no function
CLEARLY = 0.9  # of the time without estimates: the instructions are only guessed
DIVISION = 3  # instructions that a division is for these units


@dataclass(frozen=True, slots=True)
class Estimate:
    """suffix: of LLVM's function; mask: the type of what says which lanes are wanted
    steps:   until at most the last bit is wrong
    divider: cycles of a division
    """

    suffix: str
    mask: str
    steps: int
    divider: float

    @property
    def instructions(self) -> int:
        """The estimate takes as many as a division; one compares."""
        return DIVISION + 1 + 2 * self.steps


ESTIMATES = {  # by dtype and lanes
    ("float64", 8): Estimate("pd.512", "i8", 2, 16.0),
    ("float32", 16): Estimate("ps.512", "i16", 1, 10.0),
}


def estimated(body: Sequence[Statement], lanes: int) -> Mapping[str, Iterator[bool]]:
    """By dtype, of the divisions of a body in turn, whether they are done by estimates.

    Formulas of functions have divisions of their own, but for each so much arithmetic that the
    divider does not hold them up.
    """
    made = [x for x in walk([x for s in statements(tuple(body)) for x in roots(s)])
            if isinstance(x, Apply)]  # fmt: skip
    found = Counter(x.dtype for x in made if is_inverse(x) and exponent_of(x) == -1)
    costs = [COST.get(x.operation, 0) for x in made]
    work = FUSED * size_of(body) + FUNCTION * sum(cost for cost in costs if cost > LONGEST)
    return {
        dtype: _spread(share(ESTIMATES[dtype, lanes], work, n), n)
        for dtype, n in found.items()
        if (dtype, lanes) in ESTIMATES
    }


def share(way: Estimate, work: float, n: int) -> int:
    """How many of n divisions are done by estimates, beside so many instructions.

    >>> share(ESTIMATES["float64", 8], 60, 3), share(ESTIMATES["float64", 8], 80, 3)
    (1, 0)
    """

    def cycles(k: int) -> float:
        others = work + DIVISION * (n - k) + way.instructions * k
        return max(way.divider * (n - k), others / UNITS)

    k = min(range(n + 1), key=cycles)
    return k if cycles(k) < CLEARLY * cycles(0) else 0


def _spread(k: int, n: int) -> Iterator[bool]:
    """k of n, evenly.

    >>> [*_spread(2, 5)]
    [False, False, True, False, True]
    """
    return ((i + 1) * k // n > i * k // n for i in range(n))


def inverse(lines: Lines, x: Value) -> Value:
    """1/x."""
    way = ESTIMATES[x.dtype, x.lanes]

    def made(code: str, dtype: str = x.dtype) -> Value:
        return lines.value(code, dtype, x.lanes)

    def fused(a: Value, b: Value, c: Value) -> Value:
        name = f"@llvm.fma.{suffix_of(x.dtype, x.lanes)}"
        return made(f"call {x.type} {name}({a.typed}, {b.typed}, {c.typed})")

    one, minus = (constant(k, x.dtype, x.lanes) for k in (1, -1))
    given = f"{x.typed}, {x.type} zeroinitializer, {way.mask} -1"
    r = made(f"call {x.type} @llvm.x86.avx512.rcp14.{way.suffix}({given})")
    improves = None
    for _ in range(way.steps):
        error = fused(x, r, minus)
        improves = improves or made(f"fcmp olt {error.typed}, {one.text}", "bool")
        better = fused(made(f"fneg {error.typed}"), r, r)
        r = made(f"select {improves.typed}, {better.typed}, {r.typed}")
    return r
