"""Functions that users know under other names, with derivatives that keep their digits.

The derivative of sigmoid(x) is y (1 - y), which is 0 where y rounds to 1, long before the true
value is; networks want it so, for it needs y alone.  The derivatives of softplus and its kin are
these functions instead: equal in value, and exact in their own derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.pointwise import HALF, Pointwise, register_heads
from symgrad.language.row import Domain, Row, op, register
from symgrad.language.scipy_special import special

LOW, SCALE = -1.0, 64  # below this sigmoids are taken 2**64 times as large


class logistic(Pointwise):
    """sigmoid(x), whose derivative is logistic(x) logistic(-x)."""

    def _sympystr(self, printer: Any) -> str:
        return f"sigmoid({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = f"^{{{exp}}}" if exp else ""
        return rf"\operatorname{{sigmoid}}{power}{{\left({printer._print(self.args[0])}\right)}}"


class steady_tanh(Pointwise):
    """tanh(x), whose derivative is 4 logistic(2x) logistic(-2x), not 1 - y**2."""

    def _sympystr(self, printer: Any) -> str:
        return f"tanh({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = f"^{{{exp}}}" if exp else ""
        return rf"\tanh{power}{{\left({printer._print(self.args[0])}\right)}}"


def _scaled_sigmoid(x: np.ndarray) -> np.ndarray:
    root = np.exp(np.minimum(x, 0) / 2) * 2.0 ** (SCALE / 2)
    return np.where(x < LOW, root * root / (1 + np.exp(np.minimum(x, 0))), special("expit")(x))


def _steep(x: Any, c: Any) -> Any:
    return (x**2 + c) ** sp.Rational(-3, 2)


# fmt: off
register(
    Row("logistic", "pointwise", special("expit"), (lambda g, y, x: g*op.logistic_slope(x),),
        head=logistic, expand=lambda x: op.sigmoid(x)),
    Row("logistic_slope", "pointwise", lambda x: special("expit")(x)*special("expit")(-x),
        (lambda g, y, x: -g*y*op.steady_tanh(HALF*x),)),
    # silu and its derivative keep their digits where sigmoids have none
    Row("scaled_sigmoid", "pointwise", _scaled_sigmoid, (lambda g, y, x: g*y*op.logistic(-x),),
        kinked=True),
    Row("unscaled", "pointwise", lambda a, s, x: a*s*np.where(x < LOW, 2.0**-SCALE, 1),
        (lambda g, y, a, s, x: op.unscaled(g, s, x), lambda g, y, a, s, x: op.unscaled(g, a, x),
         None), kinked=True),
    Row("steady_tanh", "pointwise", np.tanh, (lambda g, y, x: 4*g*op.logistic_slope(2*x),),
        head=steady_tanh, expand=lambda x: op.tanh(x)),
    # sqrt(x**2 + c) and its derivative: (y**2 - x**2)/y**3 cancels, c/y**3 does not
    Row("root_sum", "pointwise", lambda x, c: np.sqrt(x*x + c),
        (lambda g, y, x, c: g*op.root_slope(x, c), lambda g, y, x, c: g*HALF/y),
        guarded=True, domain=Domain(((-2.0, 2.0), (0.2, 2.0))),
        expand=lambda x, c: (x**2 + c)**HALF),
    Row("root_slope", "pointwise", lambda x, c: x/np.sqrt(x*x + c),
        (lambda g, y, x, c: g*c*_steep(x, c), lambda g, y, x, c: -g*HALF*x*_steep(x, c)),
        guarded=True, domain=Domain(((-2.0, 2.0), (0.2, 2.0))),
        expand=lambda x, c: x*(x**2 + c)**-HALF),
)
# fmt: on

register_heads()
