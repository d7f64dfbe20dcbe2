"""What a tensor is: operators shared by symbols and operations, and shapes of expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from sympy.logic.boolalg import Boolean

from symgrad.language.row import TABLE, broadcast
from symgrad.language.walk import postorder

VANISHED = (
    "SymPy may have simplified a tensor away, and its shape with it (z/z is 1): sg.let or "
    "sg.broadcast_to prevents it"
)


class Shaped:
    """The operators that SymPy lacks, for everything that knows its shape."""

    _iterable = False  # else SymPy takes what has [] for a sequence
    shape: tuple
    dtype: str  # "float", "int" or "bool"

    def __matmul__(self, other: Any) -> sp.Expr:
        from symgrad.language.contractions import matmul

        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> sp.Expr:
        from symgrad.language.contractions import matmul

        return matmul(other, self)

    def __getitem__(self, index: Any) -> sp.Expr:
        from symgrad.language.indexing import take

        return take(self, index)

    @property
    def T(self) -> sp.Expr:
        """The axes in reverse order, as in NumPy."""
        from symgrad.language.views import transpose

        return transpose(self)

    def _eval_transpose(self) -> sp.Expr:
        return self.T

    _eval_adjoint = _eval_transpose

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        from symgrad.language.numpy_functions import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from symgrad.language.numpy_functions import refuse_function

        refuse_function(func)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(f"{self} is a symbol and has no values: it cannot become a NumPy array")


def sympify(x: Any) -> sp.Expr:
    """An operand as an expression: numbers, NumPy arrays (as constants) and expressions."""
    if isinstance(x, sp.MatrixBase):
        from symgrad.language.sums import matrix_of_scalars

        return matrix_of_scalars(x)
    if isinstance(x, sp.Basic):
        if isinstance(x, sp.NDimArray | sp.MatrixExpr):
            raise TypeError(
                f"{type(x).__name__} {x} cannot be mixed with symgrad tensors; "
                "write the whole model with MatrixSymbols, or all of it with sg.data/sg.parameter"
            )
        if isinstance(x, sp.Lambda) or not isinstance(x, sp.Expr | Boolean):
            raise TypeError(f"SymPy's {type(x).__name__} {x} is neither a number nor an expression")
        return x
    if isinstance(x, bool | np.bool_):
        raise TypeError(
            f"{x!r} is a Python truth value, not an expression: `a == b` compares structure in "
            "SymPy, write sp.Eq(a, b) for a condition"
        )
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, int | float | complex):
        return sp.sympify(x)
    if isinstance(x, np.ndarray | list | tuple):
        from symgrad.language.symbols import constant

        return constant(x)
    raise TypeError(f"{x!r} of type {type(x).__name__} is not an expression, a number or an array")


def children(e: sp.Basic) -> tuple:
    """The sub-expressions whose shapes decide the shape of e."""
    return () if isinstance(e, Shaped) or type(e) in OPAQUE else e.args


def describe(e: sp.Basic) -> tuple[tuple, str]:
    """Shape and kind ("float", "int", "bool") of an expression."""
    memo: dict[int, tuple[tuple, str]] = {}
    for node in postorder([e], children):
        memo[id(node)] = _describe(node, [memo[id(c)] for c in children(node)])
    return memo[id(e)]


def _describe(e: sp.Basic, parts: list[tuple[tuple, str]]) -> tuple[tuple, str]:
    if isinstance(e, Shaped):
        return e.shape, e.dtype
    if type(e) in OPAQUE:
        return OPAQUE[type(e)](e)
    if isinstance(e, sp.MatrixExpr | sp.MatrixBase):
        raise TypeError(f"the matrix {e} cannot be mixed with symgrad tensors")
    if isinstance(e, Boolean) and not isinstance(e, sp.Symbol):
        kind = "bool"
    elif not parts:
        kind = "int" if isinstance(e, sp.Integer) else "float"
    else:
        kinds = {k for _, k in parts if k != "bool"}
        kind = "int" if kinds == {"int"} and _keeps_integers(e) else "float"
    try:
        return broadcast(*(s for s, _ in parts)), kind
    except ValueError as error:
        raise ValueError(f"{error}, in {e}") from None


def _keeps_integers(e: sp.Basic) -> bool:
    row = TABLE.get(HEADS.get(type(e), ""))
    return row is not None and row.result in ("same", "int")


OPAQUE: dict[type, Callable[[Any], tuple[tuple, str]]] = {}  # shape and kind not by broadcasting
HEADS: dict[type, str] = {}  # SymPy class -> the operation it stands for; filled by the rows


def shape(e: Any) -> tuple:
    """The shape of one sample's value of an expression.

    >>> import symgrad as sg
    >>> W, x = sg.parameter("W", shape=(3, 4), init=0), sg.data("x", shape=4)
    >>> sg.shape(W @ x + 1)
    (3,)
    """
    return describe(sympify(e))[0]
