"""The loop nests of every root, write and output of one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symgrad.lower import calls
from symgrad.lower import index as ix
from symgrad.lower.element_rules import letters_at
from symgrad.lower.elements import Elements
from symgrad.lower.expressions import At, accesses, loads
from symgrad.lower.index import Index
from symgrad.lower.kernel import ROW, SLOT, Axis, Buffer, Collect, Expression, Load, Store, Update
from symgrad.lower.nodes import SAMPLE, Extent, Node, largest
from symgrad.lower.plan import Plan
from symgrad.lower.row_groups import GroupSums, GroupUpdates, SumLoops, UpdateLoops
from symgrad.lower.row_updates import RowUpdate
from symgrad.lower.rows import RowLoops
from symgrad.lower.scale import product_of
from symgrad.lower.sums import Sums
from symgrad.lower.tasks import Axes, Task, start_of

COMBINE = {"sum": "add", "total": "add", "einsum": "add", "prod": "mul", "amax": "max",
           "amin": "min"}  # fmt: skip
ROWS: dict[type, Callable[..., Any]] = {
    RowUpdate: RowLoops, GroupSums: SumLoops, GroupUpdates: UpdateLoops,
}  # fmt: skip
FAR_AWAY = 2**20  # how far an index moves that is read from memory
Value = Callable[[Mapping[str, Index]], Expression]  # letter -> index, to the element there


class Nests:
    """Makes the tasks of one block; inputs have their buffers in `elements.memory` already."""

    def __init__(self, elements: Elements, plan: Plan, axes: Axes) -> None:
        self.elements, self.plan, self.axes = elements, plan, axes
        self.tasks: list[Task] = []
        self.changing: set[Buffer] = set()  # sums of which a part may be constant, but not all
        self.rows: dict[Node, Buffer] = {}  # data -> its collected rows
        self.sums = Sums(self)
        for x in plan.collected:
            self._collect(x)
        for x in plan.roots:
            self._root(x)
        for group in plan.rows:
            ROWS[type(group)](self, group)

    def add(self, statement: Any, axes: Sequence[Axis] = (), x: Node | None = None,
            summing: int | None = None, start: Expression | None = None,
            comment: str = "") -> None:  # fmt: skip
        if any(a.extent == 0 for a in axes):
            return self._add_empty(statement, axes, x, start)
        at = len(axes) if summing is None else summing
        task = Task(statement, tuple(axes), at, start, node=x, remark=comment)
        bounds = [x for a in axes for x in (a.start, a.stop) if x is not None]
        task.reads = [*accesses(statement), *((v.buffer, v.index) for v in loads(*bounds))]
        target = task.target[0]
        task.constant = bool(
            x and x.constant and target not in self.changing and not target.storage
        )
        self.tasks.append(task)

    def _add_empty(self, s: Any, axes: Sequence[Axis], x: Node | None, start: Any) -> None:
        """Without elements nothing happens, but that a sum has its starting value."""
        kept = [a for a in axes if any(a is b for i in s.index for b, _ in i.terms)]
        if start is not None and all(a.extent != 0 for a in kept):
            self.add(Store(s.buffer, s.index, start), kept, x)

    def buffer(self, x: Node) -> Buffer:
        dtype = self.elements.dtype_of(x)
        return Buffer("scratch", x.label, x.shape, "int8" if dtype == "bool" else dtype)

    def _collect(self, x: Node) -> None:
        data = self.elements.memory[x]
        self.rows[x] = Buffer("scratch", x.label, x.shape, data.dtype)
        self.add(Collect(self.rows[x], data))

    def _root(self, x: Node) -> None:
        if x in self.plan.sums:
            self.sums.accumulate(x)
        elif x.operation == "concatenate":
            self._concatenate(x)
        elif calls.is_call(x):
            buffer = self.elements.memory[x] = self.buffer(x)
            self.add(calls.call(x, buffer, self.elements.memory), (), x)
        elif x.operation == "einsum" and set(x.attributes["letters"]) > set(x.attributes["out"]):
            self._contraction(x)
        elif x.operation in COMBINE and x.operation != "einsum":
            self._reduction(x)
        else:
            self._map(x)

    def _map(self, x: Node) -> None:
        axes, index = self.axes.loops(x.extents)
        value = self.elements.computed(x, index)
        buffer = self.elements.memory[x] = self.buffer(x)
        self.add(Store(buffer, index, self.elements.cast(value, buffer.dtype)), axes, x)

    def _concatenate(self, x: Node) -> None:
        buffer, shift = self.buffer(x), 0
        at = x.lead + x.attributes["axis"]
        for y in x.operands:
            axes, index = self.axes.loops(x.extents[: x.lead] + y.body)
            value = self.elements.element(y, index if y.lead else index[x.lead :])
            where = (*index[:at], ix.linear([(index[at], 1)], shift), *index[at + 1 :])
            self.add(Store(buffer, where, self.elements.cast(value, buffer.dtype)), axes, x)
            shift += y.body[x.attributes["axis"]] or self.elements.batch
        self.elements.memory[x] = buffer

    # ---- sums

    def _reduction(self, x: Node) -> None:
        (y,) = x.operands
        summed = {0} if x.operation == "total" else {a + x.lead for a in x.attributes["axes"]}
        letters = {str(i): e for i, e in enumerate(y.extents)}
        kept = [str(i) for i in range(len(y.extents)) if i not in summed]

        def value(where: Mapping[str, Index]) -> Expression:
            return self.elements.element(y, tuple(where[c] for c in letters))

        shown = [str(i) for i in range(len(y.extents))] if x.attributes.get("keepdims") else kept
        outer = ["0"] if y.lead else []
        self._sum(x, letters, kept, [c if c in kept else None for c in shown], outer, value)

    def _contraction(self, x: Node) -> None:
        letters = dict(x.attributes["letters"])

        def value(where: Mapping[str, Index]) -> Expression:
            parts = [
                self.elements.element(y, letters_at(term, y, where))
                for term, y in zip(x.attributes["terms"], x.operands, strict=True)
            ]
            dtype = self.elements.dtype_of(x)
            return product_of(self.elements, [self.elements.cast(p, dtype) for p in parts], dtype)

        out = list(x.attributes["out"])
        self._sum(x, letters, out, out, [SAMPLE] if SAMPLE in letters else [], value)

    def _sum(self, x: Node, letters: dict[str, Extent], kept: list[str], shown: Sequence,
             outer: list[str], value: Value) -> None:  # fmt: skip
        buffer = self.elements.memory[x] = self.buffer(x)
        order = self._order(letters, kept, shown, outer, buffer, value)
        axes, index = self.axes.loops([letters[c] for c in order])
        where = dict(zip(order, index, strict=True))
        target = tuple(where[c] if c else ix.ZERO for c in shown)
        combine = COMBINE[x.operation]
        start = start_of(combine, buffer.dtype)
        loops = [c for c in order if letters[c] != 1]
        summing = next((i for i, c in enumerate(loops) if c not in kept), len(loops))
        element = self.elements.cast(value(where), buffer.dtype)
        if summing == len(loops):  # nothing to sum but axes of size 1
            return self.add(Store(buffer, target, element), axes, x)
        self.add(Update(buffer, target, combine, element), axes, x, summing,
                 self.elements.number(start, buffer.dtype))  # fmt: skip

    def _order(self, letters: dict[str, Extent], kept: list[str], shown: Sequence,
               outer: list[str], buffer: Buffer, value: Value) -> list[str]:  # fmt: skip
        """Loops in an order whose innermost runs along memory; samples outermost."""
        summed = [c for c in letters if c not in kept]
        inner = [c for c in (*kept, *summed) if c not in outer]
        long = [c for c in inner if letters[c] != 1]
        if len(long) > 1:
            limits = {c: largest(letters[c], self.elements.batch) for c in letters}
            trial = {c: Axis(limits[c], limits[c], i) for i, c in enumerate(letters)}
            where = {c: ix.of(a) for c, a in trial.items()}
            target = tuple(where[c] if c else ix.ZERO for c in shown)
            found = [(v.buffer, v.index) for v in loads(value(where))]
            steps = [_steps(b, i) for b, i in [*found, (buffer, target)]]
            last = max(long, key=lambda c: _score(trial[c], limits[c], steps))
            inner.remove(last)
            inner.append(last)
        return outer + inner

    # ---- what leaves the block

    def write(self, old: Buffer, x: Node) -> None:
        """The assignment of a new value, unless it was made in place."""
        if self.elements.memory[x].home is old:
            return
        new = old.renewed
        axes, index = self.axes.loops(x.extents)
        value = self.elements.cast(self.elements.element(x, index), new.dtype)
        self.add(Store(new, index, value), axes)

    def output(self, label: str, x: Node, per_sample: bool, kind: str) -> Buffer:
        """Record a value for the caller; see Buffer for the layout.

        What is per sample, or a float, by its operation may have been found to be simpler.
        """
        sampled = per_sample and (x.lead or self.elements.batch > 1)
        extents: tuple[Extent, ...] = (None, *x.body) if sampled else x.extents
        axes, index = self.axes.loops(extents)
        value = self.elements.element(x, index[len(index) - len(x.extents) :])
        if per_sample:
            row = ix.linear([(ix.of(ROW), 1), *([(index[0], 1)] if sampled else [])])
            shape, index = (self.elements.batch, *x.shape[x.lead :]), (row, *index[sampled:])
        elif not x.extents:
            shape, index, value = (), (ix.of(SLOT),), self.elements.cast(value, "float64")
        else:
            shape = x.shape
        dtypes = {"int": "int64", "bool": "int8"}
        dtype = dtypes.get(kind, self.elements.dtype) if shape else "float64"
        buffer = Buffer("output", label, shape, dtype, per_sample=per_sample)
        self.add(Store(buffer, index, self.elements.cast(value, dtype)), axes)
        return buffer


def _steps(buffer: Buffer, index: At) -> dict[Any, int]:
    """How far an access moves in memory for each axis."""
    shape = (1, *buffer.shape) if buffer.role == "data" else buffer.shape
    steps: dict[Any, int] = dict(ix.flat(index, shape).terms)
    for x in loads(*(atom for i in index for atom, _ in i.terms if isinstance(atom, Load))):
        steps.update((a, FAR_AWAY) for i in x.index for a, _ in i.terms if isinstance(a, Axis))
    return steps


def _score(axis: Axis, limit: int, steps: list[dict[Any, int]]) -> int:
    """Accesses that run along memory, less twice those that jump, for a loop of this length."""
    found = [abs(s.get(axis, 0)) for s in steps]
    good, bad = sum(k == 1 for k in found), sum(k > 1 for k in found)
    return (good - 2 * bad) * min(limit, 16)
