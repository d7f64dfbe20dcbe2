"""Matrix expressions that SymPy lacks or prints so that nobody can read them."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.printing.precedence import PRECEDENCE

VARIABLE = sp.Dummy("t", real=True)  # of all elementwise functions: equal ones are then equal


class Elementwise(ElementwiseApplyFunction):
    """A function of every element, printed `tanh.(X*W)` or `(t -> t**2 + 1).(X*W)`."""

    def _sympystr(self, printer: Any) -> str:
        return f"{self._shown(printer, '({} -> {})')}.({printer._print(self.expr)})"

    def _latex(self, printer: Any) -> str:
        shown = self._shown(printer, r"\left({} \mapsto {}\right)")
        return rf"{shown}_{{\circ}}\left({printer._print(self.expr)}\right)"

    def _numpycode(self, printer: Any) -> str:
        return f"{self._shown(printer, '(lambda {}: {})')}({printer._print(self.expr)})"

    def _shown(self, printer: Any, template: str) -> str:
        body = self.function.expr
        if body.args == (VARIABLE,) and "lambda" not in template:
            return printer._print(sp.Function(body.func.__name__))
        plain = sp.Symbol("t", real=True)
        plain = VARIABLE if plain in body.free_symbols else plain
        shown = body.xreplace({VARIABLE: plain})
        return template.format(printer._print(plain), printer._print(shown))


class MatrixUnit(sp.MatrixExpr):
    """The matrix with 1 at (i, j) and 0 elsewhere, printed `unit(i, j)`."""

    def __new__(cls, *rows_cols_i_j: Any) -> MatrixUnit:
        return super().__new__(cls, *map(sp.sympify, rows_cols_i_j))

    @property
    def shape(self) -> tuple:
        return self.args[:2]

    def _entry(self, i: Any, j: Any, **_: Any) -> sp.Expr:
        return sp.KroneckerDelta(i, self.args[2]) * sp.KroneckerDelta(j, self.args[3])

    def _sympystr(self, printer: Any) -> str:
        shown = [
            printer._print(x)
            for x, size in zip(self.args[2:], self.shape, strict=True)
            if size != 1
        ]
        return f"unit({', '.join(shown)})" + (".T" if self.rows == 1 else "")


class Hadamard(sp.HadamardProduct):
    """The product of elements, printed `A .* B`."""

    def _sympystr(self, printer: Any) -> str:
        return " .* ".join(printer.parenthesize(a, PRECEDENCE["Mul"]) for a in self.args)


class ElementPower(sp.HadamardPower):
    """Powers of elements, printed `A.**2`."""

    def _sympystr(self, printer: Any) -> str:
        return ".**".join(printer.parenthesize(a, PRECEDENCE["Pow"]) for a in self.args)

    def _numpycode(self, printer: Any) -> str:
        return "**".join(f"({printer._print(a)})" for a in self.args)
