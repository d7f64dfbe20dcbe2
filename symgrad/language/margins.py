"""Losses of one sample that ask for a margin: between classes, distances or angles."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.language.choice import where
from symgrad.language.losses import averaged, pair
from symgrad.language.pointwise import relu, softplus
from symgrad.language.reductions import sum as sum_over
from symgrad.language.statistics import norm
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import broadcast_to

EPSILON = 1e-12  # torch's, in cosine_embedding


def hinge(score: Any, target: Any, margin: Any = 1) -> sp.Expr:
    """max(0, margin - y z) for targets y of -1 or 1: the support vector machine's loss.

    >>> import symgrad as sg
    >>> sg.hinge(sg.data("z"), sg.data("y"))
    relu(-y*z + 1)
    """
    z, y = pair(score, target, "hinge")
    return averaged(relu(margin - y * z))


def hinge_embedding(distance: Any, target: Any, margin: Any = 1) -> sp.Expr:
    """The distance where y is 1, max(0, margin - distance) where it is -1."""
    x, y = pair(distance, target, "hinge_embedding")
    x = anonymous(x)
    return averaged(where(sp.Eq(y, 1), x, relu(margin - x)))


def soft_margin(score: Any, target: Any) -> sp.Expr:
    """log(1 + exp(-y z)) for targets y of -1 or 1, stable.

    >>> import symgrad as sg
    >>> sg.soft_margin(sg.data("z"), sg.data("y"))
    softplus(-y*z)
    """
    z, y = pair(score, target, "soft_margin")
    return averaged(softplus(-y * z))


def margin_ranking(first: Any, second: Any, target: Any, margin: Any = 0) -> sp.Expr:
    """max(0, margin - y (first - second)): y = 1 where the first should be the larger."""
    a, b = pair(first, second, "margin_ranking")
    return averaged(relu(margin - sympify(target) * (a - b)))


def cosine_similarity(a: Any, b: Any, *, axis: int = -1, eps: Any = 1e-8) -> sp.Expr:
    """The cosine of the angle between vectors along an axis; lengths count as at least eps."""
    a, b = (anonymous(x) for x in pair(a, b, "cosine_similarity"))
    lengths = [sp.Max(norm(x, axis=axis), sympify(eps)) for x in (a, b)]
    return sum_over(a * b, axis=axis) / (lengths[0] * lengths[1])


def cosine_embedding(a: Any, b: Any, target: Any, margin: Any = 0) -> sp.Expr:
    """1 - cos where y is 1, max(0, cos - margin) where it is -1; vectors along the last axis."""
    a, b = (anonymous(x) for x in pair(a, b, "cosine_embedding"))
    squares = [sum_over(x**2, axis=-1) + EPSILON for x in (a, b)]
    cosine = anonymous(sum_over(a * b, axis=-1) / sp.sqrt(squares[0] * squares[1]))
    return averaged(where(sp.Eq(sympify(target), 1), 1 - cosine, relu(cosine - margin)))


def triplet_margin(
    anchor: Any, positive: Any, negative: Any, *, margin: Any = 1, p: Any = 2, eps: Any = 1e-6,
    swap: bool = False,
) -> sp.Expr:  # fmt: skip
    """max(0, margin + |a - positive| - |a - negative|), distances by the p-norm of the last axis.

    swap: the negative's distance is that to the anchor or to the positive, whichever is smaller.
    """
    a, near = pair(anchor, positive, "triplet_margin")
    a, far = pair(a, negative, "triplet_margin")
    shape = describe(a)[0]

    def distance(x: sp.Expr, y: sp.Expr) -> sp.Expr:
        return norm(broadcast_to(x - y + eps, shape), p, axis=-1)  # x - x has no shape

    apart = distance(a, far)
    if swap:
        apart = sp.Min(apart, distance(near, far))
    return averaged(relu(margin + distance(a, near) - apart))
