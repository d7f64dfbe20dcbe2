"""Rows of the pointwise operations, and the functions that SymPy has no class for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.row import TABLE, Domain, Row, op, register
from symgrad.language.scipy_special import special
from symgrad.language.tensor import HEADS, sympify

HALF = sp.Rational(1, 2)


class Pointwise(sp.Function):
    """A pointwise function of ours: real and opaque to assumption queries."""

    is_real = is_extended_real = is_complex = True
    is_number = False  # not evaluated by SymPy, also at numbers

    def __new__(cls, *args: Any, **options: Any) -> sp.Expr:
        cls._check_arguments(len(args), options)
        return super().__new__(cls, *map(sympify, args), **options)

    @classmethod
    def _check_arguments(cls, given: int, options: dict[str, Any]) -> None:
        """SymPy counts only the arguments of classes with `nargs`; the others' rows say it."""
        row = TABLE.get(HEADS.get(cls, ""))
        wanted = sorted(cls.nargs) if cls.nargs.is_FiniteSet else [len(row.pullback)] if row else []
        unknown = sorted(set(options) - {"evaluate"})
        if unknown or (wanted and given not in wanted):
            arguments = " or ".join(map(str, wanted)) + " argument" + "s" * (wanted != [1])
            found = f"the option {unknown[0]!r}" if unknown else str(given)
            raise TypeError(f"sg.{cls.__name__} takes {arguments}, and {found} was given")

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        from symgrad.calculus.gradient import gradient

        dummies = [sp.Dummy(f"x{i}", real=True) for i in range(len(self.args))]
        derivative = gradient(self.func(*dummies), dummies[argindex - 1])
        return derivative.xreplace(dict(zip(dummies, self.args, strict=True)))


class relu(Pointwise):
    """max(x, 0), with derivative 0 at 0 as in torch."""


class sigmoid(Pointwise):
    """1/(1 + exp(-x))."""


class softplus(Pointwise):
    """log(1 + exp(x)), stable."""


class log_sigmoid(Pointwise):
    """log(sigmoid(x)), stable."""


logsigmoid = log_sigmoid  # torch's name


class leaky_relu(Pointwise):
    """leaky_relu(x, slope=0.01): x where x > 0, slope*x elsewhere."""

    nargs = (1, 2)

    @classmethod
    def eval(cls, x: sp.Expr, slope: sp.Expr | None = None) -> sp.Expr | None:
        return cls(x, sp.Float(0.01)) if slope is None else None


class indicator(Pointwise):
    """1 where the condition holds, 0 elsewhere."""

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return sp.S.Zero

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return rf"\left[{printer._print(self.args[0])}\right]" + (f"^{{{exp}}}" if exp else "")


class masked(Pointwise):
    """masked(x, g): x, but 0 where g is 0, also where x is infinite or NaN there."""


class stop_gradient(Pointwise):
    """The value, held constant by differentiation."""


def _power(a: np.ndarray, b: Any) -> np.ndarray:
    a = np.asarray(a)
    a = a if a.dtype.kind == "f" else a.astype(float)
    powers = {-1: np.reciprocal, 2: np.square, 0.5: np.sqrt}
    exact = powers.get(b) if isinstance(b, int | float) else None
    return exact(a) if exact else np.power(a, b)


def _heaviside(x: np.ndarray) -> np.ndarray:
    """1/2 at 0, in x's own precision; integers have no half."""
    x = np.asarray(x)
    return np.heaviside(x, x.dtype.type(0.5) if x.dtype.kind == "f" else 0.5)


def _log_of_base(a: Any) -> Any:
    """log(a), for 0**b to have the derivative 0 with respect to b, as in torch."""
    return op.log(a) if isinstance(a.operand, sp.Expr) else op.masked(op.log(a), a)


def _extreme(name: str, beyond: str, compare: Callable[..., Any]) -> Callable[..., Any]:
    """The pull-back of an n-ary maximum or minimum: k-way ties share 1/k each.

    Operands are compared with each other: y may be rounded otherwise, and equal to none of them.
    """

    def reached(i: int, x: tuple) -> Any:
        rest = getattr(op, name)(*x[:i], *x[i + 1 :])
        return op.indicator(getattr(op, beyond)(x[i], rest))

    def pull(i: int, g: Any, y: Any, *x: Any) -> Any:
        if len(x) == 2:
            return g * compare(x[i], x[1 - i])
        ties = [reached(k, x) for k in range(len(x))]
        return g * ties[i] / functools.reduce(lambda a, b: a + b, ties)

    return pull


def _product_pull(i: int, g: Any, y: Any, *x: Any) -> Any:
    return functools.reduce(lambda a, b: a * b, (*x[:i], *x[i + 1 :]), g)


def _variadic(name: str, f: Callable[..., Any], pull: Any, head: Any, **more: Any) -> Row:
    numpy = lambda *x: functools.reduce(f, x)  # noqa: E731
    return Row(name, "pointwise", numpy, (pull,) if pull else (), head=head, variadic=True, **more)


def _row(name: str, head: Any, numpy: Any, *pulls: Any, **more: Any) -> Row:
    low_high = more.pop("on", ((-2.0, 2.0),))
    domain = Domain(low_high if isinstance(low_high[0], tuple) else (low_high,))
    return Row(name, "pointwise", numpy, pulls, head=head, domain=domain, **more)


_same: dict[str, Any] = {"result": "same"}
_bool: dict[str, Any] = {"result": "bool", "kinked": True}
_flat: dict[str, Any] = {"result": "same", "kinked": True}
_pole: dict[str, Any] = {"guarded": True}

# fmt: off
register(
    # ---- arithmetic
    _variadic("add", np.add,      lambda i, g, y, *x: g, sp.Add, **_same),
    _variadic("mul", np.multiply, _product_pull,         sp.Mul, **_same),
    _row("pow", sp.Pow, _power,
         lambda g, y, a, b: g*b*a**(b - 1), lambda g, y, a, b: g*y*_log_of_base(a),
         on=((0.2, 2.0), (-2.0, 2.0)),
         guarded=lambda a, b: not (isinstance(b, sp.Expr) and b >= 1 and not b % 1)),
    _row("mod", sp.Mod, np.mod,
         lambda g, y, a, b: g, lambda g, y, a, b: -g*op.floor((a - y)/b + HALF),  # exact
         on=((0.1, 0.9), (1.0, 2.0)), guarded=lambda a, b: not isinstance(b, sp.Expr), **_flat),
    # ---- exponentials and logarithms
    _row("exp",   sp.exp, np.exp,   lambda g, y, x: g*y, **_pole),
    _row("log",   sp.log, np.log,   lambda g, y, x: g/x,       on=(0.2, 3.0), **_pole),
    _row("expm1", None,   np.expm1, lambda g, y, x: g*op.exp(x), **_pole),
    _row("log1p", None,   np.log1p, lambda g, y, x: g/(1 + x), on=(-0.5, 2.0), **_pole),
    # ---- trigonometry
    _row("sin",  sp.sin,  np.sin,     lambda g, y, x: g*op.cos(x)),
    _row("cos",  sp.cos,  np.cos,     lambda g, y, x: -g*op.sin(x)),
    _row("tan",  sp.tan,  np.tan,     lambda g, y, x: g*(1 + y**2), on=(-1.0, 1.0), **_pole),
    _row("asin", sp.asin, np.arcsin, lambda g, y, x: g*((1 - x)*(1 + x))**-HALF,
         on=(-0.9, 0.9), **_pole),
    _row("acos", sp.acos, np.arccos, lambda g, y, x: -g*((1 - x)*(1 + x))**-HALF,
         on=(-0.9, 0.9), **_pole),
    _row("atan", sp.atan, np.arctan,  lambda g, y, x: g/(1 + x**2)),
    _row("atan2", sp.atan2, np.arctan2,
         lambda g, y, a, b: g*b*op.safe_inverse(a**2 + b**2),  # 0 at the origin, as in torch
         lambda g, y, a, b: -g*a*op.safe_inverse(a**2 + b**2),
         on=((0.2, 2.0), (-2.0, 2.0)), **_pole),
    # ---- hyperbolic functions
    _row("sinh",  sp.sinh,  np.sinh,    lambda g, y, x: g*op.cosh(x), **_pole),
    _row("cosh",  sp.cosh,  np.cosh,    lambda g, y, x: g*op.sinh(x), **_pole),
    _row("tanh",  sp.tanh,  np.tanh,    lambda g, y, x: g*(1 - y**2)),
    _row("asinh", sp.asinh, np.arcsinh, lambda g, y, x: g*(x**2 + 1)**-HALF),
    _row("acosh", sp.acosh, np.arccosh, lambda g, y, x: g*((x - 1)*(x + 1))**-HALF,
         on=(1.2, 3.0), **_pole),
    _row("atanh", sp.atanh, np.arctanh, lambda g, y, x: g/((1 - x)*(1 + x)),
         on=(-0.9, 0.9), **_pole),
    # ---- kinks and steps
    _row("abs",       sp.Abs,       np.abs,   lambda g, y, x: g*op.sign(x), **_flat),
    _row("sign",      sp.sign,      np.sign,  None, **_flat),
    _row("floor",     sp.floor,     np.floor, None, **_flat),
    _row("ceiling",   sp.ceiling,   np.ceil,  None, **_flat),
    _row("heaviside", sp.Heaviside, _heaviside, None,
         kinked=True, expand=lambda x: HALF*(1 + op.sign(x))),
    _variadic("max", np.maximum, _extreme("max", "ge", lambda a, b: op.heaviside(a - b)), sp.Max,
              **_flat),
    _variadic("min", np.minimum, _extreme("min", "le", lambda a, b: op.heaviside(b - a)), sp.Min,
              **_flat),
    # ---- conditions
    _row("lt", sp.Lt, np.less,          None, None, **_bool),
    _row("le", sp.Le, np.less_equal,    None, None, **_bool),
    _row("gt", sp.Gt, np.greater,       None, None, **_bool),
    _row("ge", sp.Ge, np.greater_equal, None, None, **_bool),
    _row("eq", sp.Eq, np.equal,         None, None, **_bool),
    _row("ne", sp.Ne, np.not_equal,     None, None, **_bool),
    _variadic("and", np.logical_and, None, sp.And, **_bool),
    _variadic("or",  np.logical_or,  None, sp.Or,  **_bool),
    _row("not", sp.Not, np.logical_not, None, **_bool),
    _row("indicator", indicator, lambda c: np.not_equal(c, 0)*1.0, None, kinked=True),
    _row("select", None, np.where,
         None, lambda g, y, c, a, b: op.select(c, g, 0), lambda g, y, c, a, b: op.select(c, 0, g),
         result="same", kinked=True),
    _row("masked", masked, lambda x, g: np.where(np.equal(g, 0), np.zeros_like(x), x),
         lambda g, y, x, mask: op.masked(g, mask), None, kinked=True,
         expand=lambda x, g: op.select(op.eq(g, 0), 0, x)),
    _row("stop_gradient", stop_gradient, lambda x: x, None, result="same", expand=lambda x: x),
    # ---- activations
    _row("relu", relu, lambda x: np.maximum(x, 0),
         lambda g, y, x: g*op.indicator(op.gt(x, 0)), **_flat),
    _row("leaky_relu", leaky_relu, lambda x, slope: np.where(x > 0, x, slope*x),
         lambda g, y, x, slope: g*op.select(op.gt(x, 0), 1, slope),
         lambda g, y, x, slope: g*op.min(x, 0), on=((-2.0, 2.0), (0.1, 0.3)), kinked=True,
         expand=lambda x, slope: op.select(op.gt(x, 0), x, slope*x)),
    _row("sigmoid", sigmoid, special("expit"), lambda g, y, x: g*y*(1 - y),
         expand=lambda x: 1/(1 + op.exp(-x))),
    _row("log_sigmoid", log_sigmoid, lambda x: -np.logaddexp(0, -x),
         lambda g, y, x: g*op.logistic(-x),
         expand=lambda x: -op.softplus(-x)),
    _row("softplus", softplus, lambda x: np.logaddexp(0, x), lambda g, y, x: g*op.logistic(x),
         expand=lambda x: op.max(x, 0) + op.log1p(op.exp(-op.abs(x)))),
)
# fmt: on


def register_heads() -> None:
    """Let capture find a row by the SymPy class of a node."""
    from symgrad.language.row import TABLE

    for row in TABLE.values():
        if row.head is not None:
            HEADS.setdefault(row.head, row.name)


register_heads()
