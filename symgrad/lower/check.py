"""Whether a kernel is well formed: every access fits, and nothing is read before it is set."""

from __future__ import annotations

from symgrad.lower.check_memory import check_memory
from symgrad.lower.check_threads import check_threads
from symgrad.lower.expressions import accesses, loads, roots
from symgrad.lower.index import Index
from symgrad.lower.kernel import (
    Alone,
    Axis,
    Barrier,
    Buffer,
    Call,
    Collect,
    Comment,
    Distinct,
    Kernel,
    Loop,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
)  # fmt: skip


def check(kernel: Kernel) -> None:
    """Raise AssertionError unless the kernel is well formed."""
    known = {*kernel.buffers, *kernel.memory}
    assert len(set(kernel.buffers)) == len(kernel.buffers), "a buffer is given twice"
    for section in kernel.sections:
        _body(section, (), known, kernel)
    if kernel.memory:
        check_memory(kernel)
    if kernel.threads > 1:
        check_threads(kernel)


def _body(body: tuple[Statement, ...], open_axes: tuple, known: set[Buffer], k: Kernel) -> None:
    for s in body:
        if isinstance(s, Loop):
            assert s.axis not in open_axes, "a loop inside itself"
            extent = s.axis.extent
            assert extent is None or s.stop or extent > 1, f"a loop of {extent}"
            assert (s.stop is None) == (s.axis.stop is None), "a loop has lost its bounds"
            _bounds(s, open_axes, known)
            _body(s.body, (*open_axes, s.axis), known, k)
        elif isinstance(s, Alone):
            _body(s.body, open_axes, known, k)
        elif not isinstance(s, Comment | Barrier):
            _statement(s, open_axes, known, k)


def _bounds(s: Loop, open_axes: tuple, known: set[Buffer]) -> None:
    _reads(s, open_axes, known)
    for x in s.bounds:
        assert x.dtype == "int64", f"a loop's bound is {x.dtype}"


def _reads(s: Statement, open_axes: tuple, known: set[Buffer]) -> None:
    for buffer, _ in accesses(s):
        if buffer.is_local and not isinstance(s, Update):
            given = buffer.home in known or buffer.role == "batch_size"
            assert given, f"{buffer.label} is read before it is set"
    for x in loads(*roots(s)):
        _index(x.buffer, x.index, open_axes)


def _statement(s: Statement, open_axes: tuple, known: set[Buffer], k: Kernel) -> None:
    _reads(s, open_axes, known)
    if isinstance(s, Store | Update):
        _index(s.buffer, s.index, open_axes)
        _placed(s.buffer, known)
        assert s.value.dtype == s.buffer.dtype, f"{s.value.dtype} into {s.buffer.dtype}"
    elif isinstance(s, Product):
        sides = (s.c, s.a, s.b)
        assert len({m.buffer.dtype for m in sides} | {s.alpha.dtype, s.beta.dtype}) == 1
        assert not s.c.transposed
        for m in sides:
            _placed(m.buffer, known)
    elif isinstance(s, Call):
        for b in (s.buffer, s.work, *(y.buffer for y in s.operands)):
            assert b.dtype == k.dtype, f"{s.routine} of {b.dtype} in a kernel of {k.dtype}"
            _placed(b, known)
    elif isinstance(s, Prefetch):
        _placed(s.buffer, known)
    elif isinstance(s, Distinct):
        _index(s.buffer, s.index, open_axes)
        for b in (s.buffer, *s.found.buffers):
            _placed(b, known)
            assert b.dtype == s.row.dtype == "int64", f"rows are integers, not {b.dtype}"
        size = s.found.table.shape[0]
        assert size > s.found.rows.shape[0] and size & (size - 1) == 0, f"a table of {size}"
    else:
        assert isinstance(s, Collect)


def _placed(buffer: Buffer, known: set[Buffer]) -> None:
    if buffer.is_local:
        known.add(buffer.home)
    assert buffer.home in known, f"{buffer.label} has no memory"


def _index(buffer: Buffer, index: tuple[Index, ...], open_axes: tuple) -> None:
    recorded = buffer.role == "output" and not buffer.shape
    sizes = (2**62, *buffer.shape) if buffer.role == "data" or recorded else buffer.shape
    assert len(index) == len(sizes), f"{buffer.label}: {len(index)} indices for {buffer.shape}"
    for i, size in zip(index, sizes, strict=True):
        for atom, _ in i.terms:
            assert not isinstance(atom, Axis) or atom in open_axes, "an index without its loop"
        if all(isinstance(a, Axis) for a, _ in i.terms):
            assert i.lower >= 0 and i.bound < max(size, 1), f"{buffer.label}: {i} beyond {size}"
