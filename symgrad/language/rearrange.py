"""Rearrangements with the names of NumPy and torch, made of the few that are rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.arguments import array_of, several, whole, wholes
from symgrad.language.indexing import take
from symgrad.language.reductions import normalize_axes, one_axis
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import Unslice, broadcast_to, concatenate, reshape, transpose


def flatten(z: Any) -> sp.Expr:
    """One sample's value as a vector, the last axis running fastest.

    >>> import symgrad as sg
    >>> sg.shape(sg.flatten(sg.data("x", shape=(2, 3))))
    (6,)
    """
    return reshape(z, (-1,))


def permute(z: Any, axes: Any) -> sp.Expr:
    """The axes of one sample in another order: `sg.transpose` under torch's name."""
    return transpose(z, axes)


def unsqueeze(z: Any, *, axis: int) -> sp.Expr:
    """A new axis of size 1, at this place in the result.

    >>> import symgrad as sg
    >>> sg.shape(sg.unsqueeze(sg.data("x", shape=3), axis=0))
    (1, 3)
    """
    z = sympify(z)
    shape = list(describe(z)[0])
    at = one_axis(axis, len(shape) + 1, "unsqueeze")
    return reshape(z, (*shape[:at], 1, *shape[at:]))


def squeeze(z: Any, *, axis: Any = None) -> sp.Expr:
    """Without the axes of size 1: all of them, or those named (as torch, others stay)."""
    z = sympify(z)
    shape = describe(z)[0]
    axes = normalize_axes(axis, len(shape), "squeeze")
    return reshape(z, tuple(s for k, s in enumerate(shape) if k not in axes or s != 1))


def stack(values: Any, *, axis: int = 0) -> sp.Expr:
    """Values of one shape along a new axis; scalars make a vector.

    >>> import symgrad as sg
    >>> x, y = sg.data("x y")
    >>> sg.shape(sg.stack([x, x*y, 1]))
    (3,)
    """
    values = [sympify(v) for v in several(values, "sg.stack")]
    shapes = {describe(v)[0] for v in values if v.free_symbols or describe(v)[0]} or {()}
    if not values or len(shapes) > 1:
        raise ValueError(f"sg.stack wants values of one shape, not {sorted(map(str, shapes))}")
    shape, axis = shapes.pop(), whole(axis, "sg.stack: the axis")
    return concatenate(
        [unsqueeze(broadcast_to(v, shape) if shape else v, axis=axis) for v in values],
        axis=axis if axis >= 0 else axis + len(shape) + 1,
    )


def split(z: Any, sizes: Any, *, axis: int = 0) -> tuple[sp.Expr, ...]:
    """Pieces along an axis: of one size (the last may be smaller), or of the sizes listed.

    >>> import symgrad as sg
    >>> a, b = sg.split(sg.data("x", shape=5), [2, 3])
    >>> b
    x[2:]
    """
    z = sympify(z)
    shape = describe(z)[0]
    at = one_axis(axis, len(shape), "split")
    total = shape[at]
    if not isinstance(total, int):
        raise ValueError(f"sg.split wants an axis of a known size; {z} has shape {shape}")
    if isinstance(sizes, int | np.integer):
        if sizes < 1:
            raise ValueError(f"sg.split wants pieces of a size from 1, not {sizes}")
        sizes = [min(int(sizes), total - k) for k in range(0, total, int(sizes))]
    sizes = wholes(sizes, "sg.split: a size")
    if sum(sizes) != total or min(sizes, default=0) < 0:
        raise ValueError(
            f"sg.split: sizes {list(sizes)} do not add up to {total}, axis {at} of {z}"
        )
    ends = list(itertools.accumulate(sizes))
    return tuple(_part(z, at, slice(e - s, e)) for s, e in zip(sizes, ends, strict=True))


def _part(z: sp.Expr, axis: int, part: slice) -> sp.Expr:
    return take(z, (slice(None),) * axis + (part,))


def flip(z: Any, *, axis: Any = None) -> sp.Expr:
    """The elements in reverse order along axes (all of them by default)."""
    z = sympify(z)
    rank = len(describe(z)[0])
    axes = normalize_axes(axis, rank, "flip")
    return take(z, tuple(slice(None, None, -1 if k in axes else None) for k in range(rank)))


def roll(z: Any, shift: Any, *, axis: Any = None) -> sp.Expr:
    """The elements moved on by `shift` places; those beyond the end come in at the beginning.

    Without an axis the value is rolled as if it were flat.

    >>> import symgrad as sg
    >>> sg.roll(sg.data("x", shape=4), 1)
    concatenate(x[3:], x[:3])
    """
    z = sympify(z)
    shape = describe(z)[0]
    if axis is None:
        return reshape(roll(flatten(z), shift, axis=0), shape)
    shifts = shift if isinstance(shift, tuple | list) else (shift,)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    if len(shifts) != len(axes):
        raise ValueError(f"sg.roll: {len(shifts)} shifts for {len(axes)} axes")
    for places, a in zip(shifts, axes, strict=True):
        at = one_axis(a, len(shape), "roll")
        if not isinstance(shape[at], int):
            raise ValueError(f"sg.roll wants an axis of a known size; {z} has shape {shape}")
        cut = -whole(places, "sg.roll: the number of places") % shape[at] if shape[at] else 0
        if cut:
            z = concatenate([_part(z, at, slice(cut, None)), _part(z, at, slice(cut))], axis=at)
    return z


def pad(z: Any, width: Any, *, mode: str = "constant", value: Any = 0) -> sp.Expr:
    """One sample's value made larger at the ends of its axes.

    width: one number for all, or a (before, after) pair for each axis, as in NumPy.
    mode: "constant" (the value), "reflect", "replicate" or "circular", as in torch.

    >>> import symgrad as sg
    >>> sg.shape(sg.pad(sg.data("x", shape=(2, 3)), [(0, 1), (2, 2)]))
    (3, 7)
    """
    z = sympify(z)
    widths = _widths(width, len(describe(z)[0]))
    if mode == "constant" and value == 0:
        return _pad_with_zeros(z, widths)
    if mode not in BORDERS:
        raise ValueError(f"sg.pad: mode is one of {', '.join(BORDERS)}, not {mode!r}")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            pieces = BORDERS[mode](z, axis, before, after, value)
            z = concatenate(
                [p for p in pieces if 0 not in describe(p)[0][axis : axis + 1]], axis=axis
            )
    return z


def _widths(width: Any, rank: int) -> list[tuple[int, int]]:
    given = array_of(width, "sg.pad: the width")
    fits = given.shape in ((), (1,), (2,), (1, 2), (rank, 2), (rank, 1))
    pairs = np.broadcast_to(given, (rank, 2)).tolist() if fits else []
    if not fits or any(not isinstance(n, int) or n < 0 for pair in pairs for n in pair):
        raise ValueError(
            f"sg.pad: a width is a number from 0, or a (before, after) pair for each of the {rank} "
            f"axes, not {width!r}"
        )
    return [(before, after) for before, after in pairs]


def _pad_with_zeros(z: sp.Expr, widths: list[tuple[int, int]]) -> sp.Expr:
    sizes = describe(z)[0]
    spec = tuple(("range", b, b + s, 1) for (b, _), s in zip(widths, sizes, strict=True))
    shape = tuple(b + s + a for (b, a), s in zip(widths, sizes, strict=True))
    return z if shape == sizes else Unslice(z, spec=spec, shape=shape)


def _constant(z: sp.Expr, axis: int, before: int, after: int, value: Any) -> list[sp.Expr]:
    def filled(n: int) -> sp.Expr:
        shape = list(describe(z)[0])
        shape[axis] = n
        number = sympify(value)
        return broadcast_to(sp.Float(number, 17) if number.is_Number else number, tuple(shape))

    return [filled(before), z, filled(after)]


def _reflect(z: sp.Expr, axis: int, before: int, after: int, _: Any) -> list[sp.Expr]:
    size = describe(z)[0][axis]
    if max(before, after) >= size:
        raise ValueError(f"sg.pad: {max(before, after)} cannot be reflected in an axis of {size}")
    ends = _part(z, axis, slice(1, before + 1)), _part(z, axis, slice(size - 1 - after, size - 1))
    return [flip(ends[0], axis=axis), z, flip(ends[1], axis=axis)]


def _replicate(z: sp.Expr, axis: int, before: int, after: int, _: Any) -> list[sp.Expr]:
    first, last = _part(z, axis, slice(0, 1)), _part(z, axis, slice(-1, None))
    return [first] * before + [z] + [last] * after


def _circular(z: sp.Expr, axis: int, before: int, after: int, _: Any) -> list[sp.Expr]:
    size = describe(z)[0][axis]
    if max(before, after) > size:
        raise ValueError(f"sg.pad: {max(before, after)} exceeds the axis of {size} it comes from")
    return [_part(z, axis, slice(size - before, size)), z, _part(z, axis, slice(0, after))]


BORDERS: dict[str, Callable[..., list[sp.Expr]]] = {
    "constant": _constant, "reflect": _reflect, "replicate": _replicate, "circular": _circular,
}  # fmt: skip


def tile(z: Any, times: Any) -> sp.Expr:
    """The whole value repeated along its axes, `times` for each, as NumPy's and torch's tile."""
    z = sympify(z)
    times = wholes(times, "sg.tile: a number of times")
    shape = describe(z)[0]
    rank = max(len(times), len(shape))
    times, shape = (1,) * (rank - len(times)) + times, (1,) * (rank - len(shape)) + shape
    apart = tuple(itertools.chain(*((1, s) for s in shape)))
    wide = tuple(itertools.chain(*zip(times, shape, strict=True)))
    sizes = tuple(math.prod(pair) for pair in zip(times, shape, strict=True))
    return reshape(broadcast_to(reshape(z, apart), wide), sizes)
