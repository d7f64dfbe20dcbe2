"""Reductions over axes of one sample's value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.arguments import switch
from symgrad.language.operation import Operation
from symgrad.language.others import product_of_others
from symgrad.language.ragged import is_length
from symgrad.language.row import Row, op, register
from symgrad.language.symbols import batch_size
from symgrad.language.tensor import VANISHED, describe, sympify


def reduced_shape(shape: tuple, axes: tuple[int, ...], keepdims: bool = False) -> tuple:
    if keepdims:
        return tuple(1 if k in axes else s for k, s in enumerate(shape))
    return tuple(s for k, s in enumerate(shape) if k not in axes)


def spread(g: Any, x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    """The reduced value at every element that was reduced; a scalar spreads by itself."""
    if g.shape == ():
        return g
    return op.broadcast_to(op.reshape(g, shape=reduced_shape(x.shape, axes, True)), shape=x.shape)


def count(shape: tuple, axes: tuple[int, ...]) -> Any:
    """How many elements a reduction joins; may contain the mini-batch's size."""
    return math.prod(shape[a] for a in axes)


def _extreme_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """k-way ties share 1/k each."""
    largest = op.eq(x, spread(y, x, axes))
    share = op.sum(op.indicator(largest), axes=axes, keepdims=True)
    return op.select(largest, spread(g, x, axes) / share, 0)


def _prod_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if all(x.shape[a] != batch_size for a in axes):
        return spread(g, x, axes) * product_of_others(x, axes)  # also where elements are 0
    return spread(g * y, x, axes) / x


def over_axes(f: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy reduction, for arrays with `lead` sample axes in front."""
    return lambda lead, x, axes, **options: f(x, axis=tuple(a + lead for a in axes), **options)


def _extreme(f: Callable[..., Any], of_nothing: float) -> Callable[..., Any]:
    """NumPy's maximum or minimum, which of no elements is what kernels start from."""

    def call(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
        start = {} if all(x.shape[a] for a in axis) else {"initial": of_nothing}
        return f(x, axis=axis, keepdims=keepdims, **start)

    return call


def _reduction(name: str, f: Any, pull: Any, **more: Any) -> Row:
    return Row(name, "reduction", over_axes(f), (pull,), shape=reduced_shape, **more)


def _mean_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return spread(g / _count_value(x, axes), x, axes)


def _count_value(x: Any, axes: tuple[int, ...]) -> Any:
    """`count` in a block, where symbolic sizes are values; of an empty list the mean is 0."""
    sizes = [(x.shape[a], x.builder.size(x.shape[a])) for a in axes]
    return math.prod(op.max(n, 1) if is_length(size) else n for size, n in sizes)


# fmt: off
register(
    _reduction("sum",  np.sum,  lambda g, y, x, axes, keepdims: spread(g, x, axes), result="same"),
    _reduction("mean", np.mean, _mean_pull),
    _reduction("prod", np.prod, _prod_pull, result="same", guarded=True),
    _reduction("amax", _extreme(np.max, -np.inf), _extreme_pull, result="same", kinked=True),
    _reduction("amin", _extreme(np.min, np.inf), _extreme_pull, result="same", kinked=True),
)
# fmt: on


class Reduction(Operation):
    """Something over axes, printed with those that are not all."""

    def _sympystr(self, printer: Any) -> str:
        shown = self._print(printer, "{0}", 0)
        every = tuple(range(len(describe(self.operands[0])[0])))
        axes = self.attributes["axes"]
        if axes != every:
            shown += f", axis={axes[0] if len(axes) == 1 else axes}"
        if self.attributes.get("keepdims"):
            shown += ", keepdims=True"
        return f"{self.label}({shown})"

    @property
    def label(self) -> str:
        return self.row


class ReduceSum(Reduction):
    row = "sum"

    @property
    def latex_template(self) -> str:  # type: ignore[override]
        axes = self.attributes["axes"]
        some = len(axes) < len(describe(self.operands[0])[0])
        below = f"_{{{{{', '.join(map(str, axes))}}}}}" if some else ""
        return rf"\sum{below}\left({{0}}\right)"


class ReduceMean(Reduction):
    row = "mean"


class ReduceProduct(Reduction):
    row = "prod"


class ReduceMax(Reduction):
    row = "amax"
    label = "max"


class ReduceMin(Reduction):
    row = "amin"
    label = "min"


def normalize_axes(axis: Any, rank: int, what: str) -> tuple[int, ...]:
    """None, an int or a tuple as sorted non-negative axes."""
    given = range(rank) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = []
    for a in given:
        if not isinstance(a, int | np.integer) or isinstance(a, bool):
            raise TypeError(f"sg.{what}: an axis is an int or a tuple of ints, not {axis!r}")
        if not -rank <= a < rank:
            raise IndexError(
                f"sg.{what}: axis {a} does not exist in one sample's {rank} axes (the sample axis "
                "does not count: torch's dim=1 is axis 0)"
            )
        axes.append(int(a) % rank)
    if len(set(axes)) < len(axes):
        raise ValueError(f"sg.{what}: axis {axis} names an axis twice")
    return tuple(sorted(axes))


def one_axis(axis: Any, rank: int, what: str) -> int:
    """The same where one axis is meant."""
    found = normalize_axes((None,) if axis is None else axis, rank, what)
    if len(found) != 1:
        raise ValueError(f"sg.{what}: one axis is expected, not {axis!r}")
    return found[0]


def reduce_over(cls: type, what: str, z: Any, axis: Any, **attributes: Any) -> sp.Expr:
    """The operation `cls` over axes of z as a user names them."""
    z = sympify(z)
    shape, kind = describe(z)
    if kind == "bool":
        from symgrad.language.pointwise import indicator

        z = indicator(z)
    if not shape:
        raise ValueError(f"sg.{what} has no axes to work on: {z} has shape (). {VANISHED}")
    if "keepdims" in attributes:
        attributes["keepdims"] = switch(attributes["keepdims"], f"sg.{what}: keepdims")
    return cls(z, axes=normalize_axes(axis, len(shape), what), **attributes)


def sum(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The sum over axes of one sample's value (all of them by default).

    >>> import symgrad as sg
    >>> sg.sum(sg.data("x", shape=3)**2)
    sum(x**2)
    """
    return reduce_over(ReduceSum, "sum", z, axis, keepdims=keepdims)


def mean(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The mean over axes of one sample's value; the mini-batch's mean is `sg.expectation`."""
    return reduce_over(ReduceMean, "mean", z, axis, keepdims=keepdims)


def prod(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The product over axes of one sample's value."""
    return reduce_over(ReduceProduct, "prod", z, axis, keepdims=keepdims)


def max(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The largest element along axes; k-way ties share the gradient, 1/k each."""
    return reduce_over(ReduceMax, "max", z, axis, keepdims=keepdims)


def min(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The smallest element along axes; k-way ties share the gradient, 1/k each."""
    return reduce_over(ReduceMin, "min", z, axis, keepdims=keepdims)


amax, amin = max, min  # torch's names
