"""Special functions: the error function, the gamma function, and their kin."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.arguments import whole
from symgrad.language.pointwise import HALF, Pointwise, register_heads
from symgrad.language.rewritten import REWRITTEN
from symgrad.language.row import Domain, Row, op, register
from symgrad.language.scipy_special import special
from symgrad.language.tensor import HEADS

SHIFT = 10  # arguments are shifted this far up before an asymptotic series is used
TERMS = 9


class erfc(Pointwise):
    """1 - erf(x); SymPy's own would write erfc(-x) as 2 - erfc(x), which has no digits below 0."""


class digamma(Pointwise):
    """The derivative of loggamma."""


class trigamma(Pointwise):
    """The derivative of digamma."""


class tetragamma(Pointwise):
    """The second derivative of digamma."""


class pentagamma(Pointwise):
    """The third derivative of digamma."""


POLYGAMMA = (digamma, trigamma, tetragamma, pentagamma)


def exp_of_product(a: Any, b: Any) -> Any:
    """exp(a*b) with NumPy, the product not rounded.

    >>> x = np.array(26.2)
    >>> round(float(exp_of_product(-x, x) / np.exp(-x * x)) - 1, 15)  # the square is rounded
    -2.2e-14
    """
    a, b = np.broadcast_arrays(a, b)
    product = np.multiply(a, b, dtype=float)
    (high, low), (top, rest) = (_halves(x.astype(float)) for x in (a, b))
    with np.errstate(all="ignore"):
        lost = high * top - product + high * rest + low * top + low * rest
    value = np.exp(product) * (1 + np.where(np.abs(lost) < 1, lost, 0))
    return value.astype(np.result_type(a, b))


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers of half as many bits (Veltkamp)."""
    with np.errstate(all="ignore"):
        shifted = x * (2.0**27 + 1)
        high = shifted - (shifted - x)
        return high, x - high


def _expand_polygamma(n: int, x: Any) -> Any:
    """Recurrence and Stirling's series above 0, the reflection formula below (DLMF 5.15, 5.11)."""
    above = op.gt(x, 0)
    value = _polygamma_above(n, op.select(above, x, 1 - x))
    return op.select(above, value, (-1) ** n * value - _cotangent(n, x))


def _polygamma_above(n: int, x: Any) -> Any:
    sign, y = (-1) ** (n + 1), x + SHIFT
    terms = [sign * sp.factorial(n) * (x + k) ** -(n + 1) for k in range(SHIFT)]
    if n == 1:  # far out each of its terms would be rounded away
        near = op.lt(x, 2 * SHIFT)
        y, terms = op.select(near, y, x), [op.select(near, op.add(*terms), 0)]
    terms += [sign * sp.factorial(n - 1) * y**-n, sign * sp.factorial(n) * HALF * y ** -(n + 1)]
    for k in range(1, TERMS):
        factor = sp.bernoulli(2 * k) * sp.factorial(2 * k + n - 1) / sp.factorial(2 * k)
        terms.append(sign * factor * y ** -(2 * k + n))
    return op.add(*terms)


def _cotangent(n: int, x: Any) -> Any:
    """pi times the n-th derivative of cot(pi x), a polynomial in the cotangent."""
    c = sp.Symbol("c")
    polynomial = c
    for _ in range(n):
        polynomial = sp.expand(-sp.pi * (1 + c**2) * sp.diff(polynomial, c))
    cot = 1 / op.tan(sp.pi * (x - op.floor(x + HALF)))
    powers = sp.Poly(sp.pi * polynomial, c).terms()
    return op.add(*(factor * cot**k for (k,), factor in powers), 0)


def _gamma_sign(x: Any) -> Any:
    return op.select(op.gt(x, 0), 1, 1 - 2 * op.mod(op.floor(x), 2))


def _expand_beta(a: Any, b: Any) -> Any:
    sign = _gamma_sign(a) * _gamma_sign(b) * _gamma_sign(a + b)
    return sign * op.exp(op.lgamma(a) + op.lgamma(b) - op.lgamma(a + b))


def _polygamma_row(n: int, cls: type) -> Row:
    f = special("psi") if n == 0 else functools.partial(special("polygamma"), n)
    pull = lambda g, y, x: g * _derivative(n + 1, x)  # noqa: E731
    expand = functools.partial(_expand_polygamma, n) if n else None
    return Row(cls.__name__, numpy=f, head=cls, pullback=(pull,), expand=expand,
               domain=Domain(((0.5, 4.0),)), **_pole)  # fmt: skip


def _derivative(n: int, x: Any) -> Any:
    if n >= len(POLYGAMMA):
        raise ValueError(f"derivatives of digamma are known up to order {n - 1}")
    return getattr(op, POLYGAMMA[n].__name__)(x)


def polygamma(n: Any, x: Any) -> sp.Expr:
    """The n-th derivative of digamma, for n = 0, 1, 2 or 3.

    >>> import symgrad as sg
    >>> sg.polygamma(1, sg.data("x"))
    trigamma(x)
    """
    if whole(n, "polygamma: n") not in range(len(POLYGAMMA)):
        raise ValueError(f"polygamma is known for n = 0, 1, 2 and 3, not for {n}")
    return POLYGAMMA[n](x)


def _bell(x: Any) -> Any:
    """The derivative of erf."""
    return 2 / sp.sqrt(sp.pi) * op.exp_product(-x, x)


def _beta_pull(g: Any, y: Any, a: Any, b: Any) -> Any:
    return g * y * (op.digamma(a) - op.digamma(a + b))


_pole: dict[str, Any] = {"kind": "pointwise", "guarded": True}

# fmt: off
register(
    Row("erf",  "pointwise", special("erf"),  (lambda g, y, x: g*_bell(x),),  head=sp.erf),
    Row("erfc", "pointwise", special("erfc"), (lambda g, y, x: -g*_bell(x),), head=erfc),
    Row("exp_product", "pointwise", exp_of_product,
        (lambda g, y, a, b: g*y*b, lambda g, y, a, b: g*y*a), guarded=True),
    Row("erfinv", numpy=special("erfinv"), head=sp.erfinv, domain=Domain(((-0.95, 0.95),)),
        pullback=(lambda g, y, x: g*(sp.sqrt(sp.pi)/2)*op.exp_product(y, y),), **_pole),
    Row("gamma", numpy=special("gamma"), head=sp.gamma, domain=Domain(((0.5, 4.0),)),
        pullback=(lambda g, y, x: g*y*op.digamma(x),), **_pole),
    Row("lgamma", numpy=special("gammaln"), head=sp.loggamma, domain=Domain(((0.5, 4.0),)),
        pullback=(lambda g, y, x: g*op.digamma(x),), **_pole),
    Row("beta", numpy=special("beta"), head=sp.beta, domain=Domain(((0.5, 3.0),)),
        pullback=(_beta_pull, lambda g, y, a, b: _beta_pull(g, y, b, a)), expand=_expand_beta,
        **_pole),
    *(_polygamma_row(n, cls) for n, cls in enumerate(POLYGAMMA)),
)
# fmt: on

HEADS[sp.erfc] = "erfc"
register_heads()

REWRITTEN.update({sp.polygamma: polygamma, sp.factorial: lambda x: sp.gamma(x + 1)})
