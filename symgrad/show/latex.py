"""Gradients as LaTeX, for notebooks and papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter

from symgrad.calculus.draws import is_random
from symgrad.language.symbols import Let
from symgrad.show.text import lets_of, numbered, taken_names


class TeXPrinter(LatexPrinter):
    """SymPy's LaTeX printer; lets that share a name are numbered."""

    def __init__(self, names: Mapping[Let, str]) -> None:
        super().__init__({"order": "none"})
        self.names = names

    def _print(self, expr: Any, **options: Any) -> str:
        """Before SymPy asks the let itself, which knows nothing of the others."""
        name = self.names.get(expr)
        return let_latex(name, self) if name else super()._print(expr, **options)


def let_latex(name: str, printer: LatexPrinter) -> str:
    """A let's name; the adjoint of h is written with a bar."""
    base = name.removesuffix("_bar")
    text = printer._deal_with_super_sub(base)
    return text if base == name else rf"\bar{{{text}}}"


def gradient_latex(parts: Mapping[sp.Symbol, sp.Expr], objective: sp.Expr | None = None) -> str:
    """Aligned equations: how draws are distributed, the named values, the objective where given,
    then the gradient."""
    values = [*parts.values(), *([] if objective is None else [objective])]
    lets = lets_of(values)
    printer = TeXPrinter(numbered(lets, taken_names(values)))
    read: set[Any] = set().union(*(e.free_symbols for e in values))
    draws = [rf"{printer.doprint(s)} &\sim {s.payload.latex}" for s in read if is_random(s)]
    rows = [(printer.doprint(e), printer.doprint(e.definition)) for e in lets]
    if objective is not None:
        rows.append((r"\mathcal{L}", printer.doprint(objective)))
    rows += [(rf"\nabla_{{{printer.doprint(s)}}}", printer.doprint(e)) for s, e in parts.items()]
    body = r" \\ ".join([*sorted(draws), *(f"{left} &= {right}" for left, right in rows)])
    return rf"$\begin{{aligned}} {body} \end{{aligned}}$"
