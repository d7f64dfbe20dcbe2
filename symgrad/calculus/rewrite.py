"""Rewrites: a pattern of equations, what replaces it, and the identity that allows it.

A pattern is a tuple (operation, operand, ...) whose operands are patterns, numbers, or strings that
bind an operand; sums and products match in any order.  The replacement takes what was bound, and
the attributes of the pattern's structured operations, by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from symgrad.calculus.block import Equation, Name, Operand
from symgrad.calculus.builder import Builder, Value

COMMUTATIVE = ("add", "mul")
Bindings = dict[str, Any]


@dataclass(frozen=True)
class Rewrite:
    identity: str  # the identity, as a person writes it; also the rewrite's name
    pattern: tuple
    replacement: Callable[..., Any]

    def apply(self, builder: Builder, equation: Equation) -> Value | None:
        """The replacement where the equation matches, else None."""
        if equation.operation != self.pattern[0]:
            return None
        for bound in _match_equation(builder, self.pattern, equation, {}):
            values = {k: builder.value(v) if _is_operand(v) else v for k, v in bound.items()}
            return builder.value(self.replacement(**values))
        return None


def _is_operand(x: Any) -> bool:
    return isinstance(x, Name) or hasattr(x, "is_number")


def _match(builder: Builder, pattern: Any, x: Operand, bound: Bindings) -> Iterator[Bindings]:
    """Every way in which an operand matches a pattern, given what is bound already."""
    if isinstance(pattern, str):
        if bound.get(pattern, x) is x:
            yield {**bound, pattern: x}
    elif isinstance(pattern, tuple):
        equation = builder.definition(x) if isinstance(x, Name) else None
        if equation is not None and equation.operation == pattern[0]:
            yield from _match_equation(builder, pattern, equation, bound)
    elif not isinstance(x, Name) and x == pattern:
        yield bound


def _match_equation(
    builder: Builder, pattern: tuple, equation: Equation, bound: Bindings
) -> Iterator[Bindings]:
    parts = pattern[1:]
    if len(parts) != len(equation.operands):
        return
    attributes = dict(equation.attributes)
    if any(bound.get(k, v) != v for k, v in attributes.items()):
        return
    orders = itertools.permutations(equation.operands) if pattern[0] in COMMUTATIVE else None
    for operands in orders or (equation.operands,):
        yield from _match_all(builder, parts, operands, {**bound, **attributes})


def _match_all(
    builder: Builder, patterns: tuple, operands: tuple, bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for now in _match(builder, patterns[0], operands[0], bound):
        yield from _match_all(builder, patterns[1:], operands[1:], now)
