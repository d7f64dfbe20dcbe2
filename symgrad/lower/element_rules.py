"""The element of each operation: views, gathers and broadcasts only change the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from symgrad.lower import index as ix
from symgrad.lower.expressions import At
from symgrad.lower.index import Index
from symgrad.lower.kernel import Expression, Number
from symgrad.lower.nodes import VIEWS, Node, Operand, is_scalar
from symgrad.lower.ranges import within
from symgrad.lower.scale import product_of, scale

if TYPE_CHECKING:
    from symgrad.lower.elements import Elements

# A rule gets (elements, node, index, get), where `get(operand, index)` is an operand's element, or
# None when it is not there yet: the rule then returns None and is asked again later.
Get = Callable[[Operand, At], Any]
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


def pointwise(s: Elements, x: Node, index: At, get: Get) -> Any:
    operands = [get(y, s.below(x, y, index)) for y in x.operands]
    if None in operands:
        return None
    if x.operation == "pow" and not isinstance(x.operands[1], Node):
        return _power(s, x, operands[0])
    dtype = s.dtype_of(x)
    if x.operation == "mul" and sum(map(is_scalar, x.operands)) > 1:
        factors = scale(s, [y for y in x.operands if is_scalar(y)], dtype)
        rest = [s.cast(v, dtype) for y, v in zip(x.operands, operands, strict=True)
                if not is_scalar(y)]  # fmt: skip
        return product_of(s, factors + rest, dtype)
    of = dtype
    if x.operation in COMPARISONS:
        of = _common(s, x, operands)
    elif x.operation in ("and", "or", "not", "indicator"):
        of = "bool"
    cast = [s.cast(y, of) for y in operands]
    if x.operation == "select":
        cast[0] = s.cast(operands[0], "bool")
    if x.operation == "indicator":
        return s.cast(cast[0], dtype)
    return s.apply(x.operation, tuple(cast), dtype)


def _power(s: Elements, x: Node, base: Expression) -> Expression:
    """A power by a number keeps the number exact: targets multiply, or take a root."""
    dtype, exponent = s.dtype_of(x), x.operands[1]
    whole = exponent.is_Integer or (exponent.is_Float and exponent == int(exponent))
    number = s.number(exponent, "int64" if whole else dtype)
    return s.apply("pow", (s.cast(base, dtype), number), dtype)


def _common(s: Elements, x: Node, operands: list[Expression]) -> str:
    """The dtype in which a comparison is made."""
    nodes = [y for y in operands if not isinstance(y, Number)] or operands
    if all(y.dtype in ("int64", "bool") for y in operands):
        return "int64"
    if all(y.dtype in ("int64", "bool", "float64") for y in nodes):
        return "float64"
    return s.dtype


def _einsum(s: Elements, x: Node, index: At, get: Get) -> Any:
    """A contraction that contracts nothing is a product."""
    where = dict(zip(x.attributes["out"], index, strict=True))
    operands = []
    for term, y in zip(x.attributes["terms"], x.operands, strict=True):
        operands.append(get(y, letters_at(term, y, where)))
    if None in operands:
        return None
    dtype = s.dtype_of(x)
    return product_of(s, [s.cast(y, dtype) for y in operands], dtype)


def letters_at(term: tuple, y: Operand, where: Mapping[str, Index]) -> At:
    if not isinstance(y, Node):
        return ()
    return tuple(ix.ZERO if e == 1 else where[c] for c, e in zip(term, y.extents, strict=True))


def _broadcast(s: Elements, x: Node, index: At, get: Get) -> Any:
    value = get(x.operands[0], s.below(x, x.operands[0], index))
    return None if value is None else s.cast(value, s.dtype_of(x))


def _transpose(s: Elements, x: Node, index: At, get: Get) -> Any:
    (y,) = x.operands
    body = [ix.ZERO] * x.rank
    for i, a in zip(index[x.lead :], x.attributes["axes"], strict=True):
        body[a] = i
    return get(y, index[: x.lead] + tuple(body))


def _reshape(s: Elements, x: Node, index: At, get: Get) -> Any:
    (y,) = x.operands
    if not isinstance(y, Node):
        return get(y, ())
    body = ix.reshaped(index[x.lead :], x.shape[x.lead :], y.shape[y.lead :])
    return get(y, index[: x.lead] + body)


def _slice(s: Elements, x: Node, index: At, get: Get) -> Any:
    (y,) = x.operands
    return get(y, index[: x.lead] + sliced(x.attributes["spec"], index[x.lead :]))


def sliced(spec: tuple, index: At) -> At:
    """The index in the whole of the element at `index` of a slice."""
    rest = iter(index)
    return tuple(
        ix.constant(e[1]) if e[0] == "at" else ix.linear([(next(rest), e[3])], e[1]) for e in spec
    )


def _batch(s: Elements, x: Node, index: At, get: Get) -> Any:
    (y,) = x.operands
    return get(y, index if y.lead else index[1:])


def _own(s: Elements, x: Node, index: At, get: Get) -> Any:
    return get(x.operands[0], index if x.lead else (ix.ZERO, *index))


def _gather(s: Elements, x: Node, index: At, get: Get) -> Any:
    table, *indices = x.operands
    rank = len(x.body) - (table.rank - len(indices))
    where = gather_index(s, x, index[: x.lead + rank], get)
    if where is None:
        return None
    lead = index[:1] if table.lead else ()
    return get(table, lead + where + index[x.lead + rank :])


def gather_index(s: Elements, x: Node, index: At, get: Get) -> At | None:
    """The integers of a gather or scatter x, at a place of their common shape."""
    found = [get(y, s.below(x, y, index)) for y in x.operands[1:]]
    if None in found:
        return None
    table = x if x.operation == "scatter" else x.operands[0]
    sizes = table.shape[table.lead :]
    return tuple(
        bounded(s, y, v, size) for y, v, size in zip(x.operands[1:], found, sizes, strict=False)
    )


def bounded(s: Elements, y: Operand, value: Expression, size: int) -> Index:
    """An integer as an index; data's own were checked before the run, and others are clamped unless
    they are known to be inside."""
    if isinstance(value, Number):
        return ix.constant(int(value.value))
    source = y
    while isinstance(source, Node) and source.operation in VIEWS:
        source = source.operands[0]
    given = isinstance(source, Node) and source.attributes.get("role") in ("data", "constant")
    if not given and not within(y, size):
        value = s.apply("clamp", (value, s.number(size, "int64")), "int64", max(size - 1, 0))
    return ix.of(value)


def _position(s: Elements, x: Node, index: At, get: Get) -> Any:
    """The one input without memory: a sample's place among those of its update."""
    return s.whole(ix.linear([(s.base, 1), (index[0] if x.lead else ix.ZERO, 1)]))


def _of_integers(s: Elements, x: Node, index: At, get: Get) -> Any:
    """Integers go in as they are; a float comes out in double precision first."""
    operands = [get(y, s.below(x, y, index)) for y in x.operands]
    if None in operands:
        return None
    made = s.apply(x.operation, tuple(operands), "float64" if x.kind == "float" else "int64")
    return s.cast(made, s.dtype_of(x))


RULES: dict[str, Callable[..., Any]] = {
    "einsum": _einsum, "broadcast_to": _broadcast, "transpose": _transpose, "reshape": _reshape,
    "slice": _slice, "batch": _batch, "own": _own, "gather": _gather, "input": _position,
    "mixed": _of_integers, "below": _of_integers, "either": _of_integers, "unit": _of_integers,
    "whole_quotient": _of_integers,
}  # fmt: skip
