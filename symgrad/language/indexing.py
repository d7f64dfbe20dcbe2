"""Indexing: ints, slices, `...`, None, and integer tensors (`P[u]`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from symgrad.language.arguments import array_of, whole
from symgrad.language.operation import Operation, shown_operand
from symgrad.language.row import Row, broadcast, op, register
from symgrad.language.symbols import constant
from symgrad.language.tensor import Shaped, describe, sympify
from symgrad.language.views import Slice, reshape, transpose

COUNTED = 2**10  # the last index of an axis of symbolic size that may be a plain int


def _gather(leads: tuple[int, ...], table: np.ndarray, *index: np.ndarray) -> np.ndarray:
    return table[(*_samples(leads[0], table.shape, leads[1:], index), *index)]


def _scatter(leads: tuple[int, ...], g: np.ndarray, *index: np.ndarray, shape: tuple) -> np.ndarray:
    lead = max(leads)
    samples = max((a.shape[0] for a, k in zip((g, *index), leads, strict=True) if k), default=0)
    out = np.zeros((samples,) * lead + shape, np.result_type(np.asarray(g), np.float32))
    np.add.at(out, (*_samples(lead, out.shape, leads[1:], index), *index), g)
    return out


def _samples(lead: int, shape: tuple, leads: tuple[int, ...], index: tuple) -> tuple:
    """The sample axis as an index of its own, so that each sample meets its own indices."""
    if not lead:
        return ()
    rank = max(np.ndim(i) - own for i, own in zip(index, leads, strict=True))
    return (np.arange(shape[0]).reshape(-1, *(1,) * rank),)


def _gather_shape(table: tuple, *index: tuple) -> tuple:
    return broadcast(*index) + table[len(index) :]


def _gather_pull(i: int, g: Any, y: Any, *x: Any) -> Any:
    if i > 0:
        return None
    if isinstance(g.operand, sp.Expr):  # a number: it stands before the one-hot vector
        return g * op.scatter(1, *x[1:], shape=x[0].shape)
    return op.scatter(g, *x[1:], shape=x[0].shape)


def _scatter_pull(i: int, g: Any, y: Any, *x: Any, shape: tuple) -> Any:
    return op.gather(g, *x[1:]) if i == 0 else None


register(
    Row("gather", "indexing", _gather, (_gather_pull,), shape=_gather_shape, variadic=True,
        result="same"),
    Row("scatter", "indexing", _scatter, (_scatter_pull,), shape=lambda *_, shape: shape,
        variadic=True),
)  # fmt: skip


class Gather(Operation):
    row = "gather"
    level = PRECEDENCE["Atom"]

    def _sympystr(self, printer: Any) -> str:
        table, *index = self.operands
        shown = ", ".join(shown_operand(printer, i, 0) for i in index)
        return f"{shown_operand(printer, table, PRECEDENCE['Atom'])}[{shown}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        table, *index = self.operands
        shown = ", ".join(shown_operand(printer, i, 0) for i in index)
        power = f"^{{{exp}}}" if exp else ""
        return f"{{{shown_operand(printer, table, 0)}}}_{{{shown}}}{power}"


class Scatter(Operation):
    """Zeros, with g's rows added at the indices: the adjoint of indexing."""

    row = "scatter"

    @property
    def template(self) -> str:  # type: ignore[override]
        return "onehot({1})" if self._is_one_hot() else "scatter({all})"

    @property
    def latex_template(self) -> str:  # type: ignore[override]
        return r"\mathbf{{e}}_{{{1}}}" if self._is_one_hot() else ""

    def _is_one_hot(self) -> bool:
        return len(self.operands) == 2 and self.operands[0] == 1


def take(z: Any, index: Any, *, axis: int = 0) -> sp.Expr:
    """`z[index]` by NumPy's rules, over one sample's axes; `axis` is where the index begins.

    The index may hold ints, slices, `...`, None, integer data (a sample's own), integer arrays.

    >>> import symgrad as sg
    >>> P, u = sg.parameter("P", shape=(100, 8), init=0), sg.data("u", dtype=int)
    >>> sg.take(P, u)
    P[u]
    """
    z = sympify(z)
    shape = describe(z)[0]
    index = index if isinstance(index, tuple) else (index,)
    if axis := whole(axis, "sg.take: the axis"):
        if not -len(shape) <= axis < len(shape):
            raise IndexError(f"sg.take: axis {axis} does not exist in {z} of shape {shape}")
        index = (slice(None),) * (axis % len(shape)) + index
    entries = _expand(z, shape, index)
    if any(_selects(e) and not _is_int(e) for e in entries):
        z, entries = _gathered(z, shape, entries)
    return _static(z, describe(z)[0], entries)


def _is_int(e: Any) -> bool:
    return isinstance(e, int | np.integer | sp.Integer) and not isinstance(e, bool)


def _selects(e: Any) -> bool:
    """Whether an entry of an index is an int or an integer tensor."""
    return not (_is_new(e) or isinstance(e, slice))


def _gathered(z: sp.Expr, shape: tuple, entries: list) -> tuple[sp.Expr, list]:
    """Rows first, parts of them later: what integer tensors and the ints beside them select, and
    the entries that remain.  So the gradient of `P[u, :2]` has rows, and no others.

    NumPy puts the tensors' axes where the tensors stand when they stand together (ints among them
    count, `...` parts also when empty), else first.
    """
    at = [k for k, e in enumerate(entries) if _selects(e)]
    together = at[-1] - at[0] + 1 == len(at)
    front, behind = (entries[: at[0]], entries[at[-1] + 1 :]) if together else ([], entries)
    used = [e for e in entries if not _is_new(e)]
    chosen = {
        axis: sp.Integer(_bounded(z, int(e), shape[axis], axis)) if _is_int(e)
        else _integer_tensor(z, e, shape[axis], axis)
        for axis, e in enumerate(used) if _selects(e)
    }  # fmt: skip
    z = _advanced_part(z, shape, chosen, sum(isinstance(e, slice) for e in front))
    new = len(describe(z)[0]) - (len(shape) - len(chosen))
    return z, [*front, *[slice(None)] * new, *(e for e in behind if not _selects(e))]


def _is_new(e: Any) -> bool:
    """Whether an entry of an index uses no axis."""
    return e is None or e is Ellipsis


def _expand(z: sp.Expr, shape: tuple, index: tuple) -> list:
    """The index with `...` written out: an entry an axis and each None, and an empty `...`."""
    used = sum(1 for e in index if not _is_new(e))
    if not shape and used:
        raise TypeError(f"{z} is a scalar for each sample: it has no axis to index with {index}")
    if used > len(shape):
        raise IndexError(f"{z} of shape {shape} has {len(shape)} axes, and {used} indices given")
    if sum(1 for e in index if e is Ellipsis) > 1:
        raise IndexError("an index holds `...` at most once")
    at = next((k for k, e in enumerate(index) if e is Ellipsis), len(index))
    rest = [slice(None)] * (len(shape) - used)
    return [*index[:at], *(rest or index[at : at + 1]), *index[at + 1 :]]


def _static(z: sp.Expr, shape: tuple, entries: list) -> sp.Expr:
    """Apply ints, slices and None."""
    spec: list[tuple] = []
    result: list[Any] = []
    axis = 0
    for e in entries:
        if _is_new(e):
            result += [1] if e is None else []
            continue
        size = shape[axis]
        if _is_int(e):
            spec.append(("at", _bounded(z, int(e), size, axis)))
        else:
            spec.append(_range(z, e, size))
            kept = spec[-1]
            result.append(size if kept == ("range", 0, size, 1) else len(range(*kept[1:])))
        axis += 1
    whole = all(e == ("range", 0, s, 1) for e, s in zip(spec, shape, strict=True))
    z = z if whole else Slice(z, spec=tuple(spec))
    if any(e is None for e in entries):
        z = reshape(z, tuple(result))
    return z


def _bounded(z: sp.Expr, i: int, size: Any, axis: int) -> int:
    if isinstance(size, int) and not -size <= i < size:
        raise IndexError(f"index {i} is out of range for axis {axis} of {z}, which has {size}")
    if not isinstance(size, int) and i < 0:
        raise IndexError(f"index {i}: axis {axis} of {z} has the symbolic size {size}")
    if not isinstance(size, int) and i > COUNTED:  # `for part in z` counts until an IndexError
        raise TypeError(
            f"index {i}: axis {axis} of {z} has the symbolic size {size}, so that one cannot go "
            f"through its parts; a single one is sg.take(z, np.array([{i}]))[0]"
        )
    return i % size if isinstance(size, int) else i


def _range(z: sp.Expr, s: slice, size: Any) -> tuple:
    if any(not isinstance(v, int | np.integer | None) for v in (s.start, s.stop, s.step)):
        raise TypeError(f"{z}[{s.start}:{s.stop}:{s.step}]: a slice wants plain ints")
    if s == slice(None):
        return ("range", 0, size, 1)
    if not isinstance(size, int):
        raise IndexError(f"{z}: an axis of symbolic size {size} is only sliced as a whole")
    start, stop, step = s.indices(size)
    empty = len(range(start, stop, step)) == 0
    return ("range", 0, 0, 1) if empty else ("range", start, stop, step)


def _integer_tensor(z: sp.Expr, e: Any, size: Any, axis: int) -> sp.Expr:
    if isinstance(e, list | np.ndarray):
        array = array_of(e, f"the index of axis {axis} of {z}")
        if array.dtype.kind == "b" and array.ndim == 1:
            if array.size != size:
                raise IndexError(
                    f"a boolean index of {array.size} elements for axis {axis} of {z}, which has "
                    f"{size}"
                )
            array = np.flatnonzero(array)
        if array.size == 0:
            array = array.astype(np.int64)  # NumPy reads [] as floats
        if array.dtype.kind not in "iu":
            raise TypeError(f"{z}[...]: an index array holds ints, not {array.dtype}")
        if (
            isinstance(size, int)
            and array.size
            and not (-size <= array.min() and array.max() < size)
        ):
            raise IndexError(f"an index array for axis {axis} of {z} leaves the range of {size}")
        if not (array < 0).any():
            return constant(array)
        _bounded(z, int(array.min()), size, axis)
        return constant(np.where(array < 0, array + size, array))
    if not isinstance(e, sp.Basic):
        raise TypeError(f"{z}[{e!r}]: an index is an int, a slice, ..., None or integer data")
    if describe(e)[1] == "bool":
        raise TypeError(
            f"{z}[{e}]: a condition selects no elements, as their number would depend on the data: "
            "sg.where(condition, z, 0) keeps the shape"
        )
    if describe(e)[1] != "int" and not (isinstance(e, Shaped) and e.dtype == "int"):
        remedy = (
            f"declare the data with sg.data({str(e)!r}, dtype=int)" if isinstance(e, sp.Symbol)
            else "of integer data, +, -, *, %, //, sg.where, sg.clamp, Max, Min, Abs "
            "and sums are; powers, quotients, products of vectors and roundings are floats"
        )  # fmt: skip
        raise TypeError(f"{z}[{e}]: {e} is not integer; {remedy}")
    return e


def _advanced_part(z: sp.Expr, shape: tuple, advanced: dict[int, sp.Expr], place: int) -> sp.Expr:
    """Integer tensors: bring their axes to the front, gather, bring the result's axes in place."""
    axes = sorted(advanced)
    rest = [k for k in range(len(shape)) if k not in advanced]
    front = transpose(z, (*axes, *rest))
    value = Gather(front, *(advanced[a] for a in axes))
    new = len(value.shape) - len(rest)
    order = [*range(new, new + place), *range(new), *range(new + place, len(value.shape))]
    return transpose(value, tuple(order))
