"""Products of the others: prod's derivative, right where elements are 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgrad.language.operation import Operation
from symgrad.language.row import Row, op, register


def _numpy(lead: int, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, [a + lead for a in axes], last)
    flat = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    ones = np.ones_like(flat[..., :1])
    before = np.cumprod(np.concatenate([ones, flat[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([ones, flat[..., :0:-1]], -1), -1)[..., ::-1]
    product = (before * after)[..., : flat.shape[-1]]
    return np.moveaxis(product.reshape(moved.shape), last, [a + lead for a in axes])


def _expand(x: Any, axes: tuple[int, ...]) -> Any:
    kept = tuple(k for k in range(len(x.shape)) if k not in axes)
    order = (*kept, *axes)
    moved = op.transpose(x, axes=order)
    flat = op.reshape(
        moved, shape=(*(x.shape[k] for k in kept), math.prod(x.shape[a] for a in axes))
    )
    others = op.reshape(_others(flat), shape=moved.shape)
    return op.transpose(others, axes=tuple(int(k) for k in np.argsort(order)))


def _others(x: Any) -> Any:
    """Halves are multiplied, the others of the products are found, and each gets its partner."""
    n, half = x.shape[-1], x.shape[-1] // 2
    if n < 2:
        return op.select(op.eq(x, x), 1.0, 1.0)  # for each sample where x is
    a, b, rest = _part(x, 0, half), _part(x, half, 2 * half), _part(x, 2 * half, n)
    pairs = op.concatenate(a * b, rest, axis=len(x.shape) - 1) if n % 2 else a * b
    others = _others(pairs)
    first = _part(others, 0, half)
    pieces = [first * b, first * a, *([_part(others, half, half + 1)] if n % 2 else [])]
    return op.concatenate(*pieces, axis=len(x.shape) - 1)


def _part(x: Any, start: int, stop: int) -> Any:
    whole = tuple(("range", 0, s, 1) for s in x.shape[:-1])
    return op.slice(x, spec=(*whole, ("range", start, stop, 1)))


def _pull(g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    from symgrad.calculus.splice import pull_through

    if not all(isinstance(s, int) for s in x.shape):
        raise ValueError(
            "the second derivative of a product of elements wants known sizes, not those of a "
            f"value of shape {x.shape}: give numbers in place of sg.dim"
        )

    return pull_through(_expand, 0, g, [x], {"axes": axes})


register(
    Row("prod_others", "composite", _numpy, (_pull,), shape=lambda shape, axes: shape,
        expand=_expand)
)  # fmt: skip


def product_of_others(x: Any, axes: tuple[int, ...]) -> Any:
    """In a block: for each element the product of the others along the axes."""
    return op.prod_others(x, axes=axes)


class ProductOfOthers(Operation):
    """For each element the product of the others along the axes."""

    row = "prod_others"
