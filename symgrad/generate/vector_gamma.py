"""The gamma function and the logarithm of its size, where not all numbers of a vector are positive:
those have formulas of their own (vector_gamma_above, vector_lgamma).

Float32 is computed in float64, by Lanczos' sum from 1/2 on, Gamma(z + 1) = sqrt(2 pi) t**(z + 1/2)
exp(-t) A(z) with t = z + 15/2, and the reflection formula Gamma(x) Gamma(1 - x) = pi / sin(pi x)
below.  Its error of some units in float64's last place is none in float32; for float64 itself see
vector_gamma_long.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symgrad.generate import vector_gamma_above, vector_gamma_long, vector_lgamma
from symgrad.generate.vector_branches import out_of_line, unless_sure
from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import COS, SIN
from symgrad.generate.vector_formats import DOUBLE
from symgrad.generate.vector_formulas import exp
from symgrad.generate.vector_logarithms import log

Formula = Callable[[Real], Real]

# P. Godfrey's, for 15/2 and nine terms
LANCZOS = (
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
    -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
    1.5056327351493116e-7,
)  # fmt: skip


def lgamma(x: Real) -> Real:
    """log |Gamma(x)|: infinite at 0, -1, -2 ..., and at both infinities."""
    return _unless_positive("lgamma", vector_lgamma.lgamma, _lgamma, x)


def gamma(x: Real) -> Real:
    """NaN at -1, -2 ..., infinite of either sign at 0."""
    return _unless_positive("gamma", vector_gamma_above.gamma, _gamma, x)


def _unless_positive(name: str, above: Formula, everywhere: Formula, x: Real) -> Real:
    positive = x.reaches(0.0)
    y = above(x)

    def otherwise() -> Real:
        return y.where(positive, out_of_line(f"{name}.everywhere", everywhere, x))

    return unless_sure(positive, y, otherwise)


def _lgamma(x: Real) -> Real:
    if x.format.name == DOUBLE.name:
        return vector_gamma_long.lgamma(x)
    wide, above, y = _reflected(x)
    sine, _ = _sine_of_turn(wide)
    size = _log_gamma(y)
    size = size.where(above, log(math.pi / abs(sine)) - size)
    root = x.builder.or_(x.equals(1.0), x.equals(2.0))
    infinite = abs(x).equals(math.inf)
    return x.of(math.inf).where(infinite, x.of(0.0).where(root, size.to(x.format)))


def _gamma(x: Real) -> Real:
    if x.format.name == DOUBLE.name:
        return vector_gamma_long.gamma(x)
    wide, above, y = _reflected(x)
    sine, whole = _sine_of_turn(wide)
    size = _log_gamma(y)
    below = math.pi / sine * exp(-size)
    result = exp(size).where(above, below).to(x.format)
    pole = x.builder.or_(x.builder.and_(whole, wide < 0.0), x.equals(-math.inf))
    return x.of(math.nan).where(pole, x.where(x.equals(math.inf), result))


def _reflected(x: Real) -> tuple[Real, Any, Real]:
    """x in float64, 1/2 if it is infinite; whether it is at least 1/2; and x or else 1 - x."""
    wide = x.to(DOUBLE)
    wide = wide.of(0.5).where(abs(wide).equals(math.inf), wide)
    above = wide >= 0.5
    return wide, above, wide.where(above, 1.0 - wide)


def _log_gamma(x: Real) -> Real:
    """log Gamma(x), x >= 1/2."""
    z = x - 1.0
    total = x.of(LANCZOS[0])
    for k, c in enumerate(LANCZOS[1:], 1):
        total = total + c / (z + float(k))
    t = z + 7.5
    return (z + 0.5) * log(t) - t + log(total * math.sqrt(2 * math.pi))


def _sine_of_turn(x: Real) -> tuple[Real, Any]:
    """sin(pi x), and whether x is whole: n half turns and the sine of what is left of them."""
    n = x.rounded()
    half = n * 0.5
    odd = x.builder.not_(half.rounded().equals(half))
    r = x.where(n.equals(0.0), x - n) * (math.pi / 2)  # -0 stays what it is
    z = r * r
    s = r * (z * polynomial(z, SIN[x.format.name]) + 1.0)
    c = 1.0 - z * 0.5 + z * z * polynomial(z, COS[x.format.name])
    sine = s * c * 2.0
    return (-sine).where(odd, sine), n.equals(x)
