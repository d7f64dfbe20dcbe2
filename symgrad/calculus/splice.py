"""One block's equations in another's place: pull-backs that are derived, not written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.derive import derive_into
from symgrad.language.walk import postorder


def pull_through(
    expand: Callable[..., Value],
    i: int,
    g: Value,
    operands: Sequence[Value],
    attributes: Mapping[str, Any],
) -> Value:
    """The adjoint of operand i of an operation that is known by its expansion.

    g: the adjoint of the result.  The expansion is derived in a block of its own, where all
    operands are plain; their levels come back with the operands themselves.
    """
    inner = Builder()
    stand_ins = [_stand_in(inner, x) for x in (*operands, g)]
    *values, weight = stand_ins
    y = expand(*values, **attributes) * weight
    axes = tuple(range(len(y.shape)))
    root = inner.apply("sum", y, axes=axes, keepdims=False) if axes else y
    (found,) = derive_into(inner, root.operand, [values[i].operand])
    pairs = zip(stand_ins, (*operands, g), strict=True)
    return splice(inner, found, g.builder, {a.operand: b for a, b in pairs})


def _stand_in(inner: Builder, x: Value) -> Value:
    if not isinstance(x.operand, Name):
        return inner.value(x.operand)
    name = Name("", x.operand.shape, x.operand.kind)
    inner.inputs[sp.Dummy()] = name
    return inner.value(name)


def splice(inner: Builder, wanted: Any, outer: Builder, known: Mapping[Any, Value]) -> Value:
    """The value of an operand of `inner` as equations of `outer`; `known` are inner's inputs."""
    values = dict(known)
    for symbol, name in inner.inputs.items():  # constants and the mini-batch's size
        if name not in values:
            values[name] = outer.value(outer.input(symbol, name.shape, name.per_sample))

    def operands(x: Any) -> tuple:
        definition = inner.definition(x) if isinstance(x, Name) and x not in values else None
        return definition.operands if definition else ()

    for x in postorder([wanted], operands):
        e = inner.definition(x) if isinstance(x, Name) and x not in values else None
        if e is not None:
            parts = (values.get(o, o) for o in e.operands)
            values[x] = outer.apply(e.operation, *parts, **dict(e.attributes))
    return values[wanted] if wanted in values else outer.value(wanted)
