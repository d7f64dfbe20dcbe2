"""Statements on all samples as statements on one tile's samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from symgrad.lower import index as ix
from symgrad.lower.expressions import At, Rewriting
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
    Store,
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
        self._moved = Rewriting(self._place)

    def loop(self, s: Loop) -> Loop:
        """A loop over samples."""
        self._moved.known[s.axis] = ix.linear([(ix.of(self.inner), 1), (ix.of(self.axis), 1)])
        return Loop(self.inner, tuple(map(self._moved.statement, s.body)), s.comment)

    def product(self, s: Product, beta: Expression) -> Product:
        c, a, b = (self._matrix(m, s) for m in (s.c, s.a, s.b))
        samples: Expression = self.samples
        if s.rows > 1:
            samples = Apply("mul", (Number(s.rows, "int64"), samples), "int64")
        return replace(s, c=c, a=a, b=b, beta=beta, samples=samples, most=self.size * s.rows)

    def _matrix(self, m: Matrix, s: Product) -> Matrix:
        sampled = (s.c, s.a) if s.sizes[0] is None else (s.a, s.b)
        if m.buffer in self.local:
            return replace(m, buffer=self.local[m.buffer])
        if all(m is not other for other in sampled):
            return m
        first = ix.linear([(m.offset, 1), (ix.of(self.axis), m.leading * s.rows)])
        return replace(m, offset=first)

    def collect(self, s: Collect) -> Collect:
        first, buffer = ix.of(self.axis), self.local.get(s.buffer)
        assert buffer is not None
        return replace(s, buffer=buffer, first=first, samples=self.samples)

    def _place(self, buffer: Buffer, index: At) -> tuple[Buffer, At]:
        if buffer in self.local:
            return self.local[buffer], (ix.of(self.inner), *index[1:])
        return buffer, index
