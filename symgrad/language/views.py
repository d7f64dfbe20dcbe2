"""Rearrangements of elements: broadcast, transpose, reshape, slice, concatenate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from symgrad.language.arguments import several, whole, wholes
from symgrad.language.operation import Operation
from symgrad.language.row import Row, broadcast, op, register
from symgrad.language.tensor import describe, sympify

Spec = tuple[tuple, ...]  # an entry per axis: ("at", i) or ("range", start, stop, step)


def _slices(spec: Spec) -> tuple:
    return tuple(
        e[1] if e[0] == "at" else slice(e[1], None if e[2] < 0 else e[2], e[3]) for e in spec
    )


def _sliced_shape(shape: tuple, spec: Spec) -> tuple:
    return tuple(
        s if e == ("range", 0, s, 1) else _length(*e[1:])
        for s, e in zip(shape, spec, strict=True)
        if e[0] == "range"
    )


def _length(start: Any, stop: Any, step: int) -> Any:
    """How many places a range has; bounds of symbolic sizes come from joined axes, in order."""
    if step == 1 and any(isinstance(bound, sp.Basic) for bound in (start, stop)):
        length = sp.expand(stop - start)
        return int(length) if length.is_Integer else length
    return len(range(start, stop, step))


def _unslice(lead: int, g: np.ndarray, spec: Spec, shape: tuple) -> np.ndarray:
    out = np.zeros(g.shape[:lead] + shape, g.dtype)
    out[(slice(None),) * lead + _slices(spec)] = g
    return out


def _broadcast_to_pull(g: Any, y: Any, x: Any, shape: tuple) -> Any:
    return unbroadcast(g, x.shape)


def unbroadcast(g: Any, shape: tuple) -> Any:
    """Sum an adjoint over the axes along which its value was broadcast."""
    new = len(g.shape) - len(shape)
    wide = tuple(k for k, s in enumerate(g.shape) if k < new or (shape[k - new] == 1 and s != 1))
    if wide:
        g = op.sum(g, axes=wide, keepdims=False)
    return g if g.shape == shape else op.reshape(g, shape=shape)


def _concatenate_pull(i: int, g: Any, y: Any, *x: Any, axis: int) -> Any:
    start = sum(v.shape[axis] for v in x[:i])
    spec = [("range", 0, s, 1) for s in g.shape]
    spec[axis] = ("range", start, start + x[i].shape[axis], 1)
    return op.slice(g, spec=tuple(spec))


def _concatenate_shape(*shapes: tuple, axis: int) -> tuple:
    first = shapes[0]
    for s in shapes[1:]:
        if s[:axis] + s[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ValueError(f"shapes {first} and {s} do not concatenate along axis {axis}")
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(a) for a in np.argsort(axes))


def _view(name: str, numpy: Any, pull: Any, shape: Any, **more: Any) -> Row:
    return Row(name, "view", numpy, (pull,), shape=shape, result="same", **more)


# fmt: off
register(
    _view("broadcast_to",
          lambda lead, x, shape: np.broadcast_to(
              x.reshape(x.shape[:lead] + (1,)*(len(shape) + lead - x.ndim) + x.shape[lead:]),
              x.shape[:lead] + shape),
          _broadcast_to_pull, lambda _, shape: shape),
    _view("transpose",
          lambda lead, x, axes: x.transpose(*range(lead), *(a + lead for a in axes)),
          lambda g, y, x, axes: op.transpose(g, axes=inverse(axes)),
          lambda s, axes: tuple(s[a] for a in axes)),
    _view("reshape", lambda lead, x, shape: x.reshape(x.shape[:lead] + shape),
          lambda g, y, x, shape: op.reshape(g, shape=x.shape), lambda _, shape: shape),
    _view("slice", lambda lead, x, spec: x[(slice(None),)*lead + _slices(spec)],
          lambda g, y, x, spec: op.unslice(g, spec=spec, shape=x.shape), _sliced_shape),
    _view("unslice", _unslice,
          lambda g, y, x, spec, shape: op.slice(g, spec=spec), lambda _, spec, shape: shape),
    _view("concatenate", lambda lead, *x, axis: np.concatenate(x, axis=axis + lead),
          _concatenate_pull, _concatenate_shape, variadic=True),
)
# fmt: on


class BroadcastTo(Operation):
    row = "broadcast_to"


class TransposeAxes(Operation):
    row = "transpose"
    level = PRECEDENCE["Atom"]

    def _sympystr(self, printer: Any) -> str:
        axes = self.attributes["axes"]
        if axes == tuple(reversed(range(len(axes)))):
            return self._print(printer, "{0}.T", PRECEDENCE["Atom"])
        return self._print(printer, "transpose({0}, {axes})", 0)

    latex_template = r"{0}^\top"


class Reshape(Operation):
    row = "reshape"
    template = "reshape({0}, {shape})"


class Slice(Operation):
    row = "slice"
    level = PRECEDENCE["Atom"]

    def _sympystr(self, printer: Any) -> str:
        shape = describe(self.operands[0])[0]
        shown = [_show_entry(e, s) for e, s in zip(self.attributes["spec"], shape, strict=True)]
        while shown[-1:] == [":"] and len(shown) > 1:
            shown.pop()
        return self._print(printer, "{0}", PRECEDENCE["Atom"]) + f"[{', '.join(shown)}]"


def _show_entry(entry: tuple, size: Any) -> str:
    if entry[0] == "at":
        return str(entry[1])
    start, stop, step = entry[1:]
    first = "" if start == (0 if step > 0 else size - 1) else str(start)
    last = "" if stop in (size, -1) else str(stop)
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


class Unslice(Operation):
    row = "unslice"


class Concatenate(Operation):
    row = "concatenate"


def broadcast_to(z: Any, shape: Any) -> sp.Expr:
    """z with NumPy's broadcasting to a larger shape.

    >>> import symgrad as sg
    >>> sg.shape(sg.broadcast_to(sg.data("x", shape=3), (2, 3)))
    (2, 3)
    """
    z, shape = sympify(z), _sizes(shape, "sg.broadcast_to")
    own = describe(z)[0]
    try:
        fits = broadcast(own, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"sg.broadcast_to: shape {own} of {z} does not broadcast to {shape}")
    return z if own == shape and own != () else BroadcastTo(z, shape=shape)


def _sizes(shape: Any, what: str) -> tuple[Any, ...]:
    """A shape as a tuple, of whole numbers and of expressions that stand for such."""
    alone = isinstance(shape, int | np.integer | sp.Basic)
    sizes = [shape] if alone else several(shape, f"{what}: a shape")
    return tuple(
        s if isinstance(s, sp.Expr) and not s.is_Number else whole(s, f"{what}: a size")
        for s in sizes
    )


def transpose(z: Any, axes: Any = None) -> sp.Expr:
    """The axes of one sample's value permuted; reversed by default."""
    z = sympify(z)
    rank = len(describe(z)[0])
    order = tuple(reversed(range(rank))) if axes is None else wholes(axes, "sg.transpose: an axis")
    order = tuple(a % rank if -rank <= a < rank else a for a in order)
    if sorted(order) != list(range(rank)):
        raise ValueError(f"sg.transpose: axes {axes} are not a permutation of {rank} axes")
    return z if order == tuple(range(rank)) else TransposeAxes(z, axes=order)


def reshape(z: Any, shape: Any) -> sp.Expr:
    """One sample's value in another shape, row by row; one size may be -1.

    >>> import symgrad as sg
    >>> sg.shape(sg.reshape(sg.data("img", shape=(28, 28)), -1))
    (784,)
    """
    z = sympify(z)
    own = describe(z)[0]
    wanted = _sizes(shape, "sg.reshape")
    fixed = math.prod(s for s in wanted if s != -1)
    total = sp.sympify(math.prod(own))
    if wanted.count(-1) == 1 and fixed and total % fixed == 0:
        rest = total / fixed
        rest = int(rest) if rest.is_Integer else rest
        wanted = tuple(rest if s == -1 else s for s in wanted)
    if math.prod(wanted) != math.prod(own) or -1 in wanted:
        raise ValueError(f"sg.reshape: {z} of shape {own} does not fill the shape {shape}")
    return z if wanted == own else Reshape(z, shape=wanted)


def concatenate(values: Any, *, axis: int = 0) -> sp.Expr:
    """Values joined along an axis of one sample.

    >>> import symgrad as sg
    >>> sg.shape(sg.concatenate([sg.data("p", shape=3), sg.data("q", shape=2)]))
    (5,)
    """
    values = [sympify(v) for v in several(values, "sg.concatenate")]
    if not values:
        raise ValueError("sg.concatenate wants at least one value")
    ranks = {len(describe(v)[0]) for v in values}
    if len(ranks) > 1 or 0 in ranks:
        shapes = ", ".join(str(describe(v)[0]) for v in values)
        raise ValueError(f"sg.concatenate wants values of one rank from 1, not shapes {shapes}")
    rank, axis = ranks.pop(), whole(axis, "sg.concatenate: the axis")
    if not -rank <= axis < rank:
        raise IndexError(f"sg.concatenate: axis {axis} does not exist in {rank} axes")
    return Concatenate(*values, axis=axis % rank)
