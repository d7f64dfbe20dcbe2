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


def _steep(x: Any, c: Any) -> Any:
    return (x**2 + c) ** sp.Rational(-3, 2)


# fmt: off
register(
    Row("logistic", "pointwise", special("expit"), (lambda g, y, x: g*op.logistic_slope(x),),
        head=logistic, expand=lambda x: op.sigmoid(x)),
    Row("logistic_slope", "pointwise", lambda x: special("expit")(x)*special("expit")(-x),
        (lambda g, y, x: -g*y*op.steady_tanh(HALF*x),),
        expand=lambda x: op.sigmoid(x)*op.sigmoid(-x)),
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
