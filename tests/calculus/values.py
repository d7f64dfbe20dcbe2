"""Numbers of expressions: through the block that capture makes, and the reference target."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

import symgrad as sg
from symgrad.calculus.block import Block, Name
from symgrad.calculus.capture import capture, role_of
from symgrad.calculus.derive import derive
from symgrad.calculus.reference import evaluate


def value(e: Any, arrays: Mapping, dtype: Any = np.float64, roles: Mapping | None = None) -> Any:
    """The expression's value: (n, *shape) where it is per sample."""
    block = capture({"value": e}, roles).check()
    return np.asarray(evaluate(block, arrays, dtype=dtype)[block.outputs["value"]])


def derived(e: sp.Expr, wrt: Sequence[sp.Symbol], roles: Mapping | None = None) -> tuple:
    """(block, operands) of the gradient, by the block alone; symbols that do not occur give 0."""
    block = capture({"value": e}, roles)
    names = [
        block.inputs.get(s) or Name(s.name, s.shape, "float", role_of(s, roles or {}) == "data")
        for s in wrt
    ]
    return derive(block, block.outputs["value"], names)


def gradients(e: sp.Expr, wrt: Sequence[sp.Symbol], arrays: Mapping, dtype: Any = np.float64,
              roles: Mapping | None = None) -> list[np.ndarray]:  # fmt: skip
    """The gradient's values, each full: (n, *shape) for what is per sample."""
    block, operands = derived(e, wrt, roles)
    values = evaluate(block.check(), arrays, dtype=dtype)
    return [np.asarray(values[g] if isinstance(g, Name) else float(g)) for g in operands]


def through_expressions(e: sp.Expr, wrt: Sequence[sp.Symbol], arrays: Mapping,
                        roles: Mapping | None = None) -> list[np.ndarray]:  # fmt: skip
    """The gradient's values by way of the expressions that `sg.gradient` prints."""
    parts = sg.gradient(e, list(wrt))
    return [value(parts[s], arrays, roles=roles) for s in wrt]


def block_value(block: Block, label: str, arrays: Mapping) -> np.ndarray:
    return np.asarray(evaluate(block, arrays)[block.outputs[label]])
