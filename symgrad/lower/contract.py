"""Memory that lives within one iteration loses the loop's axis.

    for i: t[i] = x[i] * w          for i: t = x[i] * w
           y[i] = t[i] + t[i]**2           y[i] = t + t**2

Without axes it is a local variable.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from symgrad.lower import index as ix
from symgrad.lower.expressions import (
    At,
    Rewriting,
    accesses,
    content,
)
from symgrad.lower.kernel import (
    Buffer,
    Call,
    Collect,
    Comment,
    Distinct,
    Loop,
    Product,
    Statement,
    Store,
    Update,
)

Path = tuple[Loop, ...]


def contracted(sections: list[list[Statement]]) -> list[list[Statement]]:
    """The sections with scratch memory as small as its use allows."""
    found: dict[Buffer, list[tuple[Any, Path]]] = defaultdict(list)
    for section in sections:
        _collect(section, found)
    smaller: dict[Buffer, tuple[Buffer, set[int]]] = {}
    for buffer, uses in found.items():
        if buffer.role == "scratch" and buffer.shape:
            dropped = _dropped(buffer, uses)
            if dropped:
                shape = tuple(s for i, s in enumerate(buffer.shape) if i not in dropped)
                smaller[buffer] = (Buffer("scratch", buffer.label, shape, buffer.dtype), dropped)
    if not smaller:
        return sections

    def place(buffer: Buffer, index: At) -> tuple[Buffer, At]:
        new, dropped = smaller.get(buffer, (buffer, set()))
        return new, tuple(x for i, x in enumerate(index) if i not in dropped)

    equal: dict[Any, Any] = {}  # expressions that become equal become one object
    moved = Rewriting(place, made=lambda _, x: equal.setdefault(content(x), x))
    return [[moved.statement(s) for s in section] for section in sections]


def _collect(section: list[Statement], found: dict) -> None:
    stack: list[tuple[Statement, Path]] = [(s, ()) for s in section]
    while stack:
        s, path = stack.pop()
        if isinstance(s, Loop):
            stack.extend((t, (*path, s)) for t in s.body)
        if isinstance(s, Comment):
            continue
        for buffer, index in accesses(s):
            found[buffer].append((index, path))
        if isinstance(s, Store | Update):
            found[s.buffer].append((s.index, path))
        elif isinstance(s, Product):
            found[s.c.buffer].append((None, path))
        elif isinstance(s, Call | Collect):
            found[s.buffer].append((None, path))
        elif isinstance(s, Distinct):
            found[s.buffer].append((s.index, path))
            for buffer in s.found.buffers:
                found[buffer].append((None, path))


def _dropped(buffer: Buffer, uses: list[tuple[Any, Path]]) -> set[int]:
    """The axes of size 1, and those along which every use is in one iteration of one loop."""
    if any(index is None for index, _ in uses):
        return set()
    common = uses[0][1]
    for _, path in uses[1:]:
        same = 0
        while same < min(len(common), len(path)) and common[same] is path[same]:
            same += 1
        common = common[:same]
    axes = {ix.of(loop.axis) for loop in common}
    first = uses[0][0]
    return {
        i
        for i in range(len(buffer.shape))
        if buffer.shape[i] == 1
        or (first[i] in axes and all(index[i] == first[i] for index, _ in uses))
    }
