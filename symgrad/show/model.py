"""A model as text: its objective and the objective's gradient."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symgrad.calculus.block import Block, Name, Operand
from symgrad.calculus.draws import is_random
from symgrad.calculus.express import Expressions
from symgrad.calculus.gradient import Gradient
from symgrad.show.text import equations_text, printable


def expressions(
    block: Block, objective: Name, gradients: Mapping[sp.Symbol, Operand]
) -> tuple[sp.Expr, Gradient]:
    """The objective and its gradient as expressions that share what is named."""
    first, *parts = Expressions(block).of([objective, *gradients.values()])
    return first, Gradient(first, dict(zip(gradients, parts, strict=True)))


def model_text(objective: sp.Expr, gradient: Gradient) -> str:
    """The draws' distributions, the named values as equations, then `minimise E[...]` and a line
    for each parameter."""
    lines = {"minimise": objective}
    lines.update({f"gradient {printable(s.name)}": e for s, e in gradient.items()})
    read = set().union(*(e.free_symbols for e in lines.values()))
    draws = [f"{printable(s.name)} ~ {s.payload}" for s in read if is_random(s)]
    return "\n".join([*sorted(draws), equations_text(lines, ": ")])
