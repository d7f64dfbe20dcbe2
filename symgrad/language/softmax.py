"""log(sum(exp)), softmax and its logarithm, stable to their second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.reductions import (
    Reduction,
    over_axes,
    reduce_over,
    reduced_shape,
    spread,
)
from symgrad.language.row import Row, op, register
from symgrad.language.scipy_special import special


def _softmax_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """y (g - sum(g y)).  With g counted from its value at the largest element, nothing cancels
    where that element's y rounds to 1; two products, for SymPy would join the three terms."""
    top, ties = _largest(x, axes)
    g = g - op.sum(op.select(top, g, 0), axes=axes, keepdims=True) / ties
    return y * g - y * op.sum(g * y, axes=axes, keepdims=True)


def _log_softmax_pull(g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """g - softmax(x) sum(g), where 1 - softmax is the sum of the others for the largest element."""

    def total(z: Any) -> Any:
        return op.sum(z, axes=axes, keepdims=True)

    top, ties = _largest(x, axes)
    p = op.softmax(x, axes=axes)
    alone = getattr(op, "and")(top, op.eq(ties, 1))
    at_top = total(g) * total(op.select(top, 0, p)) - total(op.select(top, 0, g))
    return op.select(alone, at_top, g - p * total(g))


def _largest(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Where the largest element stands, and how many equal it."""
    top = op.eq(x, op.amax(x, axes=axes, keepdims=True))
    return top, op.sum(op.indicator(top), axes=axes, keepdims=True)


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
    """The largest element's rest is a plain 0: compilers, which may add in any order, could take
    the logarithm from its large parts first."""
    top, rest = _shifted(x, axes)
    return op.select(op.eq(x, top), 0, rest) - _log_of_sum(rest, axes)


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


def _unless_empty(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that keeps the shape; its maximum of no elements would be an error."""
    return lambda x, axis: f(x, axis=axis) if x.size else x


def _composite(name: str, f: Any, pull: Any, expand: Any, shape: Any) -> Row:
    return Row(name, "composite", over_axes(f), (pull,), shape=shape, expand=expand)


# fmt: off
register(
    _composite("logsumexp", special("logsumexp"),
               lambda g, y, x, axes, keepdims: spread(g, x, axes)*op.softmax(x, axes=axes),
               _expand_logsumexp, reduced_shape),
    _composite("softmax", _unless_empty(special("softmax")), _softmax_pull, _expand_softmax,
               lambda shape, axes: shape),
    _composite("log_softmax", _unless_empty(_log_softmax), _log_softmax_pull, _expand_log_softmax,
               lambda shape, axes: shape),
)
# fmt: on


class LogSumExp(Reduction):
    row = "logsumexp"


class Softmax(Reduction):
    row = "softmax"


class LogSoftmax(Reduction):
    row = "log_softmax"


def logsumexp(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """log(sum(exp(z))), stable.

    >>> import symgrad as sg
    >>> z = sg.data("z", shape=3)
    >>> sg.gradient(sg.logsumexp(z), z)
    softmax(z)
    """
    return reduce_over(LogSumExp, "logsumexp", z, axis, keepdims=bool(keepdims))


def softmax(z: Any, *, axis: Any = -1) -> sp.Expr:
    """exp(z)/sum(exp(z)) along an axis (the last by default), stable."""
    return reduce_over(Softmax, "softmax", z, axis)


def log_softmax(z: Any, *, axis: Any = -1) -> sp.Expr:
    """log(softmax(z)) along an axis (the last by default), stable."""
    return reduce_over(LogSoftmax, "log_softmax", z, axis)
