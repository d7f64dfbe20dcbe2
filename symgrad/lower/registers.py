"""A sum that stays in its place while a loop runs is kept in a local variable.

    y[i] = 0                          s = 0
    for j: y[i] += A[i, j] * x[j]     for j: s += A[i, j] * x[j]
                                      y[i] = s

LLVM does so too where it can prove that nothing else touches the place; here it is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symgrad.lower.expressions import accesses, walk
from symgrad.lower.kernel import (
    Axis,
    Buffer,
    Comment,
    Load,
    Loop,
    Number,
    Statement,
    Store,
    Update,
    Whole,
    targets,
)
from symgrad.lower.tasks import start_of

Axes = tuple[Axis, ...]


def in_registers(body: Iterable[Statement]) -> list[Statement]:
    """The statements with their sums in local variables, outside as many loops as possible."""
    out: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            out.extend(_around(s, out))
        else:
            out.append(s)
    return out


def _around(loop: Loop, before: list[Statement]) -> list[Statement]:
    """The loop and what follows it; what its sums start from goes to `before`."""
    local: dict[Statement, Buffer] = {}
    after: list[Statement] = []
    for u in _still(loop):
        variable = local[u] = Buffer("scratch", "", (), u.buffer.dtype)
        result = Load(variable, (), variable.dtype)
        if _take_start(before, u):
            after.append(Store(u.buffer, u.index, result))
        else:
            after.append(Update(u.buffer, u.index, u.combine, result))
        start = Number(start_of(u.combine, variable.dtype), variable.dtype)
        before.append(Store(variable, (), start))
    body = in_registers(_replaced(loop.body, local))
    return [loop.over(body), *after]


def _still(loop: Loop) -> list[Update]:
    """Updates of a place that does not move in the loop, and that nothing else in it touches."""
    touched: dict[Buffer, int] = {}
    updates: list[tuple[Update, Axes]] = []
    stack: list[tuple[Statement, Axes]] = [(loop, ())]
    while stack:
        s, axes = stack.pop()
        if isinstance(s, Loop):
            stack.extend((t, (*axes, s.axis)) for t in reversed(s.body))
        if isinstance(s, Comment):
            continue
        changed = () if isinstance(s, Loop) else targets(s)
        for buffer in (*(b for b, _ in accesses(s)), *changed):
            touched[buffer.home] = touched.get(buffer.home, 0) + 1
        if isinstance(s, Update) and not s.buffer.is_local:
            updates.append((s, axes))
    return [u for u, axes in updates if touched[u.buffer.home] == 1 and not _moves(u, axes)]


def _moves(u: Update, axes: Axes) -> bool:
    """Whether the place depends on the axes; an index that is read may, so it counts as moving."""
    inside = list(walk(u.index))
    indices = [*u.index, *(x.index for x in inside if isinstance(x, Whole))]
    return any(isinstance(x, Load) for x in inside) or any(
        atom in axes or not isinstance(atom, Axis) for i in indices for atom, _ in i.terms
    )


def _take_start(before: list[Statement], u: Update) -> bool:
    """Remove the statement that sets the place to where a sum starts; whether there was one."""
    for i in range(len(before) - 1, -1, -1):
        s = before[i]
        if not (isinstance(s, Store) and isinstance(s.value, Number)):
            return False
        if s.buffer is u.buffer and s.index == u.index:
            found = s.value.value == start_of(u.combine, u.buffer.dtype)
            if found:
                del before[i]
            return found
    return False


def _replaced(body: Iterable[Statement], local: Mapping[Statement, Buffer]) -> list[Statement]:
    return [
        s.over(_replaced(s.body, local))
        if isinstance(s, Loop)
        else Update(local[s], (), s.combine, s.value)  # type: ignore[union-attr]
        if s in local
        else s
        for s in body
    ]
