"""Where values are known to lie, so that a pole that cannot be met needs no guard.

    mean(c**2) + 1e-5    lies in [1e-5, oo], and its root's derivative is finite there

Bounds hold wherever all inputs are finite and nothing before has met a pole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgrad.calculus.block import Equation, Name, Operand
from symgrad.language.row import TABLE

Interval: TypeAlias = tuple[float, float]  # smallest and largest, both included
ANY, POSITIVE, UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)
LARGEST = 1e30  # what a derivative may be to be far from the end of float32's range
SMALLEST = 1 / LARGEST
STEEPEST = 60.0  # exp(60) = 1e26


def poles(inputs: Mapping[sp.Symbol, Name], equations: Sequence[Equation]) -> set[Name]:
    """The names of equations whose value or derivative may be infinite at finite operands."""
    guarded = [e for e in equations if TABLE[e.operation].may_be_infinite(e.operands)]
    if not any(e.operation in FINITE for e in guarded):
        return {e.name for e in guarded}
    known = intervals(inputs, equations)
    return {e.name for e in guarded if not _is_finite(e, known)}


def intervals(
    inputs: Mapping[sp.Symbol, Name], equations: Sequence[Equation]
) -> dict[Name, Interval]:
    """Bounds of every name's elements.

    >>> import symgrad as sg
    >>> from symgrad.calculus.capture import capture
    >>> block = capture({"y": sg.mean(sg.data("x", shape=3)**2) + 2})
    >>> intervals(block.inputs, block.equations)[block.outputs["y"]]
    (2.0, inf)
    """
    known: dict[Name, Interval] = {name: _given(symbol) for symbol, name in inputs.items()}
    for e in equations:
        rule = RULES.get(e.operation)
        known[e.name] = rule(e, [_of(x, known) for x in e.operands]) if rule else ANY
    return known


def _is_finite(e: Equation, known: Mapping[Name, Interval]) -> bool:
    rule = FINITE.get(e.operation)
    return rule is not None and rule(*(_of(x, known) for x in e.operands))


def _of(x: Operand, known: Mapping[Name, Interval]) -> Interval:
    if isinstance(x, Name):
        return known[x]
    value = float(x) if x.is_extended_real else math.nan
    return ANY if math.isnan(value) else (value, value)


def _given(symbol: sp.Symbol) -> Interval:
    """A constant's smallest and largest element; nothing is known of other inputs."""
    value = symbol.value if getattr(symbol, "role", "") == "constant" else ()
    if not np.size(value) or np.isnan(value).any():
        return ANY
    return float(np.min(value)), float(np.max(value))


# ---- the bounds of a result


def _add(e: Equation, x: list[Interval]) -> Interval:
    low, high = (math.fsum(ends) if all(map(math.isfinite, ends)) else sum(ends)
                 for ends in zip(*x, strict=True))  # fmt: skip
    return low, high


def _mul(e: Equation, x: list[Interval]) -> Interval:
    found = (1.0, 1.0)
    for each in x:
        found = _product(found, each)
    return found


def _product(a: Interval, b: Interval) -> Interval:
    ends = [0.0 if 0 in (p, q) else p * q for p in a for q in b]
    return min(ends), max(ends)


def _pow(e: Equation, x: list[Interval]) -> Interval:
    (low, high), (exponent, last) = x
    if exponent != last or not math.isfinite(exponent):
        return ANY
    if exponent % 2 == 0:
        low, high = _size(low, high)
    if low < 0:
        return ANY
    ends = _power(low, exponent), _power(high, exponent)
    return min(ends), max(ends)


def _power(x: float, exponent: float) -> float:
    if x == 0 and exponent < 0:
        return math.inf
    try:
        return x**exponent
    except OverflowError:
        return math.inf


def _size(low: float, high: float) -> Interval:
    """The bounds of |x|."""
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _exp(low: float, high: float) -> Interval:
    return _exponential(low), _exponential(high)


def _exponential(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def _sum(e: Equation, x: list[Interval]) -> Interval:
    """Of a number of terms that is not looked at, one or more."""
    low, high = x[0]
    return (0.0 if low >= 0 else -math.inf), (0.0 if high <= 0 else math.inf)


def _reduced(e: Equation, x: list[Interval]) -> Interval:
    """A mean or an extreme; of an empty list it is 0."""
    is_list = not all(isinstance(s, int) for s in getattr(e.operands[0], "shape", ()))
    return _with_zero(e, x) if is_list else x[0]


def _with_zero(e: Equation, x: list[Interval]) -> Interval:
    return min(x[0][0], 0.0), max(x[0][1], 0.0)


def _einsum(e: Equation, x: list[Interval]) -> Interval:
    """x . x is not negative, nor are sums of products of what is not."""
    terms = e.attribute("subscripts").split("->")[0].split(",")
    is_square = len(x) == 2 and e.operands[0] is e.operands[1] and terms[0] == terms[1]
    return POSITIVE if is_square or all(low >= 0 for low, _ in x) else ANY


def _either(e: Equation, x: list[Interval]) -> Interval:
    lows, highs = zip(*x, strict=True)
    return min(lows), max(highs)


def _extreme(which: Any) -> Callable[[Equation, list[Interval]], Interval]:
    def bounds(e: Equation, x: list[Interval]) -> Interval:
        lows, highs = zip(*x, strict=True)
        return which(lows), which(highs)

    return bounds


def _always(*bounds: float) -> Callable[[Equation, list[Interval]], Interval]:
    return lambda e, x: (bounds[0], bounds[1])


def _first(e: Equation, x: list[Interval]) -> Interval:
    return x[0]


# fmt: off
RULES: dict[str, Callable[[Equation, list[Interval]], Interval]] = {
    "add": _add, "mul": _mul, "pow": _pow, "sum": _sum, "einsum": _einsum,
    "max": _extreme(max), "min": _extreme(min), "concatenate": _either, "unslice": _with_zero,
    "select": lambda e, x: _either(e, x[1:]),
    "exp":    lambda e, x: _exp(*x[0]),
    "abs":    lambda e, x: _size(*x[0]),
    "relu":   lambda e, x: (max(x[0][0], 0.0), max(x[0][1], 0.0)),
    **dict.fromkeys(("mean", "amax", "amin"), _reduced),
    **dict.fromkeys(("expectation", "reshape", "transpose", "slice", "gather",
                     "broadcast_to", "batch", "own", "converse", "stop_gradient"), _first),
    **dict.fromkeys(("sigmoid", "logistic", "softmax", "indicator"), _always(*UNIT)),
    **dict.fromkeys(("sin", "cos", "tanh", "erf", "sign"), _always(-1.0, 1.0)),
    **dict.fromkeys(("softplus", "safe_sqrt", "logcosh"), _always(*POSITIVE)),
    "cosh": _always(1.0, math.inf),
}
# Whether a value and its derivative are finite, by the operands' bounds.
FINITE: dict[str, Callable[..., bool]] = {
    "pow":       lambda x, n: n[0] == n[1] and x[0] >= 0 and _power(x[0], n[0] - 1) < LARGEST,
    "log":       lambda x: x[0] > SMALLEST,
    "log1p":     lambda x: x[0] >= -0.5,
    "safe_sqrt": lambda x: x[0] > SMALLEST,
    "exp":       lambda x: x[1] < STEEPEST,
    "expm1":     lambda x: x[1] < STEEPEST,
    "sinh":      lambda x: max(-x[0], x[1]) < STEEPEST,
    "cosh":      lambda x: max(-x[0], x[1]) < STEEPEST,
}
# fmt: on
