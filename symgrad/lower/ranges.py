"""What integers are known to be, so that indices need no test: draws, constants, and choices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp

from symgrad.lower.nodes import VIEWS, Node, Operand

Range = tuple[int, int]  # smallest and largest


def within(x: Operand, size: int) -> bool:
    """Whether an integer is known to be in 0 ... size - 1."""
    found = range_of(x)
    return found is not None and found[0] >= 0 and found[1] < size


def range_of(x: Operand) -> Range | None:
    """Bounds of a value's elements, None where nothing is known."""
    if not isinstance(x, Node):
        return (int(x), int(x)) if isinstance(x, sp.Integer) else None
    if x.operation in VIEWS or x.operation == "gather":  # of a table all elements
        return range_of(x.operands[0])
    rule = RANGES.get(x.operation)
    return rule(x) if rule else None


def _input(x: Node) -> Range | None:
    value = getattr(x.symbol, "value", None) if x.attributes["role"] == "constant" else None
    if value is None or not np.size(value) or x.kind != "int":
        return None
    return int(np.min(value)), int(np.max(value))


def _below(x: Node) -> Range | None:
    top = x.operands[1]
    return None if isinstance(top, Node) else (0, int(top) - 1)


def _select(x: Node) -> Range | None:
    first, second = map(range_of, x.operands[1:])
    if first is None or second is None:
        return None
    return min(first[0], second[0]), max(first[1], second[1])


RANGES: dict[str, Callable[[Node], Range | None]] = {
    "input": _input, "below": _below, "either": _below, "select": _select,
}  # fmt: skip
