"""Elementary functions that SymPy has no word for, or none that keeps its digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language import reciprocals  # noqa: F401  (its rows)
from symgrad.language.choice import where
from symgrad.language.pointwise import HALF, Pointwise, register_heads
from symgrad.language.row import Domain, Row, op, register
from symgrad.language.scipy_special import special
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import HEADS, sympify

THIRD = sp.Rational(1, 3)
MOST_WRITTEN_OUT = 2**16  # exponents of 2 that are numbers


class cbrt(Pointwise):
    """The real cube root, of negative numbers too."""


class safe_sqrt(Pointwise):
    """sqrt(x) with the derivative 0 at 0, as torch has it in norms and standard deviations."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\sqrt{{{printer._print(self.args[0])}}}"
        return f"{{{text}}}^{{{exp}}}" if exp else text


class safe_inverse(Pointwise):
    """1/x, and 0 where x is 0."""


class sinc_slope(Pointwise):
    """The derivative of SymPy's sinc, with all its digits near 0."""


class hypot(Pointwise):
    """sqrt(a**2 + b**2) without overflow."""


class logaddexp(Pointwise):
    """log(exp(a) + exp(b)), stable."""


class xlogy(Pointwise):
    """x*log(y), and 0 where x is 0."""


class logcosh(Pointwise):
    """log(cosh(x)), without overflow and exact for small x."""


class log1p(Pointwise):
    """log(1 + x), exact for small x."""


class logit(Pointwise):
    """log(p/(1 - p)), the inverse of `sg.sigmoid`."""


class expm1(Pointwise):
    """exp(x) - 1, exact for small x."""


def _safe_inverse(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, 0, np.divide(1, np.where(x == 0, 1, x), dtype=np.asarray(x).dtype))


def _expand_hypot(a: Any, b: Any) -> Any:
    a, b = op.abs(a), op.abs(b)
    large, small = op.max(a, b), op.min(a, b)
    scaled = large * (1 + (small / large) ** 2) ** HALF
    infinite = getattr(op, "or")(op.eq(a, sp.oo), op.eq(b, sp.oo))  # also beside NaN
    return op.select(infinite, sp.oo, op.select(op.eq(large, 0), 0, scaled))


def _expand_logaddexp(a: Any, b: Any) -> Any:
    apart = op.max(a, b) + op.softplus(-op.abs(a - b))
    return op.select(op.eq(a, b), a + sp.log(2), apart)  # also where both are infinite


def _logcosh(x: Any) -> Any:
    size = np.abs(x)
    far = size + np.log1p(np.exp(-2 * size)) - np.log(2)
    return np.where(size < 1, np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2), far)


def _logit(p: np.ndarray) -> np.ndarray:
    """2 artanh(2 p - 1) near 1/2, where p/(1 - p) is rounded to a number near 1."""
    p = np.asarray(p)
    near = np.abs(p - 0.5) < 0.25
    middle = 2 * np.arctanh(np.where(near, 2 * p - 1, 0))
    return np.where(near, middle, np.log(p / (1 - p))).astype(p.dtype)


def _xlogy_pull(g: Any, y: Any, x: Any, z: Any) -> Any:
    nothing = getattr(op, "and")(op.eq(x, 0), op.le(z, 0))
    return g * op.select(nothing, 0, op.log(z))


def _series(x: Any, start: int, number: Callable[..., Any] = sp.Rational) -> Any:
    """sinc's power series for |x| < 1 (start 0), or its derivative's (start 1)."""

    def coefficient(k: int) -> Any:
        return number(sp.Rational((-1) ** k * (2 * k if start else 1), sp.factorial(2 * k + 1)))

    square, value = x**2, coefficient(9)
    for k in range(8, start - 1, -1):
        value = value * square + coefficient(k)
    return value * x if start else value


def _expand_sinc_slope(x: Any) -> Any:
    apart = (op.cos(x) - op.sinc(x)) / x
    return op.select(op.lt(op.abs(x), 1), _series(x, 1), apart)


def _sinc_slope(x: np.ndarray) -> np.ndarray:
    apart = (np.cos(x) - np.sinc(x / np.pi)) / x
    return np.where(np.abs(x) < 1, _series(x, 1, float), apart)


def _sinc_slope_pull(g: Any, y: Any, x: Any) -> Any:
    from symgrad.calculus.splice import pull_through

    return pull_through(_expand_sinc_slope, 0, g, [x], {})


# fmt: off
register(
    Row("cbrt", "pointwise", np.cbrt, (lambda g, y, x: g*THIRD/y**2,), head=cbrt, guarded=True),
    Row("safe_sqrt", "pointwise", np.sqrt,
        (lambda g, y, x: g*HALF*op.safe_inverse(y),), head=safe_sqrt, guarded=True,
        domain=Domain(((0.1, 3.0),)), expand=lambda x: x**HALF),
    Row("safe_inverse", "pointwise", _safe_inverse, (lambda g, y, x: -g*y**2,), head=safe_inverse,
        domain=Domain(((0.2, 3.0),)), expand=lambda x: op.select(op.eq(x, 0), 0, 1/x)),
    Row("hypot", "pointwise", np.hypot,
        (lambda g, y, a, b: g*a/y, lambda g, y, a, b: g*b/y), head=hypot, guarded=True,
        expand=_expand_hypot),
    Row("logaddexp", "pointwise", np.logaddexp,
        (lambda g, y, a, b: g*op.logistic(a - b), lambda g, y, a, b: g*op.logistic(b - a)),
        head=logaddexp, expand=_expand_logaddexp),
    Row("logcosh", "pointwise", _logcosh, (lambda g, y, x: g*op.steady_tanh(x),), head=logcosh),
    Row("logit", "pointwise", _logit, (lambda g, y, p: g/(p*(1 - p)),), head=logit, guarded=True,
        domain=Domain(((0.05, 0.95),))),
    Row("xlogy", "pointwise", special("xlogy"),
        (_xlogy_pull, lambda g, y, x, z: g*x/z), head=xlogy, guarded=True,
        domain=Domain(((-2.0, 2.0), (0.2, 3.0))),
        expand=lambda x, z: op.select(op.eq(x, 0), op.select(op.eq(z, z), 0, z),
                                      x*op.log(z))),
    Row("sinc", "pointwise", lambda x: np.sinc(x/np.pi), (lambda g, y, x: g*op.sinc_slope(x),),
        head=sp.sinc, domain=Domain(((-4.0, 4.0),)),
        expand=lambda x: op.select(op.lt(op.abs(x), 1), _series(x, 0), op.sin(x)/x)),
    # for small x (cos(x) - sinc(x))/x cancels, and its series has the digits
    Row("sinc_slope", "pointwise", _sinc_slope, (_sinc_slope_pull,), head=sinc_slope,
        domain=Domain(((-4.0, 4.0),)), expand=_expand_sinc_slope),
)
# fmt: on

HEADS.update({log1p: "log1p", expm1: "expm1"})
register_heads()


def square(x: Any) -> sp.Expr:
    """x**2."""
    return sympify(x) ** 2


def rsqrt(x: Any) -> sp.Expr:
    """1/sqrt(x)."""
    return sympify(x) ** -HALF


def exp2(x: Any) -> sp.Expr:
    """2**x.

    >>> import symgrad as sg
    >>> sg.exp2(sg.data("x"))
    2**x
    """
    x = sympify(x)
    if x.is_Number and x.is_finite and abs(x) > MOST_WRITTEN_OUT:
        raise ValueError(
            f"sg.exp2: 2**({x}) is beyond every dtype, and SymPy would write out its digits: "
            f"numbers are from -{MOST_WRITTEN_OUT} to {MOST_WRITTEN_OUT}"
        )
    return sp.Pow(2, x)


def log2(x: Any) -> sp.Expr:
    """The logarithm of base 2."""
    return sp.log(sympify(x)) / sp.log(2)


def log10(x: Any) -> sp.Expr:
    """The logarithm of base 10."""
    return sp.log(sympify(x)) / sp.log(10)


def sinc(x: Any) -> sp.Expr:
    """sin(pi x)/(pi x) as in torch and NumPy; SymPy's `sinc` has no pi.

    >>> import symgrad as sg
    >>> sg.sinc(sg.data("x"))
    sinc(pi*x)
    """
    return sp.sinc(sp.pi * sympify(x))


def lerp(start: Any, end: Any, weight: Any) -> sp.Expr:
    """start + weight (end - start)."""
    start = anonymous(sympify(start))
    return start + sympify(weight) * (sympify(end) - start)


def clamp(x: Any, min: Any = None, max: Any = None) -> sp.Expr:
    """x, but at least `min` and at most `max`; the derivative is 1 on the bounds, as in torch.

    >>> import symgrad as sg
    >>> x = sg.data("x")
    >>> sg.clamp(x, 0, 1)
    Piecewise((0, x < 0), (1, x > 1), (x, True))
    """
    if min is None and max is None:
        raise ValueError("sg.clamp wants a lower bound, an upper bound, or both")
    x = anonymous(sympify(x))
    low, high = (z if z is None else anonymous(sympify(z)) for z in (min, max))
    if high is None:
        return where(x < low, low, x)
    kept = where(x > high, high, x)
    if low is None:
        return kept
    crossed = low > high
    if crossed == sp.true:  # numbers; the choice keeps x's shape
        low, crossed = high, sp.false
    return where(crossed, high, where(x < low, low, kept))
