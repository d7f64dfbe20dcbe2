"""Models written with SymPy's MatrixSymbols: their gradients as matrix expressions.

SymPy's own matrix calculus is wrong for some of them (`Trace(E.T*E).diff(W)` for an E with an
elementwise function), so nothing of it is used: the rules are in `matrix_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy import MatrixExpr, MatrixSymbol
from sympy.core.parameters import distribute

from symgrad.calculus.gradient import Gradient
from symgrad.language.matrix_algebra import add, is_one_by_one, is_zero
from symgrad.language.matrix_forms import named, normal, readable
from symgrad.language.matrix_rules import Parts, parts
from symgrad.language.tensor import Shaped
from symgrad.language.walk import postorder
from symgrad.show.text import equations_text, gradient_text


def matrix_gradient(e: Any, v: Any) -> Any:
    """The gradient of a scalar written with MatrixSymbols.

    e: a scalar, or a matrix of shape (1, 1).  v: a MatrixSymbol or a plain Symbol gives an
    expression of its shape, a list a Mapping.  Element (i, j) of a gradient is the derivative by
    element (i, j).  Elements are independent: no symmetry is assumed.
    Raises ValueError for an e that is not scalar, TypeError for what has no rule.

    >>> X, W, Y = sp.MatrixSymbol("X", 9, 3), sp.MatrixSymbol("W", 3, 2), sp.MatrixSymbol("Y", 9, 2)
    >>> matrix_gradient(sp.Trace((X*W - Y).T*(X*W - Y)), W)
    2*X.T*(X*W - Y)
    """
    symbols = [v] if isinstance(v, sp.Basic) else list(v)
    check_scalar(e)
    check_unmixed(e)
    for s in symbols:
        _check_symbol(e, s)
    with distribute(False):  # else SymPy writes 2*(a + b) as 2*a + 2*b
        gradients = _Sweep(normal(e), symbols).gradients()
        gradients = [readable(g) for g in gradients]
    if isinstance(v, sp.Basic):
        return gradients[0]
    return MatrixGradient(readable(normal(e)), dict(zip(symbols, gradients, strict=True)))


class MatrixGradient(Gradient):
    """A gradient of matrices, printed with names for long parts that occur more than once."""

    def shown(self) -> tuple[dict[MatrixSymbol, sp.Expr], dict[sp.Symbol, sp.Expr]]:
        """The named parts' definitions, and the gradient written with their names."""
        taken = {x.name for x in matrix_symbols([*self, *self.values()])}
        definitions, values = named(list(self.values()), taken)
        return definitions, dict(zip(self, values, strict=True))

    def __str__(self) -> str:
        definitions, values = self.shown()
        lines = [equations_text({s.name: e for s, e in definitions.items()})] if definitions else []
        return "\n".join([*lines, gradient_text(values)])

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        definitions, values = self.shown()
        rows = [(sp.latex(s), e) for s, e in definitions.items()]
        rows += [(rf"\nabla_{{{sp.latex(s)}}}", e) for s, e in values.items()]
        body = r" \\ ".join(f"{left} &= {sp.latex(e)}" for left, e in rows)
        return rf"$\begin{{aligned}} {body} \end{{aligned}}$"


def matrix_symbols(expressions: Iterable[sp.Basic]) -> list[MatrixSymbol]:
    """The MatrixSymbols that occur."""
    leaf = lambda x: () if isinstance(x, MatrixSymbol) else x.args  # noqa: E731
    return [x for x in postorder(list(expressions), leaf) if isinstance(x, MatrixSymbol)]


class _Sweep:
    """One backward sweep over the expression's nodes; equal ones are one."""

    def __init__(self, root: sp.Basic, wrt: list[sp.Basic]) -> None:
        self.known: dict[sp.Basic, sp.Basic] = {root: root}
        self.parts: dict[sp.Basic, Parts] = {}
        self.wrt = wrt
        self.order = list(postorder([root], self._operands))
        seed = sp.Identity(1) if isinstance(root, MatrixExpr) else sp.S.One
        self.sums: dict[sp.Basic, list[Any]] = {root: [seed]}

    def _operands(self, e: sp.Basic) -> list[sp.Basic]:
        if e not in self.parts:
            self.parts[e] = [(self.known.setdefault(x, x), pull) for x, pull in parts(e)]
        return [x for x, _ in self.parts[e]]

    def gradients(self) -> list[sp.Basic]:
        active = set(self.wrt)
        for e in self.order:
            if any(x in active for x in self._operands(e)):
                active.add(e)
        for e in reversed(self.order):
            if e in active and e not in self.wrt:
                self._pull_back(e, active)
        return [self._total(v) for v in self.wrt]

    def _pull_back(self, e: sp.Basic, active: set) -> None:
        adjoint = self._total(e)
        if adjoint == 0 or (isinstance(adjoint, MatrixExpr) and is_zero(adjoint)):
            return
        for x, pull in self.parts[e]:
            if x in active:
                self.sums.setdefault(x, []).append(pull(adjoint))

    def _total(self, e: sp.Basic) -> Any:
        found = self.sums.get(e, [])
        if not isinstance(e, MatrixExpr):
            return sp.Add(*found)
        return add(*found) if found else sp.ZeroMatrix(*e.shape)


def check_scalar(e: Any) -> None:
    if isinstance(e, MatrixExpr) and not is_one_by_one(e):
        raise ValueError(
            f"a gradient is taken of a scalar; {e} is a matrix of shape {e.shape}: "
            "Trace(E.T*E) adds up the squares of its elements"
        )


def check_unmixed(e: sp.Basic) -> None:
    """A model is written with MatrixSymbols or with our tensors; scalar hypers fit in both."""
    for x in postorder([e], lambda x: () if isinstance(x, Shaped) else x.args):
        if isinstance(x, Shaped) and not (getattr(x, "role", "") == "hyper" and x.shape == ()):
            raise TypeError(
                f"{x} is a symgrad tensor, and MatrixSymbols occur beside it: write the whole "
                "model with MatrixSymbols and plain symbols, or all of it with sg.data and "
                "sg.parameter"
            )


def _check_symbol(e: sp.Basic, s: Any) -> None:
    if not isinstance(s, MatrixSymbol | sp.Symbol):
        raise TypeError(f"a gradient is taken for MatrixSymbols and symbols; {s!r} is neither")
    check_unmixed(s)
    if any(s in size.free_symbols for m in matrix_symbols([e]) for size in m.shape):
        raise ValueError(f"{s} is a size of a matrix: there is no derivative with respect to it")
