"""`sg.gradient`: the gradient of an expression, as expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.capture import PER_SAMPLE, capture_into, role_of
from symgrad.calculus.derive import derive_into
from symgrad.calculus.express import Expressions
from symgrad.calculus.stabilize import STABLE
from symgrad.language.arguments import several
from symgrad.language.garbage import rare_collections
from symgrad.language.symbols import Let, TensorSymbol
from symgrad.language.tensor import Shaped, describe, sympify
from symgrad.language.walk import postorder


class Gradient(Mapping):
    """The derivatives of a scalar: symbol -> expression.  `print` shows them as mathematics."""

    def __init__(self, of: sp.Expr, parts: Mapping[sp.Symbol, sp.Expr]) -> None:
        self.of = of
        self._parts = dict(parts)

    def __getitem__(self, symbol: Any) -> sp.Expr:
        if symbol in self._parts:
            return self._parts[symbol]
        raise KeyError(f"no gradient for {symbol!r}; there is one for {', '.join(map(str, self))}")

    def __iter__(self) -> Iterator[sp.Symbol]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __str__(self) -> str:
        from symgrad.show.text import gradient_text

        return gradient_text(self._parts)

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        from symgrad.show.latex import gradient_latex

        return gradient_latex(self._parts)


def gradient(e: Any, v: Any) -> Any:
    """The gradient of a scalar expression: exactly of what is written, no `E` is added.

    v: a parameter, a hyper, data or a draw (this sample's own), or a let (held independent).
    One symbol gives an expression of its shape, several a Mapping from symbol to expression.
    Raises ValueError for an expression that is not scalar, and where a derivative with respect to
    one sample's value would reach other samples.

    >>> import symgrad as sg
    >>> x, y = sg.data("x y")
    >>> w, b = sg.parameter("w b")
    >>> print(sg.gradient((w*x + b - y)**2, [w, b]))
    w: 2*x*(b + w*x - y)
    b: 2*(b + w*x - y)
    """
    if holds_matrix(e):
        from symgrad.language.matrices import matrix_gradient

        return matrix_gradient(e, v)
    symbols = check_symbols([v] if isinstance(v, sp.Basic) else several(v, "sg.gradient"))
    parts = _gradient(sympify(e), symbols)
    if isinstance(v, sp.Basic):
        return parts[0]
    return Gradient(e, dict(zip(symbols, parts, strict=True)))


def check_symbols(symbols: list[Any]) -> list[sp.Symbol]:
    """What derivatives are taken for."""
    for s in symbols:
        if not isinstance(s, sp.Symbol):
            raise TypeError(f"a gradient is taken for symbols; {s!r} is none")
    return symbols


def holds_matrix(e: Any) -> bool:
    """Whether an expression is written with SymPy's MatrixSymbols."""
    if not isinstance(e, sp.Basic):
        return False
    nodes = postorder([e], lambda x: () if isinstance(x, Shaped) else x.args)
    return any(isinstance(x, sp.MatrixExpr) for x in nodes)


@rare_collections()
def _gradient(e: sp.Expr, symbols: list[sp.Symbol]) -> list[sp.Expr]:
    shape = describe(e)[0]
    if shape != ():
        raise ValueError(
            f"a gradient is taken of a scalar; {e} has shape {shape}: sg.sum adds it up"
        )
    builder, root, wrt = captured(e, symbols)
    gradients = derive_into(builder, root, wrt)
    return Expressions(builder.block({}), builder.lets).of(gradients)


def captured(e: sp.Expr, symbols: list[sp.Symbol]) -> tuple[Builder, Name, list[Name]]:
    """An expression of any shape in a builder of its own, its name, and the symbols' names."""
    builder = Builder()
    lets = [s for s in symbols if isinstance(s, Let)]
    roles = {s: "parameter" for s in symbols if not isinstance(s, TensorSymbol)}
    (root,) = capture_into(builder, [e], roles, independent=lets, rewrites=STABLE)
    if not isinstance(root, Name):
        root = builder.constant(root)
    occurring = [builder.inputs[s] for s in symbols if s in builder.inputs]
    if not root.per_sample and any(x.per_sample for x in occurring):
        raise ValueError(
            f"{e} joins the samples of the mini-batch; it has no derivative with respect to one "
            "sample's value: take the gradient of what stands inside sg.expectation or sg.batch"
        )
    wrt = [
        builder.input(s, getattr(s, "shape", ()), per_sample=role_of(s, roles) in PER_SAMPLE)
        for s in symbols
    ]
    return builder, root, wrt
