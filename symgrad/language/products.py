"""Products of tensors that are contractions under other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.arguments import several, wholes
from symgrad.language.contractions import Einsum, letters
from symgrad.language.rearrange import roll
from symgrad.language.reductions import one_axis
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
    axes = _axes(axes, ranks[0])
    left, right = (
        [one_axis(k, rank, "tensordot") for k in wholes(side, "sg.tensordot: an axis")]
        for side, rank in zip(axes, ranks, strict=True)
    )
    if len(left) != len(right):
        raise ValueError(f"sg.tensordot: {len(left)} axes of a, and {len(right)} of b")
    first = list(letters(ranks[0]))
    second = list(letters(ranks[1], "".join(first)))
    for i, j in zip(left, right, strict=True):
        second[j] = first[i]
    out = [c for k, c in enumerate(first) if k not in left]
    out += [c for k, c in enumerate(second) if k not in right]
    subscripts = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    return Einsum(a, b, subscripts=subscripts) if all(ranks) else a * b


def _axes(axes: Any, rank: int) -> list[Any]:
    """The axes of a and those of b."""
    if isinstance(axes, int | np.integer) and not isinstance(axes, bool):
        if not 0 <= axes <= rank:
            raise ValueError(f"sg.tensordot: {axes} axes are to be joined, and a has {rank}")
        return [range(rank - axes, rank), range(axes)]
    pair = several(axes, "sg.tensordot: the axes")
    if len(pair) != 2:
        raise ValueError(f"sg.tensordot: axes are (axes of a, axes of b), not {axes!r}")
    return pair


def cross(a: Any, b: Any, *, axis: int = -1) -> sp.Expr:
    """The vector product of vectors of three elements along an axis.

    >>> import symgrad as sg
    >>> sg.shape(sg.cross(sg.data("a", shape=3), sg.data("b", shape=3)))
    (3,)
    """
    a, b = anonymous(sympify(a)), anonymous(sympify(b))
    for x in (a, b):
        shape = describe(x)[0]
        if not shape or shape[one_axis(axis, len(shape), "cross")] != 3:
            raise ValueError(f"sg.cross wants three elements along axis {axis}; {x} has {shape}")

    def turned(x: sp.Expr, places: int) -> sp.Expr:
        return roll(x, places, axis=axis)

    return turned(a, -1) * turned(b, -2) - turned(a, -2) * turned(b, -1)
