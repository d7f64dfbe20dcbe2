"""Rewrites: a pattern of equations, what replaces it, and the identity that allows it.

A pattern is a tuple (operation, operand, ...) whose operands are patterns, numbers, or strings that
bind an operand; sums and products match in any order.  The replacement takes what was bound, and
the attributes of the pattern's structured operations, by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symgrad.calculus.block import Equation, Name, Operand
from symgrad.calculus.builder import Builder, Value

COMMUTATIVE = ("add", "mul")
NUMBER = "a number"  # also what is given, which matches no operation either
Bindings = dict[str, Any]


@dataclass(frozen=True)
class Rewrite:
    identity: str  # the identity, as a person writes it; also the rewrite's name
    pattern: tuple
    replacement: Callable[..., Any]

    @cached_property
    def needs(self) -> frozenset[str]:
        """The kinds of operands that an equation has to have, as `_kinds` names them."""
        parts = (x for x in self.pattern[1:] if not isinstance(x, str))
        return frozenset(x[0] if isinstance(x, tuple) else NUMBER for x in parts)

    def apply(self, builder: Builder, equation: Equation) -> Value | None:
        """The replacement where the equation matches, else None.

        Of a longer sum or product a part may match: the rest is joined to the replacement.  A
        replacement may be None: the identity does not hold for these attributes.
        """
        if equation.operation != self.pattern[0]:
            return None
        for bound, rest in _match_equation(builder, self.pattern, equation, {}):
            values = {k: builder.value(v) if _is_operand(v) else v for k, v in bound.items()}
            found = self.replacement(**values)
            if found is not None:
                return builder.apply(equation.operation, found, *rest) if rest else found
        return None


def improved(builder: Builder, value: Value, rewrites: Mapping[str, Sequence[Rewrite]]) -> Value:
    """The value by the first rewrite that applies to its equation; they are listed by operation."""
    made = builder.definition(value.operand) if isinstance(value.operand, Name) else None
    if made is None:
        return value
    kinds = _kinds(builder, made)
    for rewrite in rewrites.get(made.operation, ()):
        better = rewrite.apply(builder, made) if rewrite.needs <= kinds else None
        if better is not None and better.shape == value.shape:
            return better
    return value


def _kinds(builder: Builder, equation: Equation) -> set[str]:
    """The operations that make its operands: of thousands of equations few match any pattern."""
    found = set()
    for x in equation.operands:
        made = builder.definition(x) if isinstance(x, Name) else None
        found.add(made.operation if made else NUMBER)
    return found


def by_operation(rewrites: Iterable[Rewrite]) -> dict[str, list[Rewrite]]:
    listed: dict[str, list[Rewrite]] = {}
    for r in rewrites:
        listed.setdefault(r.pattern[0], []).append(r)
    return listed


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
            if _is_opposite(builder, pattern, equation, bound):
                yield bound
            for found, rest in _match_equation(builder, pattern, equation, bound):
                if not rest:
                    yield found
    elif not isinstance(x, Name) and x == pattern:
        yield bound


def _is_opposite(builder: Builder, pattern: tuple, e: Equation, bound: Bindings) -> bool:
    """Whether a product is -x of an x that is bound: of 2 z it is -2 z, where no -1 is seen."""
    if pattern[:2] != ("mul", -1) or pattern[2] not in bound or e.operands[0] == -1:
        return False
    return (-builder.value(bound[pattern[2]])).operand is e.name


def _match_equation(
    builder: Builder, pattern: tuple, equation: Equation, bound: Bindings
) -> Iterator[tuple[Bindings, tuple]]:
    """Every way in which an equation matches, each with the operands that are left over."""
    parts, operands = pattern[1:], equation.operands
    attributes = dict(equation.attributes)
    if any(bound.get(k, v) != v for k, v in attributes.items()):
        return
    for chosen in _choices(builder, pattern, operands):
        rest = tuple(x for k, x in enumerate(operands) if k not in chosen)
        part = tuple(operands[k] for k in chosen)
        for found in _match_all(builder, parts, part, {**bound, **attributes}):
            yield found, rest


def _choices(
    builder: Builder, pattern: tuple, operands: tuple[Operand, ...]
) -> Iterator[tuple[int, ...]]:
    """Which operands may stand for the pattern's parts."""
    parts = pattern[1:]
    if pattern[0] not in COMMUTATIVE:
        if len(parts) == len(operands):
            yield tuple(range(len(parts)))
        return
    possible = [[k for k, x in enumerate(operands) if _may_match(builder, p, x)] for p in parts]
    for chosen in itertools.product(*possible):
        if len(set(chosen)) == len(chosen):
            yield chosen


def _may_match(builder: Builder, pattern: Any, x: Operand) -> bool:
    """A first look, at the operation or the number alone."""
    if isinstance(pattern, str):
        return True
    if not isinstance(x, Name):  # SymPy would parse the strings of a tuple to compare it
        return not isinstance(pattern, tuple) and x == pattern
    definition = builder.definition(x)
    return (
        isinstance(pattern, tuple)
        and definition is not None
        and (definition.operation == pattern[0])
    )


def _match_all(
    builder: Builder, patterns: tuple, operands: tuple, bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for now in _match(builder, patterns[0], operands[0], bound):
        yield from _match_all(builder, patterns[1:], operands[1:], now)
