"""Products and sums with scalar factors, as expressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sympy as sp

from symgrad.calculus.magnitude import is_moderate
from symgrad.lower.kernel import Apply, Expression, Number
from symgrad.lower.nodes import Node, Operand

if TYPE_CHECKING:
    from symgrad.lower.elements import Elements


def scaled_sum(elements: Elements, terms: list[tuple[tuple, Expression]], dtype: str) -> Expression:
    """The sum of factors * value."""
    parts = []
    for factors, value in terms:
        product = [*scale(elements, factors, dtype), elements.cast(value, dtype)]
        parts.append(product_of(elements, product, dtype))
    if not parts:
        return elements.number(0, dtype)
    return parts[0] if len(parts) == 1 else elements.apply("add", tuple(parts), dtype)


def scale(elements: Elements, factors: Sequence[Operand], dtype: str) -> list[Expression]:
    """Scalar factors, those of the step multiplied in float64 before they are rounded."""
    wide = [f for f in factors if (f.wide if isinstance(f, Node) else is_moderate(f))]
    rest = [elements.cast(elements.element(f, ()), dtype) for f in factors if f not in wide]
    if not any(isinstance(f, Node) for f in wide) or dtype == "int64":
        number = sp.Mul(*[f for f in wide if not isinstance(f, Node)])
        named = [elements.cast(elements.element(f, ()), dtype) for f in wide if isinstance(f, Node)]
        return [*([elements.number(number, dtype)] if number != 1 else []), *named, *rest]
    step = [elements.cast(elements.element(f, ()), "float64") for f in wide]
    return [elements.cast(product_of(elements, step, "float64"), dtype), *rest]


def product_of(elements: Elements, factors: Sequence[Expression], dtype: str) -> Expression:
    """The product, its numbers folded into one in front, but for those of extreme size."""
    numbers = [f for f in factors if isinstance(f, Number) and is_moderate(f.value)]
    rest: list[Expression] = [f for f in factors if f not in numbers]
    number = math.prod(f.value for f in numbers)
    if not rest or number != 1:
        rest = [elements.number(number, dtype), *rest]
    return rest[0] if len(rest) == 1 else elements.apply("mul", tuple(rest), dtype)


def kept_apart(
    elements: Elements, factors: tuple[Expression, ...], dtype: str
) -> tuple[Expression, ...]:
    """The factors of a product with numbers of extreme size multiplied into others, the inner one
    first, by operations that targets do not reorder."""
    numbers = [f for f in factors if isinstance(f, Number) and not is_moderate(f.value)]
    if not numbers:
        return factors
    rest = [f for f in factors if f not in numbers]
    if not rest or isinstance(rest[-1], Number):
        return factors
    for number in reversed(numbers):
        rest[-1] = _scaled(elements, number, rest[-1], dtype)
    return tuple(rest)


def _scaled(elements: Elements, number: Number, x: Expression, dtype: str) -> Expression:
    """number * x, or the number divided by what x is an inverse of."""
    if isinstance(x, Apply) and x.operation == "pow" and isinstance(x.operands[1], Number):
        base, exponent = x.operands
        assert isinstance(exponent, Number)
        if exponent.value < 0:
            size = elements.number(-exponent.value, exponent.dtype)
            below = base if size.value == 1 else elements.apply("pow", (base, size), dtype)
            return elements.apply("divided", (below, number), dtype)
    return elements.apply("scaled", (x, number), dtype)
