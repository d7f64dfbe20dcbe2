"""Products of tensors that are contractions under other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.contractions import Einsum, letters
from symgrad.language.rearrange import roll
from symgrad.language.reductions import normalize_axes
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import describe, sympify


def tensordot(a: Any, b: Any, axes: Any = 2) -> sp.Expr:
    """The sum of products over axes, as NumPy's and torch's tensordot.

    axes: a number n (the last n of a against the first n of b), or (axes of a, axes of b).

    >>> import symgrad as sg
    >>> A, B = sg.data("A", shape=(2, 3, 4)), sg.data("B", shape=(3, 4, 5))
    >>> sg.shape(sg.tensordot(A, B))
    (2, 5)
    """
    a, b = sympify(a), sympify(b)
    ranks = len(describe(a)[0]), len(describe(b)[0])
    if isinstance(axes, int):
        axes = range(ranks[0] - axes, ranks[0]), range(axes)
    left, right = (
        [normalize_axes(k, rank, "tensordot")[0] for k in np.atleast_1d(side).tolist()]
        for side, rank in zip(axes, ranks, strict=True)
    )
    first = list(letters(ranks[0]))
    second = list(letters(ranks[1], "".join(first)))
    for i, j in zip(left, right, strict=True):
        second[j] = first[i]
    out = [c for k, c in enumerate(first) if k not in left]
    out += [c for k, c in enumerate(second) if k not in right]
    subscripts = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    return Einsum(a, b, subscripts=subscripts) if all(ranks) else a * b


def cross(a: Any, b: Any, *, axis: int = -1) -> sp.Expr:
    """The vector product of vectors of three elements along an axis.

    >>> import symgrad as sg
    >>> sg.shape(sg.cross(sg.data("a", shape=3), sg.data("b", shape=3)))
    (3,)
    """
    a, b = anonymous(sympify(a)), anonymous(sympify(b))
    for x in (a, b):
        shape = describe(x)[0]
        if not shape or shape[normalize_axes(axis, len(shape), "cross")[0]] != 3:
            raise ValueError(f"sg.cross wants three elements along axis {axis}; {x} has {shape}")

    def turned(x: sp.Expr, places: int) -> sp.Expr:
        return roll(x, places, axis=axis)

    return turned(a, -1) * turned(b, -2) - turned(a, -2) * turned(b, -1)
