"""Sparse data: a block over whole vectors becomes one over what they store.

    w @ x        ->  sum over the stored entries of w[columns] * values
    V**2 @ x**2  ->  sum over them of V[:, columns]**2 * values**2

A value that is zero wherever the data are zero is kept by its entries alone, and what meets it is
read at their columns: reading columns commutes with everything pointwise and with contractions over
other axes, so that forward, backward and update touch only what the non-zeros touch.  Where the
zeros would not stay zero, the error says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.calculus.builder import Builder, Value
from symgrad.language.contractions import split
from symgrad.language.ragged import is_sparse, length, stored
from symgrad.language.row import TABLE
from symgrad.language.views import inverse


@dataclass(frozen=True)
class Stored:
    """A value that is zero outside the stored columns of sparse data, along one axis.

    values: of the value's shape, with the number of stored entries for the size of that axis
    axis:   counted from the end
    """

    values: Value
    axis: int
    data: Any

    @property
    def shape(self) -> tuple:
        """The whole value's."""
        sizes = list(self.values.shape)
        sizes[self.axis] = self.data.shape[0]
        return tuple(sizes)


Form = Value | Stored


def sparsified(block: Block) -> Block:
    """The same outputs from what sparse data store; the block itself where none are sparse.

    Raises ValueError, in prose, for operations whose result is not zero where the data are.
    """
    return _Sparsifier(block).block if any(map(is_sparse, block.inputs)) else block


class _Sparsifier:
    """Goes through a block's equations; `forms` has what each name has become."""

    def __init__(self, block: Block) -> None:
        kept = {s: name for s, name in block.inputs.items() if not is_sparse(s)}
        self.dense, self.builder = block, Builder(kept)
        self.forms: dict[Name, Form] = {n: self.builder.value(n) for n in kept.values()}
        self.columns_known: dict[tuple, Value] = {}
        for symbol, name in block.inputs.items():
            if is_sparse(symbol):
                values, _ = (self._input(part) for part in stored(symbol))
                self.forms[name] = Stored(values, -1, symbol)
        for e in block.equations:
            self.forms[e.name] = self._form(e)
        outputs = {label: self._output(label, name) for label, name in block.outputs.items()}
        self.block = self.builder.block(outputs)

    def _input(self, symbol: Any) -> Value:
        return self.builder.value(self.builder.input(symbol, symbol.shape, per_sample=True))

    def _output(self, label: str, name: Name) -> Name:
        form = self.forms[name]
        if isinstance(form, Stored):
            raise ValueError(
                f"the output {label!r} is sparse, with a value for each of the "
                f"{form.data.shape[0]} columns of {form.data}: reduce it (w @ {form.data}, "
                f"sg.sum({form.data}**2)), or compute it from the matrix with SciPy"
            )
        operand = form.operand
        if not isinstance(operand, Name):
            return self.builder.constant(operand)
        operand.label = operand.label or name.label
        return operand

    def _form(self, e: Equation) -> Form:
        operands = [self.forms[x] if isinstance(x, Name) else x for x in e.operands]
        attributes = dict(e.attributes)
        if not any(isinstance(x, Stored) for x in operands):
            value = self.builder.apply(e.operation, *operands, **attributes)
            if value.shape != e.name.shape:
                value = self.builder.apply("broadcast_to", value, shape=e.name.shape)
            return self._labelled(value, e)
        return self._labelled(self._sparse(e, operands, attributes), e)

    def _labelled(self, form: Form, e: Equation) -> Form:
        name = (form.values if isinstance(form, Stored) else form).operand
        if e.name.label and isinstance(name, Name) and self.builder.definition(name):
            name.label = name.label or e.name.label
        return form

    def _sparse(self, e: Equation, operands: list, attributes: dict) -> Form:
        row = TABLE[e.operation]
        rule: Callable[..., Form] | None = RULES.get(e.operation)
        if rule is None and row.kind == "pointwise":
            rule = _pointwise
        if rule is not None:
            return rule(self, e, operands, **attributes)
        if row.kind == "composite" and row.expand is not None:
            return self._expanded(e, operands, attributes)
        raise self.refused(e, f"{e.operation} is not computed from the non-zeros alone")

    def _expanded(self, e: Equation, operands: list, attributes: dict) -> Form:
        """A composite operation by its expansion in primitive ones."""
        inner = Builder()
        stand_ins = []
        for x, form in zip(e.operands, operands, strict=True):
            if isinstance(x, Name):
                name = Name(x.label, x.shape, x.kind, x.per_sample)
                inner.inputs[sp.Dummy()] = name
                self.forms[name] = form
                x = name
            stand_ins.append(inner.value(x))
        expand: Any = TABLE[e.operation].expand
        result = inner.value(expand(*stand_ins, **attributes))
        for symbol, name in inner.inputs.items():  # constants, the mini-batch's size
            if name not in self.forms:
                own = self.builder.input(symbol, name.shape, name.per_sample)
                self.forms[name] = self.builder.value(own)
        for equation in inner.equations:
            self.forms[equation.name] = self._form(equation)
        operand = result.operand
        return self.forms[operand] if isinstance(operand, Name) else self.builder.value(operand)

    # ---- reading what is dense at the columns that are stored

    def at_columns(self, x: Any, axis: int, data: Any) -> Any:
        """A dense value where the data have entries, along an axis counted from the end."""
        if not isinstance(x, Value) or len(x.shape) < -axis:
            return x
        if x.shape[axis] != data.shape[0]:  # one number for every column
            return x
        key = (x.operand, axis, data)
        if key not in self.columns_known:
            self.columns_known[key] = self._at_columns(x, axis, data)
        return self.columns_known[key]

    def _at_columns(self, x: Value, axis: int, data: Any) -> Value:
        e = self.builder.definition(x.operand) if isinstance(x.operand, Name) else None
        inside = COMMUTING.get("pointwise" if e and TABLE[e.operation].kind == "pointwise"
                               else e.operation if e else "")  # fmt: skip
        found = inside(self, e, x, axis, data) if inside else None
        return self._gathered(x, axis, data) if found is None else found

    def _gathered(self, x: Value, axis: int, data: Any) -> Value:
        b, rank = self.builder, len(x.shape)
        columns = self._input(stored(data)[1])
        at = rank + axis
        order = (at, *(k for k in range(rank) if k != at))
        front = b.apply("transpose", x, axes=order) if at else x
        rows = b.apply("gather", front, columns)
        return b.apply("transpose", rows, axes=inverse(order)) if at else rows

    def scattered(self, x: Stored) -> Value:
        """The whole value: zeros, and what is stored at its columns."""
        b, rank = self.builder, len(x.values.shape)
        at = rank + x.axis
        order = (at, *(k for k in range(rank) if k != at))
        front = b.apply("transpose", x.values, axes=order) if at else x.values
        shape = tuple(x.shape[k] for k in order)
        whole = b.apply("scatter", front, self._input(stored(x.data)[1]), shape=shape)
        return b.apply("transpose", whole, axes=inverse(order)) if at else whole

    # ---- what cannot be

    def refused(self, e: Equation, why: str) -> ValueError:
        from symgrad.calculus.express import Expressions

        block = Block(self.dense.inputs, (*self.dense.equations, e), {})
        try:
            shown = str(Expressions(block).of([e.name])[0])
        except KeyError:  # of an operation's expansion
            shown = e.operation
        form = next(self.forms[x] for x in e.names if isinstance(self.forms[x], Stored))
        assert isinstance(form, Stored)
        x, columns = form.data, form.data.shape[0]
        return ValueError(
            f"{shown[:200]}: {x} is sparse, and {why}; it would cost what all {columns} columns "
            f"cost. Sparse data may be multiplied, contracted (w @ {x}, W @ {x}, V**2 @ {x}**2), "
            f"reduced (sg.sum, sg.norm, sg.max) and put into functions that are 0 at 0; anything "
            "else wants the sum over the columns first, or data without sparse=True"
        )


# ---- what stays sparse


def _same_axis(s: _Sparsifier, e: Equation, operands: Sequence[Any]) -> tuple[int, Any]:
    """The axis and the data of the sparse operands, which must agree."""
    found = {(x.axis, x.data) for x in operands if isinstance(x, Stored)}
    if len({data for _, data in found}) > 1:
        raise s.refused(e, "the non-zeros of two different sparse data stand in different columns")
    if len(found) > 1:
        raise s.refused(e, "its columns stand along two different axes here")
    return found.pop()


def _pointwise(s: _Sparsifier, e: Equation, operands: list) -> Form:
    axis, data = _same_axis(s, e, operands)
    if not _stays_zero(e.operation, operands):
        raise s.refused(e, "this is not zero where it is zero")
    parts = [x.values if isinstance(x, Stored) else s.at_columns(x, axis, data) for x in operands]
    return Stored(s.builder.apply(e.operation, *parts), axis, data)


def _stays_zero(operation: str, operands: list) -> bool:
    """Whether a pointwise operation gives 0 (or false) where its sparse operands are 0."""
    if operation == "mul":
        return True
    zero = [0.0 if isinstance(x, Stored) else x for x in operands]
    if operation == "select":  # the branch that is taken where the condition is false
        return isinstance(operands[0], Stored) and not isinstance(zero[2], Value) and zero[2] == 0
    numbers: list[Any] = [x.operand if isinstance(x, Value) else x for x in zero]
    if any(isinstance(x, Name) for x in numbers):
        return False
    with np.errstate(all="ignore"):
        return bool(TABLE[operation].numpy(*(np.float64(x) for x in numbers)) == 0)


def _einsum(s: _Sparsifier, e: Equation, operands: list, subscripts: str) -> Form:
    terms, out = split(subscripts)
    values = list(operands)
    letters: dict[str, Any] = {}
    for term, x in zip(terms, operands, strict=True):
        if isinstance(x, Stored):
            letter = term[len(term) + x.axis]
            if letters.setdefault(letter, x.data) != x.data:
                raise s.refused(e, "two different sparse data have their non-zeros in different "
                                "columns")  # fmt: skip
    for k, (term, x) in enumerate(zip(terms, operands, strict=True)):
        own = term[len(term) + x.axis] if isinstance(x, Stored) else ""
        values[k] = x.values if isinstance(x, Stored) else x
        for letter, data in letters.items():
            if letter != own and letter in term:
                if term.count(letter) > 1:
                    raise s.refused(e, "the diagonal of a matrix is not read at its columns")
                values[k] = s.at_columns(values[k], term.index(letter) - len(term), data)
    kept = [c for c in out if c in letters]
    if len(kept) > 1:
        raise s.refused(e, "the result would be sparse along two axes")
    result = s.builder.apply("einsum", *values, subscripts=subscripts)
    return Stored(result, out.index(kept[0]) - len(out), letters[kept[0]]) if kept else result


def _reduced(s: _Sparsifier, e: Equation, operands: list, axes: tuple, keepdims: bool) -> Form:
    (x,) = operands
    rank = len(x.values.shape)
    at, b = rank + x.axis, s.builder
    operation = "sum" if e.operation == "mean" and at in axes else e.operation
    result = b.apply(operation, x.values, axes=axes, keepdims=keepdims)
    if at not in axes:
        behind = sum(a > at for a in axes) * (not keepdims)
        return Stored(result, x.axis + behind, x.data)
    columns = x.data.shape[0]
    if e.operation == "mean":
        return result / int(np.prod([columns if a == at else x.values.shape[a] for a in axes]))
    if e.operation in ("amax", "amin"):  # a column that is not stored holds a 0
        missing = b.apply("lt", b.size(length(x.data)), columns)
        extreme = b.apply(e.operation.removeprefix("a"), result, 0)
        return b.apply("select", missing, extreme, result)
    return result


def _prod(s: _Sparsifier, e: Equation, operands: list, **_: Any) -> Form:
    raise s.refused(e, "a product over the columns is 0 wherever one of them is")


def _transposed(s: _Sparsifier, e: Equation, operands: list, axes: tuple) -> Form:
    (x,) = operands
    at = len(axes) + x.axis
    return Stored(
        s.builder.apply("transpose", x.values, axes=axes), axes.index(at) - len(axes), x.data
    )


def _broadcast(s: _Sparsifier, e: Equation, operands: list, shape: tuple) -> Form:
    (x,) = operands
    sizes = list(shape)
    sizes[x.axis] = length(x.data)
    return Stored(s.builder.apply("broadcast_to", x.values, shape=tuple(sizes)), x.axis, x.data)


def _averaged(s: _Sparsifier, e: Equation, operands: list) -> Form:
    return s.builder.apply("expectation", s.scattered(operands[0]))


RULES: dict[str, Callable[..., Form]] = {
    "einsum": _einsum, "transpose": _transposed, "broadcast_to": _broadcast,
    "sum": _reduced, "mean": _reduced, "amax": _reduced, "amin": _reduced, "prod": _prod,
    "expectation": _averaged,
}  # fmt: skip


# ---- f(x)[columns] = f(x[columns])


def _inside_pointwise(s: _Sparsifier, e: Equation, x: Value, axis: int, data: Any) -> Value | None:
    parts = [s.at_columns(s.builder.value(y), axis, data) for y in e.operands]
    return s.builder.apply(e.operation, *parts)


def _inside_einsum(s: _Sparsifier, e: Equation, x: Value, axis: int, data: Any) -> Value | None:
    terms, out = split(e.attribute("subscripts"))
    letter = out[axis]
    if any(term.count(letter) > 1 for term in terms):
        return None
    parts = [
        s.at_columns(s.builder.value(y), t.index(letter) - len(t), data) if letter in t else y
        for t, y in zip(terms, e.operands, strict=True)
    ]
    return s.builder.apply("einsum", *parts, subscripts=e.attribute("subscripts"))


def _inside_transpose(s: _Sparsifier, e: Equation, x: Value, axis: int, data: Any) -> Value | None:
    axes = e.attribute("axes")
    inner = s.at_columns(s.builder.value(e.operands[0]), axes[axis] - len(axes), data)
    return s.builder.apply("transpose", inner, axes=axes)


def _inside_broadcast(s: _Sparsifier, e: Equation, x: Value, axis: int, data: Any) -> Value | None:
    sizes = list(x.shape)
    sizes[axis] = length(data)
    inner = s.at_columns(s.builder.value(e.operands[0]), axis, data)
    return s.builder.apply("broadcast_to", inner, shape=tuple(sizes))


COMMUTING: dict[str, Callable[..., Value | None]] = {
    "pointwise": _inside_pointwise, "einsum": _inside_einsum, "transpose": _inside_transpose,
    "broadcast_to": _inside_broadcast,
}  # fmt: skip
