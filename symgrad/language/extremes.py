"""Where the largest and the smallest element stands: integers, to index with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.operation import Operation
from symgrad.language.reductions import normalize_axes, one_axis, reduced_shape
from symgrad.language.row import Row, op, register
from symgrad.language.symbols import batch_size
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import reshape


def _expand(extreme: str) -> Callable[..., Any]:
    """The first place that holds the extreme, or a NaN."""

    def expand(x: Any, axis: int) -> Any:
        n, rank = x.shape[axis], len(x.shape)
        index = x.builder.array(np.arange(n).reshape(n, *(1,) * (rank - axis - 1)))
        best = getattr(op, extreme)(x, axes=(axis,), keepdims=True)
        found = getattr(op, "or")(op.eq(x, best), op.ne(x, x))
        return op.amin(op.select(found, index, n), axes=(axis,), keepdims=False)

    return expand


def _row(name: str, numpy: Callable[..., Any], extreme: str) -> Row:
    return Row(
        name, "composite", lambda lead, x, axis: numpy(x, axis=axis + lead), (None,),
        shape=lambda shape, axis: reduced_shape(shape, (axis,)), result="int", kinked=True,
        expand=_expand(extreme),
    )  # fmt: skip


register(_row("argmax", np.argmax, "amax"), _row("argmin", np.argmin, "amin"))


class ArgMax(Operation):
    row = "argmax"


class ArgMin(Operation):
    row = "argmin"


def argmax(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The place of the largest element along an axis (of all, counted flat, by default).

    The first of equal ones; an integer, so that it can be an index.

    >>> import symgrad as sg
    >>> P = sg.parameter("P", shape=(4, 2), init=0)
    >>> P[sg.argmax(sg.data("d", shape=4))]
    P[argmax(d)]
    """
    return _place(ArgMax, "argmax", z, axis, keepdims)


def argmin(z: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The place of the smallest element along an axis (of all, counted flat, by default)."""
    return _place(ArgMin, "argmin", z, axis, keepdims)


def _place(cls: type, what: str, z: Any, axis: Any, keepdims: bool) -> sp.Expr:
    z = sympify(z)
    own = describe(z)[0]
    if axis is None:
        z, axis = reshape(z, (-1,)), 0
        kept: tuple = (1,) * len(own)
    else:
        kept = reduced_shape(own, normalize_axes(axis, len(own), what), True)
    shape = describe(z)[0]
    at = one_axis(axis, len(shape), what)
    if shape[at] in (0, batch_size):
        remedy = ": samples are no places; sg.indicator(sp.Eq(z, sg.max(sg.batch(z)))) marks one"
        raise ValueError(
            f"sg.{what}: axis {at} of {z} has {shape[at]} elements to choose from"
            + remedy * (shape[at] != 0)
        )
    place = cls(z, axis=at)
    return reshape(place, kept) if keepdims else place
