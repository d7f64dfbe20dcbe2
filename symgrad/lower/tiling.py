"""Statements on all samples as statements on one tile's samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from symgrad.lower import index as ix
from symgrad.lower.expressions import At, bottom_up, roots
from symgrad.lower.index import Index, Quotient, Remainder
from symgrad.lower.kernel import (
    Apply,
    Axis,
    Buffer,
    Collect,
    Expression,
    Load,
    Loop,
    Matrix,
    Number,
    Product,
    Statement,
    Store,
    Update,
    Whole,
)


def in_tile(axis: Axis, end: Expression) -> Expression:
    """How many samples a tile has: as many as it may, or as are left."""
    whole = "int64"
    past = Apply("mul", (Number(-1, whole), Whole(ix.of(axis))), whole)
    return Apply("min", (Number(axis.step, whole), Apply("add", (end, past), whole)), whole)


class Tile:
    """The loop over tiles of so many samples, and what becomes of statements inside it.

    A sample's number b becomes tile + b; memory of `local` buffers has rows for one tile only.
    """

    def __init__(self, size: int, batch: int, local: Iterable[Buffer]) -> None:
        self.size = size
        self.axis = Axis(None, max(batch - size + 1, 1), 0, step=size)
        samples = Buffer("scratch", "samples", (), "int64")
        n = Load(Buffer("batch_size", "B", (), "int64"), (), "int64")
        self.count = Store(samples, (), in_tile(self.axis, n))
        self.samples = Load(samples, (), "int64")
        self.inner = Axis(None, size, 0, stop=self.samples)
        self.local = {b: Buffer("scratch", b.label, (size, *b.shape[1:]), b.dtype) for b in local}
        self._sample: Axis | None = None
        self._known: dict[Any, Any] = {}

    # ---- statements

    def loop(self, s: Loop) -> Loop:
        """A loop over samples."""
        self._sample = s.axis
        return Loop(self.inner, tuple(self._inside(t) for t in s.body), s.comment)

    def _inside(self, s: Statement) -> Statement:
        if isinstance(s, Loop):
            return s.over(map(self._inside, s.body), {x: self.expression(x) for x in s.bounds})
        if isinstance(s, Store | Update):
            for x in roots(s):
                self.expression(x)
            buffer, index = self._place(s.buffer, s.index)
            return replace(s, buffer=buffer, index=index, value=self.expression(s.value))
        return s

    def product(self, s: Product, beta: Expression) -> Product:
        c, a, b = (self._matrix(m, s) for m in (s.c, s.a, s.b))
        return replace(s, c=c, a=a, b=b, beta=beta, samples=self.samples, most=self.size)

    def _matrix(self, m: Matrix, s: Product) -> Matrix:
        sampled = (s.c, s.a) if s.sizes[0] is None else (s.a, s.b)
        if m.buffer in self.local:
            return replace(m, buffer=self.local[m.buffer])
        if all(m is not other for other in sampled):
            return m
        first = ix.linear([(m.offset, 1), (ix.of(self.axis), m.leading)])
        return replace(m, offset=first)

    def collect(self, s: Collect) -> Collect:
        first, buffer = ix.of(self.axis), self.local.get(s.buffer)
        assert buffer is not None
        return replace(s, buffer=buffer, first=first, samples=self.samples)

    # ---- expressions

    def _place(self, buffer: Buffer, index: At) -> tuple[Buffer, At]:
        if buffer in self.local:
            rest = (self._index(i) for i in index[1:])
            return self.local[buffer], (ix.of(self.inner), *rest)
        return buffer, tuple(self._index(i) for i in index)

    def _index(self, index: Index) -> Index:
        parts = [(self._atom(a), k) for a, k in index.terms]
        return ix.linear(parts, index.constant)

    def _atom(self, atom: Any) -> Index:
        if atom is self._sample:
            return ix.linear([(ix.of(self.inner), 1), (ix.of(self.axis), 1)])
        if isinstance(atom, Quotient | Remainder):
            return ix.of(type(atom)(self._index(atom.index), atom.divisor))
        return ix.of(self._known[atom] if isinstance(atom, Load | Apply) else atom)

    def expression(self, root: Expression) -> Expression:
        """The same expression for a tile's sample; equal ones stay one object."""
        return bottom_up(root, self._known, self._rebuilt)

    def _rebuilt(self, x: Expression) -> Expression:
        if isinstance(x, Load):
            buffer, index = self._place(x.buffer, x.index)
            return x if index == x.index else replace(x, buffer=buffer, index=index)
        if isinstance(x, Apply):
            operands = tuple(self._known[c] for c in x.operands)
            same = all(a is b for a, b in zip(operands, x.operands, strict=True))
            return x if same else replace(x, operands=operands)
        if isinstance(x, Whole):
            whole = self._index(x.index)
            return x if whole == x.index else Whole(whole)
        return x
