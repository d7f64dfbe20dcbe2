"""Rewrites: a pattern of equations, what replaces it, and the identity that allows it.

A pattern is a tuple (operation, operand, ...) whose operands are patterns, numbers, or strings that
bind an operand; sums and products match in any order.  The replacement takes what was bound, and
the attributes of the pattern's structured operations, by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
        """The replacement where the equation matches, else None.

        Of a longer sum or product a part may match: the rest is joined to the replacement.  A
        replacement may be None: the identity does not hold for these attributes.
        """
        if equation.operation != self.pattern[0]:
            return None
        for part, rest in _parts(self.pattern, equation):
            for bound in _match_equation(builder, self.pattern, part, {}):
                values = {k: builder.value(v) if _is_operand(v) else v for k, v in bound.items()}
                found = self.replacement(**values)
                if found is not None:
                    return builder.apply(equation.operation, found, *rest) if rest else found
        return None


def improved(builder: Builder, value: Value, rewrites: Mapping[str, Sequence[Rewrite]]) -> Value:
    """The value by the first rewrite that applies to its equation; they are listed by operation."""
    made = builder.definition(value.operand) if isinstance(value.operand, Name) else None
    for rewrite in rewrites.get(made.operation, ()) if made else ():
        better = rewrite.apply(builder, made)
        if better is not None and better.shape == value.shape:
            return better
    return value


def by_operation(rewrites: Iterable[Rewrite]) -> dict[str, list[Rewrite]]:
    listed: dict[str, list[Rewrite]] = {}
    for r in rewrites:
        listed.setdefault(r.pattern[0], []).append(r)
    return listed


def _parts(pattern: tuple, equation: Equation) -> Iterator[tuple[Equation, tuple]]:
    """The equation itself, or the parts of a longer sum or product, with what is left over."""
    count, operands = len(pattern) - 1, equation.operands
    if equation.operation not in COMMUTATIVE or len(operands) <= count:
        yield equation, ()
        return
    for chosen in itertools.combinations(range(len(operands)), count):
        part = replace(equation, operands=tuple(operands[k] for k in chosen))
        yield part, tuple(x for k, x in enumerate(operands) if k not in chosen)


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
