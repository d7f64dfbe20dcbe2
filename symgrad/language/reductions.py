"""Reductions over axes of one sample's value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.operation import Operation
from symgrad.language.others import product_of_others
from symgrad.language.row import Row, op, register
from symgrad.language.scipy_special import special
from symgrad.language.tensor import VANISHED, describe, sympify


def reduced_shape(shape: tuple, axes: tuple[int, ...], keepdims: bool = False) -> tuple:
    if keepdims:
        return tuple(1 if k in axes else s for k, s in enumerate(shape))
    return tuple(s for k, s in enumerate(shape) if k not in axes)


def _spread(g: Any, x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    """The reduced value at every element that was reduced; a scalar spreads by itself."""
    if g.shape == ():
        return g
    return op.broadcast_to(op.reshape(g, shape=reduced_shape(x.shape, axes, True)), shape=x.shape)


def count(shape: tuple, axes: tuple[int, ...]) -> Any:
    """How many elements a reduction joins; may contain the mini-batch's size."""
    return math.prod(shape[a] for a in axes)


def _extreme_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """k-way ties share 1/k each."""
    ties = op.indicator(op.eq(x, _spread(y, x, axes)))
    share = op.sum(ties, axes=axes, keepdims=True)
    return _spread(g, x, axes) * ties / share


def _prod_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if all(isinstance(x.shape[a], int) for a in axes):
        return _spread(g, x, axes) * product_of_others(x, axes)  # also where elements are 0
    return _spread(g * y, x, axes) / x


def _softmax_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return y * (g - op.sum(g * y, axes=axes, keepdims=True))


def _log_softmax_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return g - op.softmax(x, axes=axes) * op.sum(g, axes=axes, keepdims=True)


def _shifted(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """The maximum, held constant and 0 where it is not finite, and x less the maximum."""
    top = op.amax(x, axes=axes, keepdims=True)
    top = op.select(op.lt(op.abs(top), sp.oo), top, 0)
    return top, x - top


def _expand_logsumexp(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    top, rest = _shifted(x, axes)
    value = top + _log_of_sum(rest, axes)
    return value if keepdims else op.reshape(value, shape=reduced_shape(x.shape, axes))


def _expand_softmax(x: Any, axes: tuple[int, ...]) -> Any:
    e = op.exp(_shifted(x, axes)[1])
    return e / op.sum(e, axes=axes, keepdims=True)


def _expand_log_softmax(x: Any, axes: tuple[int, ...]) -> Any:
    _, rest = _shifted(x, axes)
    return rest - _log_of_sum(rest, axes)


def _log_of_sum(rest: Any, axes: tuple[int, ...]) -> Any:
    """log(sum(exp(rest))) where the largest is 0, to the last digit: zeros are counted, so that
    what the others add to the first of them meets log1p.  floor keeps compilers from adding the 1.
    """
    largest = op.eq(rest, 0)
    others = op.sum(op.select(largest, 0, op.exp(rest)), axes=axes, keepdims=True)
    ties = op.sum(op.indicator(largest), axes=axes, keepdims=True)
    return op.log1p(others + op.floor(ties - 1))


def _log_softmax(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    """SciPy's keeps no digits of a small result."""
    top = np.max(x, axis=axis, keepdims=True)
    rest = x - np.where(np.isfinite(top), top, 0).astype(x.dtype)
    return rest - special("logsumexp")(rest, axis=axis, keepdims=True)


def _numpy(f: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy reduction, for arrays with `lead` sample axes in front."""
    return lambda lead, x, axes, **options: f(x, axis=tuple(a + lead for a in axes), **options)


def _unless_empty(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that keeps the shape; its maximum of no elements would be an error."""
    return lambda x, axis: f(x, axis=axis) if x.size else x


def _reduction(name: str, f: Any, pull: Any, **more: Any) -> Row:
    return Row(name, "reduction", _numpy(f), (pull,), shape=reduced_shape, **more)


def _composite(name: str, f: Any, pull: Any, expand: Any, shape: Any) -> Row:
    return Row(name, "composite", _numpy(f), (pull,), shape=shape, expand=expand)


def _mean_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return _spread(g / _count_value(x, axes), x, axes)


def _count_value(x: Any, axes: tuple[int, ...]) -> Any:
    """`count` in a block, where the mini-batch's size is a value."""
    known = [x.shape[a] for a in axes if isinstance(x.shape[a], int)]
    n = math.prod(known)
    symbolic = len(axes) - len(known)
    return n * x.builder.batch_size**symbolic if symbolic else n


# fmt: off
register(
    _reduction("sum",  np.sum,  lambda g, y, x, axes, keepdims: _spread(g, x, axes), result="same"),
    _reduction("mean", np.mean, _mean_pull),
    _reduction("prod", np.prod, _prod_pull, result="same", guarded=True),
    _reduction("amax", np.max,  _extreme_pull, result="same", kinked=True),
    _reduction("amin", np.min,  _extreme_pull, result="same", kinked=True),
    _composite("logsumexp", special("logsumexp"),
               lambda g, y, x, axes, keepdims: _spread(g, x, axes)*op.softmax(x, axes=axes),
               _expand_logsumexp, reduced_shape),
    _composite("softmax", _unless_empty(special("softmax")), _softmax_pull, _expand_softmax,
               lambda shape, axes: shape),
    _composite("log_softmax", _unless_empty(_log_softmax), _log_softmax_pull, _expand_log_softmax,
               lambda shape, axes: shape),
)
# fmt: on


class _Reduction(Operation):
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


class ReduceSum(_Reduction):
    row = "sum"

    @property
    def latex_template(self) -> str:  # type: ignore[override]
        axes = self.attributes["axes"]
        some = len(axes) < len(describe(self.operands[0])[0])
        below = f"_{{{{{', '.join(map(str, axes))}}}}}" if some else ""
        return rf"\sum{below}\left({{0}}\right)"


class ReduceMean(_Reduction):
    row = "mean"


class ReduceProduct(_Reduction):
    row = "prod"


class ReduceMax(_Reduction):
    row = "amax"
    label = "max"


class ReduceMin(_Reduction):
    row = "amin"
    label = "min"


class LogSumExp(_Reduction):
    row = "logsumexp"


class Softmax(_Reduction):
    row = "softmax"


class LogSoftmax(_Reduction):
    row = "log_softmax"


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


def _reduce(cls: type, what: str, z: Any, axis: Any, **attributes: Any) -> sp.Expr:
    z = sympify(z)
    shape, kind = describe(z)
    if kind == "bool":
        from symgrad.language.pointwise import indicator

        z = indicator(z)
    if not shape:
        raise ValueError(f"sg.{what} has no axes to work on: {z} has shape (). {VANISHED}")
    return cls(z, axes=normalize_axes(axis, len(shape), what), **attributes)


def sum(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The sum over axes of one sample's value (all of them by default).

    >>> import symgrad as sg
    >>> sg.sum(sg.data("x", shape=3)**2)
    sum(x**2)
    """
    return _reduce(ReduceSum, "sum", z, axis, keepdims=bool(keepdims))


def mean(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The mean over axes of one sample's value; the mini-batch's mean is `sg.expectation`."""
    return _reduce(ReduceMean, "mean", z, axis, keepdims=bool(keepdims))


def prod(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The product over axes of one sample's value."""
    return _reduce(ReduceProduct, "prod", z, axis, keepdims=bool(keepdims))


def max(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The largest element along axes; k-way ties share the gradient, 1/k each."""
    return _reduce(ReduceMax, "max", z, axis, keepdims=bool(keepdims))


def min(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The smallest element along axes; k-way ties share the gradient, 1/k each."""
    return _reduce(ReduceMin, "min", z, axis, keepdims=bool(keepdims))


def logsumexp(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """log(sum(exp(z))), stable.

    >>> import symgrad as sg
    >>> z = sg.data("z", shape=3)
    >>> sg.gradient(sg.logsumexp(z), z)
    softmax(z)
    """
    return _reduce(LogSumExp, "logsumexp", z, axis, keepdims=bool(keepdims))


def softmax(z: Any, *, axis: Any = -1) -> sp.Expr:
    """exp(z)/sum(exp(z)) along an axis (the last by default), stable."""
    return _reduce(Softmax, "softmax", z, axis)


def log_softmax(z: Any, *, axis: Any = -1) -> sp.Expr:
    """log(softmax(z)) along an axis (the last by default), stable."""
    return _reduce(LogSoftmax, "log_softmax", z, axis)
