"""Loops over rows that a vector or two hold, as vectors without a loop.

    for k in range(10):  y[k] = exp(x[k] - m);  s += y[k]

    x = 10 numbers of memory in a vector of 16;  y = exp(x - m);  the first 10 of y to memory
    s += the sum of the first 10 of y

LLVM would compute number by number, or mask the lanes that are too many; what is stored under a
mask is not there for the next load before it has reached the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from symgrad.generate.ir_lanes import elements_stay, variables_stay
from symgrad.generate.ir_locals import Use
from symgrad.generate.ir_memory import At, Lanes, flat
from symgrad.generate.ir_text import FLAGS, Value, constant, suffix_of, type_of
from symgrad.generate.pieces import VECTOR
from symgrad.lower.expressions import accesses, walk
from symgrad.lower.index import Index, Quotient, Remainder
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Apply,
    Axis,
    Buffer,
    Comment,
    Load,
    Loop,
    Store,
    Update,
    Whole,
)  # fmt: skip
from symgrad.lower.tasks import start_of

if TYPE_CHECKING:
    from symgrad.generate.ir_writer import Writer

LEAST = 4  # elements of a row
STORED = frozenset({"float32", "float64", "int8", "bool"})
REDUCTIONS = {
    "add": ("fadd", FLAGS), "mul": ("fmul", FLAGS), "max": ("fmaximum", "nsz"),
    "min": ("fminimum", "nsz"),
}  # fmt: skip


def is_row(s: Loop, known: Mapping[Buffer, Use]) -> bool:
    """Whether a loop over fewer elements than the longest vectors have needs no loop."""
    extent = s.axis.extent
    if extent is None or s.bounds or s.shared or not LEAST <= extent < VECTOR:
        return False
    parts = [t for t in s.body if isinstance(t, Store | Update) and _is_plain(t, s.axis)]
    if not parts or len(parts) < sum(not isinstance(t, Comment) for t in s.body):
        return False
    item = max(ITEM_BYTES.get(t.buffer.dtype, 1) for t in parts)
    return extent * item < VECTOR and variables_stay(s, known) and elements_stay(s)


def _is_plain(t: Store | Update, axis: Axis) -> bool:
    if t.buffer.dtype not in STORED or (isinstance(t, Update) and "float" not in t.buffer.dtype):
        return False
    places = [(b, at) for b, at in (*accesses(t), (t.buffer, t.index)) if not b.is_local]
    return all(at is not None and _is_together(flat(b, at), axis) for b, at in places)


def _is_together(at: Index, axis: Axis) -> bool:
    """Whether what a row has at an index lies together, or is one element for all."""
    others = tuple(term for term in at.terms if term[0] is not axis)
    return dict(at.terms).get(axis, 1) == 1 and not _depends(Index(0, others), axis)


def _depends(i: Index, axis: Axis) -> bool:
    for atom, _ in i.terms:
        if atom is axis or (isinstance(atom, Quotient | Remainder) and _depends(atom.index, axis)):
            return True
        for x in walk([atom]) if isinstance(atom, Load | Apply) else ():
            inside = x.index if isinstance(x, Load) else [x.index] if isinstance(x, Whole) else []
            if any(_depends(j, axis) for j in inside):
                return True
    return False


def write(writer: Writer, s: Loop) -> None:
    """The row's statements, each once for all of it."""
    extent = s.axis.extent
    assert extent is not None
    count = 1 << (extent - 1).bit_length()
    numbers = Value(f"<{', '.join(f'i64 {i}' for i in range(count))}>", "int64", count)
    memory, zero = writer.memory, constant(0, "int64")
    memory.axes[s.axis] = zero
    memory.lanes = Lanes(s.axis, count, numbers, None, zero, {}, extent)
    writer.sums = RowSums(s.axis, count, extent)
    writer.statements(s.body)
    memory.lanes = writer.sums = None
    del memory.axes[s.axis]


class RowSums:
    """What a row adds up: the elements of a vector, but for the lanes that are too many."""

    def __init__(self, axis: Axis, count: int, extent: int) -> None:
        self.axis, self.count, self.extent = axis, count, extent

    def take(self, writer: Writer, s: Update) -> bool:
        """Write a sum's update; False where each lane has an element of its own."""
        if self._has_elements(s.index):
            return False
        lines, dtype = writer.lines, s.buffer.dtype
        x = lines.spread(writer.expressions.value(s.value), self.count)
        x = lines.part(x, 0, self.extent)
        name, flags = REDUCTIONS[s.combine]
        start = constant(start_of(s.combine, dtype), dtype).typed
        start = f"{start}, " if s.combine in ("add", "mul") else ""
        function = f"@llvm.vector.reduce.{name}.{suffix_of(dtype, self.extent)}"
        total = lines.value(f"call {flags} {type_of(dtype)} {function}({start}{x.typed})", dtype)
        old = writer.memory.read(s.buffer, s.index)
        new = writer.expressions.apply(s.combine, [old, total], dtype)
        writer.memory.write(s.buffer, s.index, new)
        return True

    def _has_elements(self, at: At) -> bool:
        return any(_depends(i, self.axis) for i in at)
