"""Activations in the language itself, with torch's names, numbers and kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.choice import where
from symgrad.language.elementary import expm1
from symgrad.language.pointwise import (
    HALF,
    Pointwise,
    leaky_relu,
    register_heads,
    sigmoid,
)
from symgrad.language.row import Domain, Row, op, register
from symgrad.language.scipy_special import special
from symgrad.language.special import exp_of_product
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import reshape

SELU_SCALE = sp.Float("1.0507009873554804934193349852946", 30)
SELU_ALPHA = sp.Float("1.6732632423543772848170429916717", 30)


class hardtanh(Pointwise):
    """hardtanh(x, low=-1, high=1): x between the bounds, with derivative 0 on them as in torch."""

    nargs = (1, 3)

    @classmethod
    def eval(cls, x: sp.Expr, *bounds: sp.Expr) -> sp.Expr | None:
        return None if bounds else cls(x, sp.S.NegativeOne, sp.S.One)


class exact_gelu(Pointwise):
    """x Phi(x) with the normal distribution function."""

    def _sympystr(self, printer: Any) -> str:
        return f"gelu({printer._print(self.args[0])})"


class mish(Pointwise):
    """x tanh(softplus(x))."""


class silu(Pointwise):
    """x sigmoid(x), also called swish.

    >>> import symgrad as sg
    >>> sg.silu(sg.data("x"))
    silu(x)
    """


class Slope(Pointwise):
    """A derivative as a function of its own, which keeps its digits: f'(x)."""

    def _sympystr(self, printer: Any) -> str:
        return f"{self._of()}'({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        operand = printer._print(self.args[0])
        text = rf"\operatorname{{{self._of()}}}'{{\left({operand}\right)}}"
        return rf"\left({text}\right)^{{{exp}}}" if exp else text

    @classmethod
    def _of(cls) -> str:
        return cls.__name__.removesuffix("_slope")


class gelu_slope(Slope):
    """Phi(x) + x phi(x), with the normal distribution's function and density."""


class mish_slope(Slope):
    """t + x (1 - t**2) sigmoid(x), t = tanh(softplus(x))."""


class silu_slope(Slope):
    """s + x s (1 - s), s = sigmoid(x)."""


class softsign(Pointwise):
    """x/(1 + |x|)."""


class hardswish(Pointwise):
    """x relu6(x + 3)/6, with derivative 0 at -3 and 1 at 3."""


def _gelu(x: np.ndarray) -> np.ndarray:
    """x erfc(-x/sqrt(2))/2; below -1 by exp(-x**2/2), whose exponent erfc would round."""
    x = np.asarray(x)
    below = np.clip(x.astype(float), -40, -1)
    tail = x * (special("erfcx")(-below / np.sqrt(2)) / 2) * exp_of_product(-below / 2, below)
    return np.where(x < -1, tail, x * (special("erfc")(-x / np.sqrt(2)) / 2)).astype(x.dtype)


def _gelu_slope(x: np.ndarray) -> np.ndarray:
    """erfc(-x/sqrt(2))/2 + x exp(-x**2/2)/sqrt(2 pi)."""
    x = np.asarray(x)
    at = np.clip(x.astype(float), -40, 40)
    bell = exp_of_product(-at / 2, at)
    size = np.maximum(-at, 1)
    tail = bell * special("erfcx")(size / np.sqrt(2)) / 2
    area = np.where(at < -1, tail, special("erfc")(-at / np.sqrt(2)) / 2)
    return (area + at * bell / np.sqrt(2 * np.pi)).astype(x.dtype)


def _gelu_slope_pull(g: Any, y: Any, x: Any) -> Any:
    return g * op.exp_product(-HALF * x, x) * (2 - x**2) / sp.sqrt(2 * sp.pi)


def _mish_slope(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, -1e30, 30)  # above it 1, below it 0
    t = np.tanh(np.logaddexp(0, x))
    return t + x * (1 - t * t) * special("expit")(x)


def _mish_slope_pull(g: Any, y: Any, x: Any) -> Any:
    from symgrad.calculus.splice import pull_through

    return pull_through(_steady_mish_slope, 0, g, [x], {})


def _steady_mish_slope(x: Any) -> Any:
    t = op.softplus(x)
    return op.steady_tanh(t) + 4 * x * op.logistic_slope(2 * t) * op.logistic(x)


def _silu(x: np.ndarray) -> np.ndarray:
    """x exp(x) where the sigmoid is next to 0, and might have no digits."""
    return np.where(x < -40, x * np.exp(np.clip(x, -1e3, 0)), x * special("expit")(x))


def _silu_slope(x: np.ndarray) -> np.ndarray:
    low = (1 + x) * np.exp(np.clip(x, -1e3, 0))
    return np.where(x < -40, low, special("expit")(x) * (1 + x * special("expit")(-x)))


def _expand_silu_slope(x: Any) -> Any:
    u = op.scaled_sigmoid(x)
    return op.unscaled(1 + x * (1 - op.unscaled(1, u, x)), u, x)


def _inverse_of_next(x: Any) -> Any:
    """1/(1 + |x|)"""
    return (1 + op.abs(x)) ** -1


def _inside(x: Any, low: Any, high: Any) -> Any:
    return getattr(op, "and")(op.gt(x, low), op.lt(x, high))


# fmt: off
register(
    Row("hardtanh", "pointwise", lambda x, low, high: np.minimum(np.maximum(x, low), high),
        (lambda g, y, x, low, high: g*op.indicator(_inside(x, low, high)),
         lambda g, y, x, low, high: g*op.indicator(op.le(x, low)),
         lambda g, y, x, low, high: g*op.indicator(op.ge(x, high))),
        head=hardtanh, kinked=True, domain=Domain(((-2.0, 2.0), (-1.0, -0.5), (0.5, 1.0))),
        expand=lambda x, low, high: op.min(op.max(x, low), high)),
    Row("gelu", "pointwise", _gelu, (lambda g, y, x: g*op.gelu_slope(x),), head=exact_gelu),
    Row("gelu_slope", "pointwise", _gelu_slope, (_gelu_slope_pull,), head=gelu_slope),
    Row("mish", "pointwise", lambda x: x*np.tanh(np.logaddexp(0, x)),
        (lambda g, y, x: g*op.mish_slope(x),), head=mish),
    Row("mish_slope", "pointwise", _mish_slope, (_mish_slope_pull,), head=mish_slope),
    Row("silu", "pointwise", _silu, (lambda g, y, x: g*op.silu_slope(x),), head=silu,
        expand=lambda x: op.unscaled(x, op.scaled_sigmoid(x), x)),
    Row("silu_slope", "pointwise", _silu_slope,
        (lambda g, y, x: g*op.logistic_slope(x)*(2 - x*op.steady_tanh(HALF*x)),), head=silu_slope,
        expand=_expand_silu_slope),
    Row("softsign", "pointwise", lambda x: x/(1 + np.abs(x)),
        (lambda g, y, x: g*_inverse_of_next(x)**2,), head=softsign,
        expand=lambda x: x*_inverse_of_next(x)),
    Row("hardswish", "pointwise", lambda x: x*np.minimum(np.maximum(x + 3, 0), 6)/6,
        (lambda g, y, x: g*op.select(op.le(x, -3), 0, op.select(op.lt(x, 3), x/3 + HALF, 1)),),
        head=hardswish, kinked=True, expand=lambda x: x*op.min(op.max(x + 3, 0), 6)/6),
)
# fmt: on

register_heads()


def relu6(x: Any) -> sp.Expr:
    """min(max(x, 0), 6), with derivative 0 at 0 and 6.

    >>> import symgrad as sg
    >>> sg.relu6(sg.data("x"))
    hardtanh(x, 0, 6)
    """
    return hardtanh(x, 0, 6)


def hardsigmoid(x: Any) -> sp.Expr:
    """relu6(x + 3)/6."""
    return relu6(sympify(x) + 3) / 6


def prelu(x: Any, weight: Any) -> sp.Expr:
    """x where x > 0, weight x elsewhere; a vector of weights counts along x's first axis."""
    x, weight = sympify(x), sympify(weight)
    rank, own = len(describe(x)[0]), describe(weight)[0]
    if len(own) == 1 and (rank > 1 or own == (1,)):
        weight = reshape(weight, (own + (1,) * (rank - 1))[:rank])
    return leaky_relu(x, weight)


def elu(x: Any, alpha: Any = 1) -> sp.Expr:
    """x where x > 0, alpha (exp(x) - 1) elsewhere.

    >>> import symgrad as sg
    >>> sg.elu(sg.data("x"))
    Piecewise((x, x > 0), (expm1(x), True))
    """
    x = anonymous(sympify(x))
    return where(x > 0, x, sympify(alpha) * expm1(x))


def selu(x: Any) -> sp.Expr:
    """The self-normalising elu (Klambauer et al. 2017): 1.0507 elu(x, 1.6733)."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Any, alpha: Any = 1) -> sp.Expr:
    """x where x > 0, alpha (exp(x/alpha) - 1) elsewhere."""
    x, alpha = anonymous(sympify(x)), sympify(alpha)
    return where(x > 0, x, alpha * expm1(x / alpha))


def gelu(x: Any, approximate: str = "none") -> sp.Expr:
    """x Phi(x) with the normal distribution function, or its form by tanh (approximate="tanh").

    >>> import symgrad as sg
    >>> sg.gelu(sg.data("x"))
    gelu(x)
    """
    x = anonymous(sympify(x))
    if approximate == "tanh":
        return x * sigmoid(2 * sp.sqrt(2 / sp.pi) * (x + sp.Float("0.044715", 30) * x**3))
    if approximate != "none":
        raise ValueError(f"sg.gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return exact_gelu(x)


def softshrink(x: Any, lambd: Any = HALF) -> sp.Expr:
    """x drawn towards 0 by lambd, and 0 within lambd of it."""
    x, lambd = anonymous(sympify(x)), sympify(lambd)
    return where(sp.Abs(x) <= lambd, 0, where(x > lambd, x - lambd, x + lambd))


def hardshrink(x: Any, lambd: Any = HALF) -> sp.Expr:
    """x, but 0 within lambd of 0."""
    x, lambd = anonymous(sympify(x)), sympify(lambd)
    return where(sp.Abs(x) <= lambd, 0, x)


def tanhshrink(x: Any) -> sp.Expr:
    """x - tanh(x)."""
    x = anonymous(sympify(x))
    return x - sp.tanh(x)


def threshold(x: Any, threshold: Any, value: Any) -> sp.Expr:
    """x where it is above the threshold, value elsewhere."""
    x = anonymous(sympify(x))
    return where(x <= sympify(threshold), value, x)
