"""Running sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.operation import Operation
from symgrad.language.reductions import one_axis
from symgrad.language.row import Row, op, register
from symgrad.language.symbols import batch_size
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import reshape


def _cumsum(lead: int, x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    if not reverse:
        return np.cumsum(x, axis + lead)
    return np.flip(np.cumsum(np.flip(x, axis + lead), axis + lead), axis + lead)


def _expand(x: Any, axis: int, reverse: bool) -> Any:
    """Sums of 2, 4, 8 ... neighbours (Hillis and Steele 1986): no infinity meets a 0."""
    n, width = x.shape[axis], 1
    while width < n:
        low, high = ("range", 0, n - width, 1), ("range", width, n, 1)
        source, target = (high, low) if reverse else (low, high)
        moved = op.slice(x, spec=_along(x.shape, axis, source))
        x = x + op.unslice(moved, spec=_along(x.shape, axis, target), shape=x.shape)
        width *= 2
    return x


def _along(shape: tuple, axis: int, entry: tuple) -> tuple:
    return tuple(entry if k == axis else ("range", 0, s, 1) for k, s in enumerate(shape))


def _pull(g: Any, y: Any, x: Any, axis: int, reverse: bool) -> Any:
    return op.cumsum(g, axis=axis, reverse=not reverse)


register(
    Row("cumsum", "composite", _cumsum, (_pull,), shape=lambda shape, axis, reverse: shape,
        result="same", expand=_expand)
)  # fmt: skip


class CumulativeSum(Operation):
    row = "cumsum"
    template = "cumsum({0}, axis={axis})"

    def _sympystr(self, printer: Any) -> str:
        reverse = ", reverse=True" if self.attributes["reverse"] else ""
        return self._print(printer, f"cumsum({{0}}, axis={{axis}}{reverse})", 0)


def cumsum(z: Any, *, axis: Any = None, reverse: bool = False) -> sp.Expr:
    """The sum of the elements up to each one along an axis; with `reverse` from each one on.

    Without an axis the value counts as flat, as in NumPy.

    >>> import symgrad as sg
    >>> sg.cumsum(sg.data("x", shape=4))
    cumsum(x, axis=0)
    """
    z = sympify(z)
    if axis is None:
        z, axis = reshape(z, (-1,)), 0
    shape = describe(z)[0]
    at = one_axis(axis, len(shape), "cumsum")
    if shape[at] == batch_size:
        raise ValueError(
            f"sg.cumsum: axis {at} of {z} has the symbolic size {shape[at]}, and samples have no "
            "order in a mini-batch: compare them, sg.sum(sg.indicator(sg.batch(t) <= t)"
            "*sg.batch(z)) adds up those that come before by t"
        )
    return CumulativeSum(z, axis=at, reverse=bool(reverse))
