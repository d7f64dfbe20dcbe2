"""NumPy's functions on symbolic tensors: `np.sin(z)` works, `np.sum(z)` names `sg.sum`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import sympy as sp

from symgrad.language.elementary import cbrt, expm1, hypot, log1p, logaddexp
from symgrad.language.rounding import floor_divide, fmod, heaviside, round_half_even, trunc
from symgrad.language.tensor import sympify

UFUNCS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "power": lambda a, b: a**b, "float_power": lambda a, b: a**b,
    "negative": lambda a: -a, "positive": lambda a: a, "reciprocal": lambda a: 1 / a,
    "square": lambda a: a**2, "sqrt": sp.sqrt, "cbrt": cbrt, "absolute": sp.Abs,
    "fabs": sp.Abs, "sign": sp.sign, "exp": sp.exp, "log": sp.log, "sin": sp.sin, "cos": sp.cos,
    "exp2": lambda a: 2**a, "log2": lambda a: sp.log(a, 2), "log10": lambda a: sp.log(a, 10),
    "expm1": expm1, "log1p": log1p, "hypot": hypot, "logaddexp": logaddexp, "rint": round_half_even,
    "trunc": trunc, "fmod": fmod, "floor_divide": floor_divide, "heaviside": heaviside,
    "tan": sp.tan, "arcsin": sp.asin, "arccos": sp.acos, "arctan": sp.atan, "arctan2": sp.atan2,
    "sinh": sp.sinh, "cosh": sp.cosh, "tanh": sp.tanh, "arcsinh": sp.asinh, "arccosh": sp.acosh,
    "arctanh": sp.atanh, "floor": sp.floor, "ceil": sp.ceiling, "remainder": sp.Mod,
    "maximum": sp.Max, "minimum": sp.Min, "greater": sp.Gt, "greater_equal": sp.Ge,
    "less": sp.Lt, "less_equal": sp.Le, "equal": sp.Eq, "not_equal": sp.Ne,
    "logical_and": sp.And, "logical_or": sp.Or, "logical_not": sp.Not,
}  # fmt: skip


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple, options: dict) -> sp.Expr:
    """The expression for a NumPy ufunc applied to symbolic tensors."""
    if method != "__call__" or options:
        raise TypeError(
            f"np.{ufunc.__name__}.{method} with {sorted(options)} does not know symbolic tensors"
        )
    values = [sympify(x) for x in inputs]
    if ufunc.__name__ == "matmul":
        from symgrad.language.contractions import matmul

        return matmul(*values)
    rule = UFUNCS.get(ufunc.__name__)
    if rule is None:
        raise TypeError(f"np.{ufunc.__name__} does not know symbolic tensors")
    return rule(*values)


NAMED = {  # NumPy's name -> ours, where they differ
    "amax": "max", "amin": "min", "inner": "dot", "swapaxes": "transpose",
    "moveaxis": "transpose", "ravel": "flatten", "expand_dims": "unsqueeze", "vdot": "dot",
    "hstack": "concatenate", "vstack": "concatenate", "clip": "clamp", "linalg.norm": "norm",
    "take_along_axis": "gather",
}  # fmt: skip


def refuse_function(func: Any) -> NoReturn:
    """NumPy's functions of arrays would give something else than the model that is meant."""
    import symgrad

    name = NAMED.get(func.__name__, func.__name__)
    remedy = f"use sg.{name}" if hasattr(symgrad, name) else "write it with symgrad's operations"
    raise TypeError(f"np.{func.__name__} does not know symbolic tensors; {remedy}")
