"""What importing symgrad adds to SymPy's expressions, where they hold a symgrad symbol: `@`, `.T`,
`[]`, an exact `//`, and NumPy's arrays and functions.  Others behave as they did before."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import Application
from sympy.logic.boolalg import Boolean

from symgrad.language.contractions import matmul
from symgrad.language.indexing import take
from symgrad.language.numpy_functions import apply_ufunc, refuse_function
from symgrad.language.rounding import floor_divide, remainder
from symgrad.language.tensor import Shaped
from symgrad.language.views import transpose


def holds_tensor(e: Any) -> bool:
    """Whether a symgrad symbol or operation occurs in the expression, or in a list of them."""
    stack, seen = [e], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Shaped):
            return True
        if id(node) not in seen and isinstance(node, sp.Basic | list | tuple):
            seen.add(id(node))
            stack.extend(node.args if isinstance(node, sp.Basic) else node)
    return False


def _matmul(self: sp.Expr, other: Any) -> Any:
    return matmul(self, other) if _ours(self, other) else NotImplemented


def _rmatmul(self: sp.Expr, other: Any) -> Any:
    return matmul(other, self) if _ours(self, other) else NotImplemented


def _ours(self: sp.Expr, other: Any) -> bool:
    known = isinstance(other, sp.Expr | np.ndarray | list)
    return known and (holds_tensor(self) or holds_tensor(other))


def _exact(old: Callable[..., Any], quotient: Callable[..., Any]) -> Callable[..., Any]:
    """A division of which SymPy makes floor(a (1/b)): 49 // 49 would be 0."""

    def divided(self: sp.Expr, other: Any) -> Any:
        ours = isinstance(other, NUMBERS) and (holds_tensor(self) or holds_tensor(other))
        return quotient(self, other) if ours else old(self, other)

    return divided


NUMBERS = (sp.Expr, int, float, np.number)


def _transposed(self: sp.Expr) -> sp.Expr:
    if not holds_tensor(self):
        raise AttributeError(f"{type(self).__name__!r} object has no attribute 'T'")
    return transpose(self)


def _part(self: sp.Basic, index: Any) -> sp.Expr:
    """`(x + y)[1:3]`."""
    if not holds_tensor(self):
        raise TypeError(f"{type(self).__name__!r} object is not subscriptable")
    return take(self, index)


def _array_ufunc(self: sp.Basic, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """`A * (x + 1)`: without this, an array of one expression for each element of A."""
    if any(holds_tensor(x) for x in inputs):
        return apply_ufunc(ufunc, method, inputs, options)
    if ufunc.__name__ in COMPARISONS and all(np.ndim(x) == 0 for x in inputs):
        return _compared(ufunc.__name__, *map(_unwrapped, inputs))
    plain = [np.asarray(x, dtype=object) if isinstance(x, sp.Basic) else x for x in inputs]
    return getattr(ufunc, method)(*plain, **options)


def _compared(name: str, a: Any, b: Any) -> Any:
    """A comparison of scalars, which NumPy would ask for its truth value."""
    result = COMPARISONS[name](a, b)
    return np.bool_(result) if result in (True, False) else result


def _unwrapped(x: Any) -> Any:
    return x.item() if isinstance(x, np.generic | np.ndarray) else x


COMPARISONS: dict[str, Callable[..., Any]] = {
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge, "equal": operator.eq, "not_equal": operator.ne,
}  # fmt: skip


def _array_function(self: sp.Basic, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """`np.sum(x + 1)`: without this, its argument."""
    if any(holds_tensor(x) for x in (*args, *kwargs.values())):
        return refuse_function(func)
    return func._implementation(*args, **kwargs)


QUOTIENTS: dict[str, Callable[..., Any]] = {
    "__floordiv__": floor_divide, "__rfloordiv__": lambda a, b: floor_divide(b, a),
    "__divmod__": lambda a, b: (floor_divide(a, b), remainder(a, b)),
    "__rdivmod__": lambda a, b: (floor_divide(b, a), remainder(b, a)),
}  # fmt: skip


def install() -> None:
    for composite in (sp.Add, sp.Mul, sp.Pow, Application):
        composite.__getitem__ = _part
        composite._iterable = False  # else SymPy takes what has [] for a sequence
    sp.Expr.__matmul__ = _matmul
    sp.Expr.__rmatmul__ = _rmatmul
    for name, quotient in QUOTIENTS.items():
        setattr(sp.Expr, name, _exact(getattr(sp.Expr, name), quotient))
    sp.Expr.T = property(_transposed)
    for cls in (sp.Expr, Boolean):
        cls.__array_ufunc__ = _array_ufunc
        cls.__array_function__ = _array_function
