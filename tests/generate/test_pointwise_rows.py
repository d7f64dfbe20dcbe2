"""Every pointwise row on each target: value, first and second derivatives, beside mpmath.

All rows stand in one program, so that one kernel is compiled for each dtype.
"""

import functools

import mpmath as M
import numpy as np
import pytest

import symgrad as sg
from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.derive import derive_into
from symgrad.calculus.program import Program
from symgrad.language.row import TABLE
from symgrad.train.targets import TARGETS
from tests.calculus.test_derive import HELD, HIGHEST_ORDER
from tests.language.rows import BOOLEAN, arity
from tests.lower.programs import room

TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
POINTS = 6


def _logistic(x):
    return 1 / (1 + M.exp(-x))


def _sinc(x):
    return M.sin(x) / x if x else M.mpf(1)


DEFINITIONS = {
    "add": lambda *x: sum(x),
    "mul": lambda *x: functools.reduce(lambda a, b: a * b, x),
    "pow": M.power,
    "mod": lambda a, b: a - b * M.floor(a / b),
    "fmod": lambda a, b: a - b * M.sign(a / b) * M.floor(abs(a / b)),
    "floor_divide": lambda a, b: M.floor(a / b),
    "abs": abs,
    "sign": M.sign,
    "floor": M.floor,
    "ceiling": M.ceil,
    "heaviside": lambda x: (M.sign(x) + 1) / 2,
    "max": max,
    "min": min,
    "masked": lambda x, g: x if g else M.mpf(0),
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x, s: x if x > 0 else s * x,
    "hardtanh": lambda x, low, high: min(max(x, low), high),
    "gelu": lambda x: x * M.ncdf(x),
    "gelu_slope": lambda x: M.ncdf(x) + x * M.npdf(x),
    "mish": lambda x: x * M.tanh(M.log1p(M.exp(x))),
    "mish_slope": lambda x: M.diff(DEFINITIONS["mish"], x),
    "silu": lambda x: x * _logistic(x),
    "silu_slope": lambda x: _logistic(x) * (1 + x * _logistic(-x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "logit": lambda p: M.log(p / (1 - p)),
    "exp_product": lambda a, b: M.exp(a * b),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "round": M.nint,
    "trunc": lambda x: M.sign(x) * M.floor(abs(x)),
    "exp": M.exp,
    "log": M.log,
    "expm1": lambda x: M.exp(x) - 1,
    "log1p": lambda x: M.log(1 + x),
    **{name: getattr(M, name) for name in (
        "sin", "cos", "tan", "asin", "acos", "atan", "sech", "csch", "coth", "acot", "asec", "acsc",
        "acoth", "asech", "acsch", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "atan2", "erf", "erfc", "erfinv", "gamma", "digamma", "hypot", "beta")},
    "steady_tanh": M.tanh,
    "root_sum": lambda x, c: M.sqrt(x * x + c),
    "root_slope": lambda x, c: x / M.sqrt(x * x + c),
    "safe_sqrt": M.sqrt,
    "safe_inverse": lambda x: 1 / x,
    "xlogy": lambda x, y: x * M.log(y),
    "sinc": _sinc,
    "sinc_slope": lambda x: (M.cos(x) - _sinc(x)) / x,
    "sigmoid": _logistic,
    "logistic": _logistic,
    "scaled_sigmoid": lambda x: _logistic(x) * (2**64 if x < -1 else 1),
    "unscaled": lambda a, s, x: a * s * (M.mpf(2) ** -64 if x < -1 else 1),
    "logistic_slope": lambda x: _logistic(x) * (1 - _logistic(x)),
    "log_sigmoid": lambda x: M.log(_logistic(x)),
    "softplus": lambda x: M.log(1 + M.exp(x)),
    "cbrt": lambda x: M.sign(x) * M.cbrt(abs(x)),
    "logaddexp": lambda a, b: M.log(M.exp(a) + M.exp(b)),
    "logcosh": lambda x: M.log(M.cosh(x)),
    "lgamma": lambda x: M.log(abs(M.gamma(x))),
    "trigamma": lambda x: M.polygamma(1, x),
    "tetragamma": lambda x: M.polygamma(2, x),
    "pentagamma": lambda x: M.polygamma(3, x),
}  # fmt: skip
ROWS = [row for row in TABLE.values() if row.kind == "pointwise" and row.result != "bool"
        and row.name not in BOOLEAN and row.name not in HELD]  # fmt: skip


def test_every_pointwise_row_has_a_definition():
    assert {row.name for row in ROWS} == set(DEFINITIONS)


def program_of(rng, dtype):
    """Every row's value, first derivatives, and the derivatives of their sum."""
    outputs, arrays = {}, {}
    builder = Builder()
    for row in ROWS:
        symbols = [sg.data(f"{row.name}_{k}") for k in range(2 if row.variadic else arity(row))]
        x = [builder.value(builder.input(s, (), True)) for s in symbols]
        arrays |= {s: row.domain.sample(rng, k, (POINTS,)).astype(dtype)
                   for k, s in enumerate(symbols)}  # fmt: skip
        y = builder.apply(row.name, *x)
        outputs[row.name, 0, 0] = y
        order = HIGHEST_ORDER.get(row.name, 2)
        for n in range(1, order + 1):
            names = [v.operand for v in x]
            first = [builder.value(g) for g in derive_into(builder, y.operand, names)]
            outputs |= {(row.name, n, k): g for k, g in enumerate(first)}
            y = builder.apply("add", *first, 0)
            if not isinstance(y.operand, Name):
                break
    named = {"/".join(map(str, key)): v.operand if isinstance(v.operand, Name)
             else builder.constant(v.operand) for key, v in outputs.items()}  # fmt: skip
    return Program(builder.block(named)), arrays


def exact(name, x, n, k):
    """Of order n: the value, d/dx_k, or d/dx_k of the sum of the first derivatives."""
    f, rank = DEFINITIONS[name], len(x)
    unit = np.eye(rank, dtype=int)
    if n == 0:
        return f(*x)
    if n == 1:
        return M.diff(f, tuple(x), tuple(map(int, unit[k])))
    return sum(M.diff(f, tuple(x), tuple(map(int, unit[k] + unit[i]))) for i in range(rank))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_and_derivatives_are_mpmaths_on_both_targets(dtype, rng):
    program, arrays = program_of(rng, dtype)
    found = {}
    for target in ("reference", "cpu"):
        outputs = found[target] = room(program, dtype, POINTS, POINTS)
        executable = TARGETS[target](program, dtype, POINTS, {}, 1)
        executable.run(dict(arrays), None, 0, POINTS, outputs=outputs)
    wrong = []
    with M.workdps(40):
        for label in program.step.outputs:
            name, n, k = label.split("/")
            points = [a for s, a in arrays.items() if s.name.rpartition("_")[0] == name]
            for p in range(POINTS):
                at = [M.mpf(float(a[p])) for a in points]
                want = float(exact(name, at, int(n), int(k)))
                for target, outputs in found.items():
                    got = float(np.broadcast_to(outputs[label], (POINTS,))[p])
                    if abs(got - want) > TOLERANCE[dtype] * max(abs(want), 0.1):
                        wrong.append((target, label, [float(a) for a in at], got, want))
    assert not wrong, "\n".join(map(str, wrong[:40]))


POSITIVE = {"beta", "digamma", "trigamma", "tetragamma", "pentagamma"}  # not at their poles
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e30, -1e30, 1e-30, -1e-30]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_infinities_and_nan_on_both_targets(dtype):
    """Every pair of special values, beside NumPy's arithmetic in this dtype or in float64."""
    builder, outputs, arrays = Builder(), {}, {}
    symbols = [sg.data(f"x{k}") for k in range(3)]
    grid = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    for s, values in zip(symbols, [*grid, np.full(grid.shape[1], 0.5)], strict=True):
        arrays[s] = values.astype(dtype)
    x = [builder.value(builder.input(s, (), True)) for s in symbols]
    for row in ROWS:
        y = builder.apply(row.name, *x[: 2 if row.variadic else arity(row)])
        outputs[row.name] = y.operand
    program, n = Program(builder.block(outputs)), grid.shape[1]
    found = {}
    for target, kind in (("reference", "float64"), ("reference", dtype), ("cpu", dtype)):
        room_ = found[target, kind] = room(program, kind, n, n)
        given = {s: a.astype(kind) for s, a in arrays.items()}
        with np.errstate(all="ignore"):
            TARGETS[target](program, kind, n, {}, 1).run(given, None, 0, n, outputs=room_)
    wrong = []
    for name, want in found["reference", "float64"].items():
        got = np.float64(found["cpu", dtype][name])
        same = alike(got, want, dtype) | alike(got, found["reference", dtype][name], dtype)
        if name in POSITIVE:
            same |= ~((grid > 0) & (grid < 1e20))[: arity(TABLE[name])].all(0)
        if name == "sinc":  # NumPy's own rounds x/pi first
            same |= np.abs(got - want) < 1e-29
        wrong += [(name, grid[0, k], grid[1, k], got[k], want[k]) for k in np.flatnonzero(~same)]
    assert not wrong, "\n".join(map(str, wrong[:40]))


@np.errstate(all="ignore")
def alike(got, want, dtype):
    """Where a value is what it should be, as far as the dtype can say."""
    limits = np.finfo(dtype)
    large, small = np.abs(want) > limits.max, np.abs(want) < 4 * limits.tiny
    want = np.where(large, np.sign(want) * np.inf, want)
    close = np.abs(got - want) <= TOLERANCE[dtype] * np.abs(want)
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | close
    return same | (small & (np.abs(got) < 8 * limits.tiny))
