"""The loop IR's memory and what is computed from it: buffers, loop variables, expressions.

Buffers of rank 0 are local variables of the run, unless they are outputs.  Sizes are literal, but
for the number of samples in the mini-batch, n, which is at most the kernel's batch size.
Expressions are compared by identity; lowering shares equal ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import sympy as sp

from symgrad.lower.index import Index

ITEM_BYTES = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "int8": 1}


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """Memory, or a local variable where the rank is 0.

    role:        data, parameter, state, hyper, constant, step, seed, batch_size, output, total (of
                 an output's numbers, of all steps) or scratch
    symbol:      the language's symbol whose array it is; None for outputs and scratch
    label:       an output's label, else for people: never printed as it stands
    shape:       one sample's for data; for what is per sample otherwise (batch size, ...)
    per_sample:  outputs: one value a sample, by position, not one for the whole
    storage:     the buffer whose memory holds it, where that is another's (a new value in place)
    distinct:    no two of its elements are equal: they are rows, each found once
    turned:      the symbol's array is held column by column; the shape is that of its transpose
    """

    role: str
    label: str
    shape: tuple[int, ...]
    dtype: str
    symbol: sp.Symbol | None = None
    per_sample: bool = False
    storage: Buffer | None = None
    distinct: bool = False
    turned: bool = False

    @property
    def home(self) -> Buffer:
        return self.storage or self

    @property
    def renewed(self) -> Buffer:
        """Its memory for what it holds next."""
        return Buffer(self.role, self.label, self.shape, self.dtype, self.symbol, storage=self)

    @property
    def is_local(self) -> bool:
        return not self.shape and self.role not in ("output", "data")

    @property
    def nbytes(self) -> int:
        return ITEM_BYTES[self.dtype] * math.prod(self.shape)


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """A loop's variable, from 0 to its extent; extent None is n, the mini-batch's samples.

    start, stop: with a `stop` the loop goes from `start` (or 0) to it, integers of the run that
                 are evaluated once, before the loop; the variable stays below the limit, and the
                 extent is about where it ends
    step:        how far it goes at a time
    """

    extent: int | None
    limit: int  # the largest extent it may have
    depth: int
    start: Expression | None = None
    stop: Expression | None = None
    step: int = 1

    @property
    def bound(self) -> int:
        return max(self.limit - 1, 0)


@dataclass(frozen=True, eq=False, slots=True)
class Counter:
    """An integer that the driver loop keeps: `at`, `slot` or `row`."""

    name: str
    bound: int = 2**40


AT = Counter("at")  # position of the mini-batch's first sample
SLOT = Counter("slot")  # index of the mini-batch in recorded outputs, 0 when not recorded
ROW = Counter("row")  # index of its first sample in recorded per-sample outputs
PENDING = Counter("pending")  # mini-batches since the last update
THREAD = Counter("thread")  # which of the kernel's threads this is, from 0
LAST = Counter("last")  # the position behind the last one of this call
FAR = Counter("far", 1)  # 1 where samples come in an order and the data do not fit the cache


@dataclass(frozen=True, eq=False, slots=True)
class Number:
    value: int | float | bool
    dtype: str


@dataclass(frozen=True, eq=False, slots=True)
class Load:
    buffer: Buffer
    index: tuple[Index, ...]
    dtype: str
    bound: int = 2**40  # where it is an integer that serves as an index


@dataclass(frozen=True, eq=False, slots=True)
class Apply:
    operation: str  # a pointwise row, or cast, position (of a sample in the data), clamp
    operands: tuple[Expression, ...]
    dtype: str
    bound: int = 2**40


@dataclass(frozen=True, eq=False, slots=True)
class Whole:
    """The value of an index, as an int64."""

    index: Index
    dtype: str = "int64"


Expression = Number | Load | Apply | Whole
