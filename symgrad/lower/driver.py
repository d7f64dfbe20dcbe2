"""Program -> Kernel: the driver, one line a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.program import Program
from symgrad.calculus.simplify import renamed
from symgrad.language.garbage import rare_collections
from symgrad.language.ragged import entries_of, held_as
from symgrad.language.symbols import TensorSymbol
from symgrad.lower import index as ix
from symgrad.lower.contract import contracted
from symgrad.lower.elements import Elements
from symgrad.lower.expressions import accesses, roots, walk
from symgrad.lower.folding import folded
from symgrad.lower.index import Index
from symgrad.lower.kernel import (
    AT,
    PENDING,
    Apply,
    Buffer,
    Comment,
    Kernel,
    Statement,
    statements,
    targets,
)
from symgrad.lower.layout import Layout
from symgrad.lower.narrow_sums import narrowed
from symgrad.lower.nests import Nests
from symgrad.lower.next_tile import next_asked_for
from symgrad.lower.nodes import Node, node, ordered
from symgrad.lower.normalize import Normalizer
from symgrad.lower.orders import in_good_orders
from symgrad.lower.pairs import pairwise
from symgrad.lower.plan import Plan
from symgrad.lower.prefetch import ahead
from symgrad.lower.processor import Processor
from symgrad.lower.registers import in_registers
from symgrad.lower.row_groups import Held
from symgrad.lower.row_updates import row_updates
from symgrad.lower.schedule import linked, merged
from symgrad.lower.schedule import ordered as in_order
from symgrad.lower.share import shared
from symgrad.lower.sums import NotInPlace
from symgrad.lower.tasks import Axes, Task
from symgrad.lower.tiles import tiled
from symgrad.lower.waits import known_first

FLOAT64_ROLES = ("hyper",)
BASES: dict[str, Callable[[int], Index]] = {  # the position of a mini-batch's first sample
    "update": lambda batch: ix.ZERO,
    "group": lambda batch: ix.linear([(ix.of(PENDING), batch)]),
    "all": lambda batch: ix.of(AT),
}


@rare_collections()
def lower(
    program: Program, dtype: str, batch_size: int, layout: Layout | None = None,
    processor: Processor | None = None,
) -> Kernel:  # fmt: skip
    """The kernel of a program, for parameters in `dtype` and mini-batches of up to batch_size.

    layout, processor: what is known of the arrays, and of where it will run

    >>> import symgrad as sg
    >>> from symgrad.calculus.capture import capture
    >>> x, w = sg.data("x"), sg.parameter("w")
    >>> kernel = lower(Program(capture({"loss": (w * x)**2})), "float32", 1)
    """
    apart: set[sp.Symbol] = set()  # parameters whose new values cannot be made in place
    known = layout or Layout(), processor or Processor()
    while True:
        try:
            return _Lowering(program, dtype, batch_size, apart, *known).kernel.check()
        except NotInPlace as clash:
            assert clash.symbol not in apart
            apart.add(clash.symbol)


class _Lowering:
    """Everything that the blocks of one program share."""

    def __init__(
        self, program: Program, dtype: str, batch: int, apart: set[sp.Symbol],
        layout: Layout, processor: Processor,
    ) -> None:  # fmt: skip
        self.dtype, self.batch, self.apart, self.layout = dtype, batch, apart, layout
        self.written = {s for b in program.blocks for s in b.writes}
        self.inputs: dict[sp.Symbol, Buffer] = {}
        self.held, self.sums = Held(program.groups, self._state, batch), program.sums
        self.outputs: list[Buffer] = []
        self.axes = Axes(batch)
        self.base = BASES[program.counts](batch)
        once: list[Task] = []
        sections = []
        for block in program.blocks:
            tasks = self._tasks(block)
            linked(tasks)
            tasks = in_order(tasks)
            once.extend(t for t in tasks if t.constant)
            sections.append(merged([t for t in tasks if not t.constant]))
        in_tiles = tiled(sections[0], [merged(once), *sections[1:]], batch)
        sections[0] = narrowed(in_tiles, batch)
        nests = contracted([merged(once), *sections])
        for k, section in enumerate(nests):
            others = [other for other in nests if other is not section]
            nests[k] = folded(section, others, batch, processor)
        start, *repeated = [in_registers(section) for section in nests]
        if batch == 1:
            repeated = [known_first(section) for section in repeated]
        repeated[0] = [*ahead(repeated[0], batch), *next_asked_for(repeated[0])]
        self.kernel = self._kernel(*shared(start, repeated))

    def _tasks(self, block: Block) -> list[Task]:
        """The block's loop nests, outputs and writes, not yet merged."""
        normal = Normalizer(block, self.batch, self.written, self.layout)
        given, block = block, normal.block
        outputs = {label: normal.node_of(name) for label, name in block.outputs.items()}
        writes = {s: self._fresh(normal.new_value(s, name)) for s, name in block.writes.items()}
        for symbol in block.writes:
            normal.inputs.setdefault(symbol, normal.known[block.inputs[symbol]])
        for symbol, x in writes.items():
            x.label = x.label or f"new {symbol.name}"
        lists = {s: renamed(rows, normal.known) for s, rows in block.rows.items()}
        indices = [x for rows in lists.values() for i in rows for x in i if isinstance(x, Node)]
        sinks = [*outputs.values(), *writes.values(), *indices]
        nodes = in_good_orders(pairwise(ordered(sinks), self.batch), {*sinks}, self.batch)
        for x in (*outputs.values(), *writes.values(), *indices):
            x.uses += 1
        held = self.held.groups
        changed = {s: rows for s, rows in lists.items() if s not in held}
        rows = row_updates(changed, writes, normal.inputs, self.apart, self.layout.turned)
        groups: list[Any] = list(dict.fromkeys(rows.values()))
        if lists.keys() & held.keys():
            groups += self.held.sums(lists, writes)
        elif writes.keys() & held.keys():
            groups += self.held.updates(writes, normal.inputs, self.layout.turned)
        elements = Elements(self.dtype, self.batch, self._offsets, self.base)
        self.axes.length_of = elements.length
        for symbol, x in normal.inputs.items():
            if x.attributes["role"] != "position" and symbol not in self.sums:
                elements.memory[x] = self._input(symbol, x)
        whole = {s: x for s, x in writes.items() if s not in rows and s not in held}
        plan = Plan(nodes, self._in_place(whole, normal), set(whole.values()), groups)
        nests = Nests(elements, plan, self.axes)
        for label, name in given.outputs.items():
            output = nests.output(label, outputs[label], name.per_sample, name.kind)
            self.outputs.append(output)
        for symbol, x in whole.items():
            nests.write(elements.memory[normal.inputs[symbol]], x)
        return nests.tasks

    def _fresh(self, x: Node) -> Node:
        """A written value that is itself an input is copied first: all reads see old values."""
        if x.operation != "input":
            return x
        return node("broadcast_to", [x], x.extents, self.batch, kind=x.kind)

    def _in_place(self, writes: dict[sp.Symbol, Node], normal: Normalizer) -> dict[Node, Node]:
        """New value -> the input whose memory it may take over."""
        found: dict[Node, Node] = {}
        for symbol, x in writes.items():
            if symbol not in self.apart and x.extents and x.kind == "float":
                found.setdefault(x, normal.inputs[symbol])
        return found

    def _input(self, symbol: sp.Symbol, x: Node) -> Buffer:
        role = x.attributes["role"]
        if role == "length":
            return self._offsets(symbol)
        dtype = "int64" if x.kind == "int" else "float64" if role in FLOAT64_ROLES else self.dtype
        if symbol not in self.inputs:
            entries = int(entries_of(symbol) is not None)
            shape = x.shape[x.lead + entries :]
            turned = symbol in self.layout.turned
            self.inputs[symbol] = Buffer(
                role, symbol.name, shape, held_as(symbol) or dtype, symbol, turned=turned
            )
        return self.inputs[symbol]

    def _state(self, symbol: TensorSymbol, distinct: bool = False) -> Buffer:
        """A state as its array is, whatever the mathematics takes it for."""
        if symbol not in self.inputs:
            dtype = "int64" if symbol.dtype == "int" else self.dtype
            self.inputs[symbol] = Buffer(
                "state", symbol.name, symbol.shape, dtype, symbol, distinct=distinct
            )
        return self.inputs[symbol]

    def _offsets(self, size: sp.Symbol) -> Buffer:
        """Where the samples' entries begin along an axis of this size."""
        known = self.inputs.get(size)
        if known is None:
            known = self.inputs[size] = Buffer("data", f"start of {size.name}", (), "int64", size)
        return known

    def _kernel(self, once: list[Statement], repeated: list[list[Statement]]) -> Kernel:
        sections = [tuple(once), *map(tuple, repeated)]
        scratch = [b for b in _used(sections) if b.role == "scratch" and b.shape]
        given = [b for b in self.inputs.values() if b.role != "batch_size"]
        update = sections[2] if len(sections) > 2 else None
        fault = Buffer("scratch", "", (1,), "int64") if _clamps(sections) else None
        buffers = (*given, *self.outputs, *scratch, *([fault] if fault else []))
        written = frozenset(b for b in given if b.symbol in self.written)
        start, step = sections[:2]
        return Kernel(self.dtype, self.batch, buffers, start, step, update, written, fault)


def _used(sections: list[tuple[Statement, ...]]) -> dict[Buffer, None]:
    """Every buffer that statements touch, in order."""
    found: dict[Buffer, None] = {}
    for section in sections:
        for s in statements(section):
            if isinstance(s, Comment):
                continue
            found.update((b.home, None) for b, _ in accesses(s))
            found.update((b.home, None) for b in targets(s))
    return found


def _clamps(sections: list[tuple[Statement, ...]]) -> bool:
    """Whether an index is computed, which may then be out of range."""
    found = [x for c in sections for s in statements(c) for x in roots(s)]
    return any(isinstance(x, Apply) and x.operation == "clamp" for x in walk(found))
