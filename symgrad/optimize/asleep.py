"""What a rule does to rows whose gradient is 0: nothing, or what can be made up for later.

A rule of elementwise operations is asked with a scalar p and scalar states, and g = 0.  Where the
new values are linear in the old ones, k steps are the k-th power of a matrix:

    (p, v) <- A (p, v)   k times:   A**k = s(k) A - det(A) s(k - 1)
                                    s(k) = (l1**k - l2**k)/(l1 - l2)

with the eigenvalues l1, l2 of A (Cayley and Hamilton).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from symgrad.language.elementary import expm1, log1p
from symgrad.language.symbols import step
from symgrad.optimize.rule import Rule

P = sp.Symbol("p", real=True)
TINY = 1e-100  # half the distance of two eigenvalues, at least


def without_gradient(rule: Rule, numbers: Mapping[str, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    """A scalar parameter and its states, each with its new value where the gradient is 0."""
    states = {k: sp.Symbol(k, real=True) for k in rule.state}
    new, after = rule.new_values(P, sp.Integer(0), states, numbers)
    return {P: new, **{states[k]: e for k, e in after.items()}}


def is_row_local(rule: Rule, numbers: Mapping[str, sp.Expr]) -> bool:
    """Whether parameter and states stay as they are where the gradient is 0.

    >>> is_row_local(Rule(lambda p, g, s: (p - g / sp.sqrt(s + g**2), s + g**2), {}, {"s": 0}), {})
    True
    >>> is_row_local(Rule(lambda p, g, s: (p - s, s / 2 + g), {}, {"s": 0}), {})
    False
    """
    new = without_gradient(rule, numbers)
    return all(value == old or sp.expand(value - old) == 0 for old, value in new.items())


def caught_up(rule: Rule, numbers: Mapping[str, sp.Expr], values: Any, steps: Any) -> list[sp.Expr]:
    """The values of a parameter and its states after so many steps without a gradient.

    values: p and the states in their order; steps: a whole number, which may be an expression.
    Raises ValueError in prose for a rule that has no closed form here.
    """
    A = _matrix(rule, numbers)
    moved = [A[0][0] ** steps * values[0]] if len(A) == 1 else _power(A, values, steps)
    awake = sp.Eq(steps, 0)  # and numbers for which there is no power of -1 do not matter
    return [sp.Piecewise((old, awake), (new, True)) for old, new in zip(values, moved, strict=True)]


def _matrix(rule: Rule, numbers: Mapping[str, sp.Expr]) -> list[list[sp.Expr]]:
    new = without_gradient(rule, numbers)
    old = list(new)
    rows = []
    for value in map(sp.expand, new.values()):
        row = [value.coeff(z) for z in old]
        rest = sp.expand(value - sum(a * z for a, z in zip(row, old, strict=True)))
        if rest != 0 or any(a.has(*old) for a in row):
            raise ValueError(_refusal(rule, f"is not linear in {', '.join(map(str, old))}"))
        if any(a.has(step) for a in row):
            raise ValueError(_refusal(rule, "depends on the step (a schedule, a dampening)"))
        if any(getattr(s, "shape", ()) for a in row for s in a.free_symbols):
            raise ValueError(_refusal(rule, "has numbers that differ from element to element"))
        rows.append(row)
    if len(rows) > 2:
        raise ValueError(_refusal(rule, f"has {len(rows) - 1} states, and at most one is solved"))
    return rows


def _refusal(rule: Rule, why: str) -> str:
    return (
        f"{rule.name}: lazy='catch_up' wants a rule whose steps without a gradient have a closed "
        f"form, and here such a step {why}; lazy=False is exact and updates the whole table, "
        "lazy=True updates the touched rows only"
    )


def _power(A: list[list[sp.Expr]], values: Any, k: Any) -> list[sp.Expr]:
    """A**k times two values, k from 1."""
    (a, b), (c, d) = A
    det, half = a * d - b * c, (a + d) / 2
    apart = half**2 - det
    root = sp.sqrt(sp.Max(sp.Abs(apart), TINY**2))
    one, det_other = _sequence(half, root, det, apart, k), det
    before = _sequence(half, root, det, apart, k - 1)
    p, v = values
    return [
        (one * a - det_other * before) * p + one * b * v,
        one * c * p + (one * d - det_other * before) * v,
    ]


def _sequence(half: Any, root: Any, det: Any, apart: Any, k: Any) -> sp.Expr:
    """s(k), also where the eigenvalues are close together, or complex."""
    larger = half + sp.Piecewise((root, half >= 0), (-root, True))
    ratio = det / larger**2
    close = log1p(-2 * root / sp.Abs(larger))  # log(ratio), to the last digit near 0
    geometric = sp.Piecewise(
        (expm1(k * close) / expm1(close), ratio > sp.Rational(1, 2)),
        ((1 - ratio**k) / (1 - ratio), True),
    )
    angle = sp.atan2(root, half)
    turning = sp.sqrt(sp.Abs(det)) ** (k - 1) * sp.sin(k * angle) / sp.sin(angle)
    return sp.Piecewise((larger ** (k - 1) * geometric, apart >= 0), (turning, True))
