"""Choosing elements by integers: one-hot vectors, and torch's gather."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.indexing import take
from symgrad.language.pointwise import indicator
from symgrad.language.rearrange import unsqueeze
from symgrad.language.reductions import one_axis
from symgrad.language.symbols import anonymous, constant
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import transpose


def one_hot(label: Any, classes: int) -> sp.Expr:
    """1 at the label's place along a new last axis, 0 elsewhere.

    >>> import symgrad as sg
    >>> sg.shape(sg.one_hot(sg.data("label", dtype=int), 10))
    (10,)
    """
    label = sympify(label)
    if describe(label)[1] != "int":
        raise TypeError(f"sg.one_hot wants integers: sg.data({str(label)!r}, dtype=int)")
    if not isinstance(classes, int | np.integer | sp.Integer):
        raise TypeError(f"sg.one_hot wants a number of classes, not {classes!r}")
    count = int(classes)
    if not 1 <= count < 2**63:
        raise ValueError(f"sg.one_hot: {count} classes are given, and there should be some")
    places = constant(np.arange(count))
    if not describe(label)[0]:
        return indicator(sp.Eq(places, anonymous(label)))
    return indicator(sp.Eq(places, anonymous(unsqueeze(label, axis=-1))))


def gather(z: Any, index: Any, *, axis: int) -> sp.Expr:
    """z's elements at `index` along an axis, at equal places along the others: torch.gather.

    index: integers of z's rank; the result has its shape.

    >>> import symgrad as sg
    >>> z, i = sg.data("z", shape=(4, 3)), sg.data("i", shape=(2, 3), dtype=int)
    >>> sg.shape(sg.gather(z, i, axis=0))
    (2, 3)
    """
    z, index = sympify(z), sympify(index)
    shape, (sizes, kind) = describe(z)[0], describe(index)
    at = one_axis(axis, len(shape), "gather")
    others = [k for k in range(len(shape)) if k != at]
    if not all(isinstance(n, int) for n in (*shape, *sizes)):
        raise ValueError(f"sg.gather wants known sizes, not {shape} of {z} and {sizes} of {index}")
    if kind != "int" or len(sizes) != len(shape) or any(sizes[k] > shape[k] for k in others):
        raise ValueError(
            f"sg.gather wants integers of z's rank, and at most its sizes but along axis {at}: "
            f"{z} has shape {shape}, {index} has shape {sizes} and is {kind}"
        )
    places = np.indices([int(s) for s in sizes])
    return take(transpose(z, (at, *others)), (index, *(places[k] for k in others)))
