"""Rows that are composed of others, in kernels against mpmath: at most 4 units in the last place.

Of the exact value, but for `SCALES`: these are differences, and their units are those of the terms.
"""

import math

import mpmath as mp
import numpy as np
import pytest

import symgrad as sg
from symgrad.build import build
from symgrad.calculus.builder import Builder
from symgrad.calculus.program import Program
from symgrad.generate.cpu import generate
from symgrad.language.row import TABLE
from symgrad.lower.driver import lower
from tests.generate.test_pointwise_rows import DEFINITIONS, ROWS
from tests.generate.test_vector_math import DTYPES, MOST_ULPS, numbers
from tests.language.rows import arity

BY_STEPS = {"heaviside", "floor_divide", "fmod"}  # whole numbers, and remainders: tested bit by bit
COMPOSED = [row.name for row in ROWS if row.expand and row.name not in BY_STEPS]
N = 400
# what mpmath would need thousands of digits for
EXACT = DEFINITIONS | {
    "sinc_slope": lambda x: DEFINITIONS["sinc_slope"](x) if abs(x) > 1e-20 else -x / 3,
}
# the size of what is subtracted: (operands, value) -> size
SCALES = {
    "logaddexp": lambda a, b, y: max(abs(a), abs(b), abs(y)),
    "silu_slope": lambda x, y: max(1, abs(x)) / (1 + mp.exp(-x)),
    "sinc_slope": lambda x, y: 1 / abs(x) if abs(x) > 1 else y,
    "beta": lambda a, b, y: y * (1 + sum(abs(mp.loggamma(x)) for x in (a, b, a + b))),
}
STEEP = {"tetragamma": 5, "pentagamma": 5}  # sums of powers that are rounded several times each
BELOW_0 = {"trigamma", "tetragamma", "pentagamma", "beta"}  # not next to their poles


def operands(rng, row, dtype):
    """Numbers of every size where the function is one."""
    found = []
    for k in range(arity(row)):
        x = rng.permutation(numbers(rng, dtype, -60, 60, N // 3))[:N]
        if row.name in ("asec", "acsc", "acoth"):
            x = np.where(abs(x) < 1, 1 + abs(x), x)
        if row.name in ("asech", "acsch"):  # 1/x is a number
            x = np.clip(
                np.where(abs(x) > 1, 1 / np.maximum(abs(x), 1), abs(x)), 4 * np.finfo(dtype).tiny, 1
            )
        positive = row.name in BELOW_0 or row.name == "safe_sqrt" or (k and row.name in (
            "xlogy", "root_sum", "root_slope"))  # fmt: skip
        if row.name in ("root_sum", "root_slope"):  # x**2 + c as it is written, without underflow
            low = 2.0 ** (np.finfo(dtype).minexp // 4)
            x = np.where(abs(x) < low, low, x)
        found.append((abs(x) if positive else x).astype(dtype))
    return found


@pytest.fixture(scope="module", params=DTYPES)
def computed(request):
    """The dtype, and of each row its operands and what one kernel with all rows makes of them."""
    dtype, rng = request.param, np.random.default_rng(0)
    builder, given, outputs, known = Builder(), {}, {}, {}
    for name in COMPOSED:
        known[name] = operands(rng, TABLE[name], dtype)
        symbols = [sg.data(f"{name}_{k}") for k in range(len(known[name]))]
        given |= zip(symbols, known[name], strict=True)
        x = [builder.value(builder.input(s, (), True)) for s in symbols]
        outputs[name] = builder.apply(name, *x).operand
    program = Program(builder.block(outputs))
    found = {name: np.zeros(N, dtype) for name in COMPOSED}
    build(generate(lower(program, dtype, N))).run(given, None, 0, N, outputs=found)
    return dtype, {name: (known[name], found[name]) for name in COMPOSED}


def units(y, exact, scale, dtype):
    """How far y is from the exact value, in units of the last place of a number of that size."""
    format = np.finfo(dtype)
    largest = mp.mpf(float(format.max))
    if abs(exact) >= largest:
        return 0.0 if not math.isfinite(y) or abs(y) >= largest * 0.999999 else math.inf
    exponent = max(mp.frexp(scale)[1] - 1 if scale else -math.inf, format.minexp)
    return float(abs(mp.mpf(float(y)) - exact) / mp.mpf(2) ** (exponent - format.nmant))


def exact_or_none(name, at):
    """None at a pole."""
    try:
        exact = EXACT[name](*at)
    except (ValueError, ZeroDivisionError):
        return None
    return exact if mp.isfinite(exact) else None


@pytest.mark.parametrize("name", COMPOSED)
def test_accuracy(name, computed, share):
    dtype, results = computed
    (values, found), worst = results[name], (0.0,)
    with mp.workprec(300):
        for y, *x in zip(*(a[: share(N)] for a in (found, *values)), strict=True):
            at = [mp.mpf(float(v)) for v in x]
            exact = exact_or_none(name, at)
            if exact is not None:
                scale = SCALES[name](*at, exact) if name in SCALES else exact
                worst = max(worst, (units(y, exact, scale, dtype), *map(float, (*x, y, exact))))
    assert worst[0] <= STEEP.get(name, MOST_ULPS), worst
