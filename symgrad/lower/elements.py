"""The element of a value at an index, as an expression over the memory it comes from.

Views, gathers and broadcasts only change the index.  Equal expressions are one object, so that
loops which are fused later share them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import sympy as sp

from symgrad.language.ragged import entries_of, is_length
from symgrad.language.row import kind_of
from symgrad.lower import index as ix
from symgrad.lower.element_rules import RULES, pointwise
from symgrad.lower.expressions import At
from symgrad.lower.index import Index
from symgrad.lower.kernel import AT, Apply, Buffer, Expression, Load, Number, Whole
from symgrad.lower.nodes import Node, Operand, Ragged
from symgrad.lower.scale import kept_apart

WIDEST = 12  # operands in one printed operation
ASSOCIATIVE = frozenset({"add", "mul", "max", "min", "and", "or"})


class Elements:
    """Computes elements; `memory` maps roots and inputs to their buffers, `given` what is kept in
    another order to a function that gives the element at an index."""

    def __init__(
        self, dtype: str, batch: int, offsets: Callable[[sp.Symbol], Buffer], base: Index = ix.ZERO
    ) -> None:
        """offsets: the size of a ragged axis -> where the samples' entries begin; base: the
        position of the mini-batch's first sample, for random draws."""
        self.dtype, self.batch, self.offsets, self.base = dtype, batch, offsets, base
        self.memory: dict[Node, Buffer] = {}
        self.given: dict[Node, Callable[[At], Expression]] = {}
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
        if operation == "mul" and dtype != "int64":
            operands = kept_apart(self, operands, dtype)
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
            return self.number(x, "int64" if kind_of(x) == "int" else self.dtype)
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

        if node in self.given:
            return self.given[node](index)
        buffer = self.memory.get(node)
        if buffer is not None:
            return self._loaded(node, buffer, index)
        return RULES.get(node.operation, pointwise)(self, node, index, get)

    def _loaded(self, node: Node, buffer: Buffer, index: At) -> Expression:
        if buffer.role != "data":
            return self.cast(self.load(buffer, index), self.dtype_of(node))
        sample, body = index[0] if node.lead else ix.ZERO, index[node.lead :]
        if is_length(node.symbol):
            return self._length(buffer, sample)
        size = entries_of(node.symbol)
        if size is not None:
            first = ix.of(self.load(self.offsets(size), (ix.of(self.row(sample)),)))
            return self.load(buffer, (ix.linear([(first, 1), (body[0], 1)]), *body[1:]))
        return self.load(buffer, (ix.of(self.row(sample)), *body))

    def length(self, extent: Ragged, sample: Index) -> Expression:
        """How many entries a sample of the mini-batch has, an integer."""
        return self._length(self.offsets(extent.size), sample)

    def _length(self, offsets: Buffer, sample: Index) -> Expression:
        row = ix.of(self.row(sample))
        start, stop = (self.load(offsets, (ix.linear([(row, 1)], k),)) for k in (0, 1))
        minus = self.apply("mul", (self.number(-1, "int64"), start), "int64")
        return self.apply("add", (stop, minus), "int64")

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
        if len(x.extents) == x.lead:
            return lead
        body = index[node.lead :]
        body = body[len(body) - x.rank :]
        return lead + tuple(ix.ZERO if e == 1 else i for e, i in zip(x.body, body, strict=True))


def converted(value: Any, dtype: str) -> int | float | bool:
    """A SymPy, NumPy or Python number as a Python number of the dtype's kind."""
    if dtype == "bool":
        return bool(value)
    if dtype == "int64":
        return int(value)
    if value is sp.true or value is sp.false:
        return float(bool(value))
    if value is sp.zoo:  # 1/0
        return math.inf
    return float(value)
