"""Tasks -> statements: dependences, an order, and loops merged where no iteration needs another's.

Two tasks share a loop when every element that one stores and the other reads (or stores) is met in
the same iteration: the loop's axis stands alone at one place of both indices.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from symgrad.lower import costs
from symgrad.lower import index as ix
from symgrad.lower.expressions import At, roots, walk
from symgrad.lower.kernel import (
    REMARK,
    Apply,
    Axis,
    Buffer,
    Call,
    Comment,
    Load,
    Loop,
    Product,
    Statement,
    Store,
    Update,
)  # fmt: skip
from symgrad.lower.sums import NotInPlace
from symgrad.lower.tasks import Task

MOST_ARRAYS = 16  # in one merged loop: more would not stay in registers and caches
COSTLY = 10  # additions: functions that are worth a loop of their own, which becomes vectors
VECTOR = 4  # turns of such a loop at least


def linked(tasks: list[Task]) -> None:
    """Give every task the tasks that come before it, with the accesses that say why."""
    readers: dict[Buffer, list[tuple[Task, At | None]]] = defaultdict(list)
    writers: dict[Buffer, list[tuple[Task, At | None]]] = defaultdict(list)
    for t in tasks:
        for buffer, index in t.reads:
            readers[buffer].append((t, index))
        for buffer, index in t.targets:
            writers[buffer].append((t, index))
    for buffer, stores in writers.items():
        _after(readers[buffer], stores)
        for i, (t, index) in enumerate(stores):
            _after([(t, index)], stores[:i])
        if buffer.storage:
            for t, index in stores:
                _after([(t, index)], readers[buffer.storage])
                _check_own_reads(t, index, buffer.storage)


def _after(later: list[tuple[Task, At | None]], earlier: list[tuple[Task, At | None]]) -> None:
    for t, index in later:
        for s, other in earlier:
            if s is not t and not _apart(other, index):
                t.before.setdefault(s, {})[other, index] = None


def _apart(a: At | None, b: At | None) -> bool:
    """Whether two accesses of one array are of different elements, whatever the axes' values."""
    return (
        a is not None
        and b is not None
        and len(a) == len(b)
        and any(not (i.terms or j.terms) and i != j for i, j in zip(a, b, strict=True))
    )


def _check_own_reads(t: Task, index: At | None, old: Buffer) -> None:
    for buffer, at in t.reads:
        if buffer is old and (at != index or index is None):
            raise NotInPlace(old)


def ordered(tasks: list[Task]) -> list[Task]:
    """An order in which every task follows those it needs, otherwise as they were made."""
    number = {t: i for i, t in enumerate(tasks)}
    waiting = {t: len(t.before) for t in tasks}
    after: dict[Task, list[Task]] = defaultdict(list)
    for t in tasks:
        for s in t.before:
            after[s].append(t)
    ready = [number[t] for t in tasks if not waiting[t]]
    result = []
    while ready:
        t = tasks[heapq.heappop(ready)]
        result.append(t)
        for s in after[t]:
            waiting[s] -= 1
            if not waiting[s]:
                heapq.heappush(ready, number[s])
    if len(result) < len(tasks):
        done = set(result)
        stuck = next(t.target[0] for t in tasks if t not in done and t.target[0].storage)
        raise NotInPlace(stuck.home)
    return result


class _Group:
    """Tasks under one loop, or a run of statements where the axis is None."""

    def __init__(self, axis: Axis | None) -> None:
        self.axis, self.tasks = axis, list[Task]()
        self.arrays: set[Buffer] = set()
        self.nested = self.costly = False  # loops inside; functions outside of them

    def welcomes(self, t: Task, arrays: set[Buffer], depth: int) -> bool:
        """Whether merging pays: statements, distinct rows and samples do, other loops that share
        data.

        Beside a loop, a function would be computed for one element, or sample, after the other.
        """
        if self.axis is None or isinstance(self.axis.stop, Load):
            return True
        nested, costly = _kind(t, depth)
        many = self.axis.extent is None or self.axis.extent >= VECTOR
        if many and ((self.nested and costly) or (self.costly and nested)):
            return False
        if self.axis.extent is None:
            return True
        shared = not self.arrays.isdisjoint(arrays)
        return shared and len(self.arrays | arrays) <= MOST_ARRAYS

    def add(self, t: Task, arrays: set[Buffer], depth: int) -> None:
        self.tasks.append(t)
        self.arrays |= arrays
        nested, costly = _kind(t, depth)
        self.nested, self.costly = self.nested or nested, self.costly or costly


def _kind(t: Task, depth: int) -> tuple[bool, bool]:
    """Whether a task has loops inside the one at this depth; if not, whether it calls functions, or
    looks for an extreme: a turn waits for the one before, unless they are vectors."""
    if len(t.axes) > depth + 1:
        return True, False
    if isinstance(t.statement, Update) and t.statement.combine in ("max", "min"):
        return False, True
    found = (x for x in walk(roots(t.statement)) if isinstance(x, Apply))
    return False, any(costs.COST.get(x.operation, 0) >= COSTLY for x in found)


def merged(tasks: list[Task], depth: int = 0) -> list[Statement]:
    """Loops for ordered tasks whose first `depth` axes are open already."""
    groups: list[_Group] = []
    where: dict[Task, int] = {}
    for t in tasks:
        axis = t.axes[depth] if depth < len(t.axes) else None
        first = 0
        for s, pairs in t.before.items():
            if s in where:
                group = groups[where[s]]
                together = group.axis is axis and _aligned(pairs, axis)
                first = max(first, where[s] + (not together))
        arrays = {b.home for b, _ in (*t.targets, *t.reads) if b.shape}
        at = next(
            (
                i
                for i in range(first, len(groups))
                if groups[i].axis is axis and groups[i].welcomes(t, arrays, depth)
            ),
            None,
        )
        if at is None:
            at = len(groups)
            groups.append(_Group(axis))
        groups[at].add(t, arrays, depth)
        where[t] = at
    return [s for g in groups for s in _statements(g, depth)]


def _aligned(pairs: Iterable[tuple[At | None, At | None]], axis: Axis | None) -> bool:
    if axis is None:
        return True
    here = ix.of(axis)
    return all(
        a is not None
        and b is not None
        and (
            any(i == here and j == here for i, j in zip(a, b, strict=True))
            or (_picks_a_row(a, axis) and _picks_a_row(b, axis))
        )
        for a, b in pairs
    )


def _picks_a_row(at: At, axis: Axis) -> bool:
    """Whether an index selects another row in every iteration: one of distinct rows, by one axis or
    split between two."""
    first: Any = at[0].terms[0][0] if at and at[0].terms else None
    row = first.index.terms[0][0] if isinstance(first, ix.Quotient) else first
    if not isinstance(row, Load) or not row.buffer.distinct or row.index != (ix.of(axis),):
        return False
    if first is row:
        return at[0] == ix.of(row)
    whole = ix.of(row)
    return at[:2] == (ix.of(ix.Quotient(whole, first.divisor)),
                      ix.of(ix.Remainder(whole, first.divisor)))  # fmt: skip


def _statements(group: _Group, depth: int) -> list[Statement]:
    if group.axis is None:
        return [s for t in group.tasks for s in _remarked(t)]
    result: list[Statement] = []
    for t in group.tasks:
        if t.summing == depth:
            result.extend(_start(t, depth))
    innermost = all(len(t.axes) == depth + 1 for t in group.tasks)
    body = merged(group.tasks, depth + 1)
    shown = _comment(group.tasks) if innermost else ""
    return [*result, Loop(group.axis, tuple(body), shown)]


def _comment(tasks: Iterable[Task]) -> str:
    """The mathematics of a loop, as far as it is shown."""
    shown: dict[str, None] = {}
    length = 0
    for t in tasks:
        if length > REMARK:
            break
        comment = t.comment
        if comment and comment not in shown:
            shown[comment] = None
            length += len(comment)
    return "; ".join(shown)


def _remarked(t: Task) -> list[Statement]:
    """A product or call with its mathematics; other statements are short enough to read."""
    if isinstance(t.statement, Product | Call) and t.comment:
        return [Comment(t.comment), t.statement]
    return [t.statement]


def _start(t: Task, depth: int) -> list[Statement]:
    """Set the memory of a sum before its first summing loop."""
    u: Update = t.statement
    assert t.start is not None
    body: Statement = Store(u.buffer, u.index, t.start)
    used = {atom for i in u.index for atom, _ in i.terms}
    for axis in reversed(t.axes[depth:]):
        if axis in used:
            body = Loop(axis, (body,))
    return [body]
