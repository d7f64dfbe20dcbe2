"""The element of a value at an index, as an expression over the memory it comes from.

Views, gathers and broadcasts only change the index.  Equal expressions are one object, so that
loops which are fused later share them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from symgrad.lower import index as ix
from symgrad.lower.expressions import At
from symgrad.lower.index import Index
from symgrad.lower.kernel import AT, Apply, Buffer, Expression, Load, Number, Whole
from symgrad.lower.nodes import VIEWS, Node, Operand, is_scalar


WIDEST = 12  # operands in one printed operation
ASSOCIATIVE = frozenset({"add", "mul", "max", "min", "and", "or"})


class Elements:
    """Computes elements; `memory` maps roots and inputs to their buffers."""

    def __init__(self, dtype: str, batch: int) -> None:
        self.dtype, self.batch = dtype, batch
        self.memory: dict[Node, Buffer] = {}
        self._known: dict[tuple[Node, At], Expression] = {}
        self._shared: dict[tuple, Any] = {}

    # ---- expressions, each made once

    def number(self, value: Any, dtype: str) -> Number:
        value = converted(value, dtype)
        key = (repr(value), dtype)
        return self._shared.setdefault(key, Number(value, dtype))

    def load(self, buffer: Buffer, index: At, bound: int = 2**40) -> Load:
        key = (buffer, index)
        return self._shared.setdefault(key, Load(buffer, index, buffer.dtype, bound))

    def apply(self, operation: str, operands: tuple, dtype: str, bound: int = 2**40) -> Expression:
        while len(operands) > WIDEST and operation in ASSOCIATIVE:
            operands = tuple(
                self.apply(operation, operands[i : i + WIDEST], dtype)
                for i in range(0, len(operands), WIDEST)
            )
        if len(operands) == 1 and operation in ASSOCIATIVE:
            return operands[0]
        key = (operation, operands, dtype, bound)
        return self._shared.setdefault(key, Apply(operation, operands, dtype, bound))

    def whole(self, index: Index) -> Expression:
        if index.is_constant:
            return self.number(index.constant, "int64")
        if len(index.terms) == 1 and index.constant == 0 and index.terms[0][1] == 1:
            atom = index.terms[0][0]
            if isinstance(atom, Load | Apply):
                return atom
        return self._shared.setdefault((index, "whole"), Whole(index))

    def cast(self, x: Expression, dtype: str) -> Expression:
        if x.dtype == dtype:
            return x
        if isinstance(x, Number):
            return self.number(x.value, dtype)
        return self.apply("cast", (x,), dtype)

    def dtype_of(self, x: Node) -> str:
        if x.kind != "float":
            return "int64" if x.kind == "int" else "bool"
        return "float64" if x.wide else self.dtype

    # ---- elements of nodes

    def element(self, x: Operand, index: At) -> Expression:
        """The element, by an explicit stack: chains of operations may be long."""
        if not isinstance(x, Node):
            return self.number(x, "int64" if x.is_Integer else self.dtype)
        stack = [(x, index)]
        while stack:
            missing: list[tuple[Node, At]] = []
            key = stack[-1]
            if key not in self._known:
                result = self._attempt(key, missing)
                if missing:
                    stack.extend(missing)
                    continue
                self._known[key] = result
            stack.pop()
        return self._known[x, index]

    def computed(self, x: Node, index: At) -> Expression:
        """The element of a root by its own operation, before it has memory."""
        value = self.element(x, index)
        del self._known[x, index]
        return self.cast(value, self.dtype_of(x))

    def _attempt(self, key: tuple[Node, At], missing: list) -> Any:
        node, index = key

        def get(x: Operand, at: At) -> Expression | None:
            if not isinstance(x, Node):
                return self.element(x, ())
            found = self._known.get((x, at))
            if found is None:
                missing.append((x, at))
            return found

        buffer = self.memory.get(node)
        if buffer is not None:
            return self._loaded(node, buffer, index)
        return RULES.get(node.operation, _pointwise)(self, node, index, get)

    def _loaded(self, node: Node, buffer: Buffer, index: At) -> Expression:
        if buffer.role != "data":
            return self.cast(self.load(buffer, index), self.dtype_of(node))
        row = self.row(index[0] if node.lead else ix.ZERO)
        return self.load(buffer, (ix.of(row), *index[node.lead :]))

    def row(self, sample: Index) -> Expression:
        """The data's row of a sample of the mini-batch, an integer."""
        position = self.whole(ix.linear([(ix.of(AT), 1), (sample, 1)]))
        return self.apply("position", (position,), "int64")

    # ---- indices

    def below(self, node: Node, x: Operand, index: At) -> At:
        """The index of x's element that broadcasting brings to `index` of node."""
        if not isinstance(x, Node):
            return ()
        lead = index[:1] if x.lead else ()
        body = index[node.lead :]
        body = body[len(body) - x.rank :]
        return lead + tuple(
            ix.ZERO if e == 1 else i for e, i in zip(x.body, body, strict=True)
        )


def converted(value: Any, dtype: str) -> int | float | bool:
    """A SymPy, NumPy or Python number as a Python number of the dtype's kind."""
    if dtype == "bool":
        return bool(value)
    if dtype == "int64":
        return int(value)
    if isinstance(value, sp.Basic) and value in (sp.true, sp.false):
        return float(bool(value))
    return float(value)


def scaled_sum(elements: Elements, terms: list[tuple[tuple, Expression]], dtype: str) -> Expression:
    """The sum of factors * value."""
    parts = []
    for factors, value in terms:
        product = [*scale(elements, factors, dtype), elements.cast(value, dtype)]
        parts.append(product_of(elements, product, dtype))
    if not parts:
        return elements.number(0, dtype)
    return parts[0] if len(parts) == 1 else elements.apply("add", tuple(parts), dtype)


def scale(elements: Elements, factors: Sequence[Operand], dtype: str) -> list[Expression]:
    """Scalar factors, those of the step multiplied in float64 before they are rounded."""
    wide = [f for f in factors if not isinstance(f, Node) or f.wide]
    rest = [elements.cast(elements.element(f, ()), dtype) for f in factors if f not in wide]
    if not any(isinstance(f, Node) for f in wide) or dtype == "int64":
        number = sp.Mul(*[f for f in wide if not isinstance(f, Node)])
        named = [elements.cast(elements.element(f, ()), dtype) for f in wide if isinstance(f, Node)]
        return [*([elements.number(number, dtype)] if number != 1 else []), *named, *rest]
    step = [elements.cast(elements.element(f, ()), "float64") for f in wide]
    return [elements.cast(product_of(elements, step, "float64"), dtype), *rest]


def product_of(elements: Elements, factors: Sequence[Expression], dtype: str) -> Expression:
    """The product, its numbers folded into one in front."""
    numbers = [f.value for f in factors if isinstance(f, Number)]
    rest = [f for f in factors if not isinstance(f, Number)]
    number = math.prod(numbers)
    if not rest or number != 1:
        rest = [elements.number(number, dtype), *rest]
    return rest[0] if len(rest) == 1 else elements.apply("mul", tuple(rest), dtype)


# ---- one rule a kind of operation: (elements, node, index, get) -> expression, or None for later

Get = Callable[[Operand, At], Any]
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


def _pointwise(s: Elements, x: Node, index: At, get: Get) -> Any:
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


def letters_at(term: tuple, y: Operand, where: dict[str, Index]) -> At:
    if not isinstance(y, Node):
        return ()
    return tuple(
        ix.ZERO if e == 1 else where[c] for c, e in zip(term, y.extents, strict=True)
    )


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
    """An integer as an index; data's own were checked before the run, others are clamped."""
    if isinstance(value, Number):
        return ix.constant(int(value.value))
    while isinstance(y, Node) and y.operation in VIEWS:
        y = y.operands[0]
    if not (isinstance(y, Node) and y.attributes.get("role") in ("data", "constant")):
        value = s.apply("clamp", (value, s.number(size, "int64")), "int64", max(size - 1, 0))
    return ix.of(value)


RULES: dict[str, Callable[..., Any]] = {
    "einsum": _einsum, "broadcast_to": _broadcast, "transpose": _transpose, "reshape": _reshape,
    "slice": _slice, "batch": _batch, "own": _own, "gather": _gather,
}  # fmt: skip
