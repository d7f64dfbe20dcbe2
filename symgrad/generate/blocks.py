"""A large kernel: numba source for what drives it, LLVM assembly for its mathematics.

numba's front end takes milliseconds for each statement, LLVM microseconds.  So runs of statements
become functions in assembly, blocks, and with the matrix products between them stages, which the
driver loop calls; barriers, and whatever else is no loop, assignment or product, stay in numba
source.  A number that both know, or two of the functions, has a cell in memory: its own array where
it has one, else an element of a scratch array.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from symgrad.build.entry import leading, words_of
from symgrad.generate.ir_alike import texts
from symgrad.generate.ir_block import Block
from symgrad.generate.ir_locals import uses, walked
from symgrad.generate.ir_memory import ORDER
from symgrad.generate.ir_products import declaration
from symgrad.generate.ir_stage import Stage
from symgrad.generate.ir_writer import Table
from symgrad.generate.micro_machine import host
from symgrad.generate.products import Products, is_made
from symgrad.generate.size import size_of
from symgrad.generate.text import Names
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Alone,
    Barrier,
    Buffer,
    Collect,
    Comment,
    Kernel,
    Loop,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
    statements,
    targets,
)  # fmt: skip

ORDER_WORD = 0  # the place of the samples' order in the table: LEADING of build/entry.py
LARGEST = 500  # operations of a kernel that is numba source throughout
MOST_LOOPS = 16  # long ones of a block
LONG = 16  # turns of a loop beside which a call is nothing
PRODUCT = 30  # operations that take numba as long as a product
Run = tuple[bool, list[Statement]]  # whether it becomes assembly


def is_large(kernel: Kernel) -> bool:
    products = [s for body in kernel.sections for s in statements(body) if isinstance(s, Product)]
    return sum(map(size_of, kernel.sections)) + PRODUCT * len(products) > LARGEST


def runs(section: Sequence[Statement], kind: Callable[[Statement], bool]) -> Iterator[Run]:
    """The section in maximal runs of statements that are of a kind, and of others."""
    for found, run in itertools.groupby(section, kind):
        yield found, list(run)


def stages(section: Sequence[Statement]) -> Iterator[Run]:
    """The section in runs of what becomes assembly and what does not."""
    for assembled, run in runs(section, _is_assembled):
        yield assembled and not all(isinstance(s, Comment) for s in run), run


def parts(run: Sequence[Statement]) -> Iterator[Run]:
    """What becomes assembly in blocks, and statements between them.

    Of many long loops each has a block to itself: those of a deep network's layers are alike.
    """
    for plain, part in runs(run, _is_plain):
        if plain and sum(map(_is_long, part)) > MOST_LOOPS:
            yield from ((True, piece) for piece in _by_loops(part))
        else:
            yield plain, part


def _is_long(s: Statement) -> bool:
    return isinstance(s, Loop) and (s.axis.extent is None or s.axis.extent >= LONG)


def _by_loops(part: Sequence[Statement]) -> Iterator[list[Statement]]:
    piece: list[Statement] = []
    for s in part:
        piece.append(s)
        if _is_long(s):
            yield piece
            piece = []
    if piece:
        yield piece


def _all_runs(section: Sequence[Statement]) -> Iterator[Run]:
    """All runs of loops and assignments, and of what stands between them, as blocks see them.

    In runs that become assembly every other statement is by itself; it is seen into what stands
    under the condition of one thread, and into numba's loops that call blocks.
    """
    for assembled, run in stages(section):
        if not assembled:
            yield False, [_head(s) for s in run if not isinstance(s, Alone)]
            for s in run:
                if isinstance(s, Alone) or (isinstance(s, Loop) and is_driving(s)):
                    yield from _all_runs(s.body)
            continue
        for plain, part in parts(run):
            if plain:
                yield True, part
                continue
            for s in part:
                if isinstance(s, Alone):
                    yield from _all_runs(s.body)
                else:
                    yield True, [s]


def _head(s: Statement) -> Statement:
    """A loop that calls blocks, without what is in it."""
    return replace(s, body=()) if isinstance(s, Loop) and is_driving(s) else s


def is_driving(s: Loop) -> bool:
    """Whether a loop of numba source calls blocks for what is in it: calls cost something too."""
    return s.axis.step > 1 or size_of(s.body) > LARGEST // 2


def _is_assembled(s: Statement) -> bool:
    """What stages do: blocks, products, and both under the condition of one thread."""
    if isinstance(s, Alone):
        return all(map(_is_assembled, s.body))
    return _is_plain(s) or (isinstance(s, Product) and is_made(s))


def _is_plain(s: Statement) -> bool:
    """Loops, assignments and updates; loops over tiles of samples are left to numba."""
    return all(
        isinstance(t, Store | Update | Comment) or (isinstance(t, Loop) and t.axis.step == 1)
        for t in statements((s,))
    )


class Blocks:
    """The assembly of one kernel.

    kernel:   the kernel with the arrays of its cells
    cells:    how a number that has one reads in numba source
    in_table: the arrays that numba source is not given: each costs it a millisecond for each use
    factors:  of those, the ones that it multiplies, and their places in the table
    rows:     collected rows of data that numba source multiplies: it has to know where they are
    own:      the arrays of cells, where every one of several threads has its own
    called:   what numba source calls, and how many integers it is given
    """

    def __init__(self, kernel: Kernel, names: Names, products: Products) -> None:
        self.names, self.products = names, products
        everything = [run for section in kernel.sections for run in _all_runs(section)]
        shared = _shared([body for _, body in everything], set(kernel.buffers))
        arrays, places = _places(kernel, shared)
        self.kernel = replace(kernel, buffers=(*kernel.buffers, *arrays))
        before = leading(kernel.threads)
        kinds = (*before, *(b.dtype for b in self.kernel.buffers))
        words = dict(zip(self.kernel.buffers, words_of(kinds)[len(before) :], strict=False))
        machine = host()
        width = machine.lanes(ITEM_BYTES[kernel.dtype])
        self.table = Table(words, places, width, machine.registers, machine.estimates)
        self.made: list[Block] = []
        self.stages: list[Stage] = []
        self.called: dict[str, int] = {}
        driven = [body for plain, body in everything if not plain]
        used = self._arrays(_touched(driven), places)
        used |= {b for b in (kernel.fault, kernel.sync) if b}
        if any(isinstance(s, Prefetch) for s in statements(kernel.step)):  # it asks for their size
            used |= {b for b in kernel.buffers if b.role == "data"}
        self.own = frozenset(b for b, _ in places.values() if kernel.threads > 1)
        self.in_table = frozenset(b for b in self.kernel.buffers if b not in used)
        multiplied = [m for s in _products(driven) for m in (s.a, s.b, s.c)]
        self.rows = frozenset(m.buffer for m in multiplied if m.collected)
        factors = self._arrays({m.buffer.home for m in multiplied if not m.collected}, places)
        self.factors = {b: w for b, w in words.items() if b in factors and b in self.in_table}
        for b in self.kernel.buffers:
            names(b)
        self.cells = {home: self._read(home, *place) for home, place in places.items()}

    def _arrays(
        self, found: set[Buffer], places: Mapping[Buffer, tuple[Buffer, int]]
    ) -> set[Buffer]:
        """The arrays in which these buffers lie."""
        arrays = {places[b][0] if b in places else b for b in found}
        memory = self.kernel.memory
        return arrays | {memory[b] for b in found if b in memory}

    def _read(self, home: Buffer, array: Buffer, slot: int) -> str:
        text = f"{self.names(array)}[{slot}]"
        return f"({text} != 0)" if home.dtype == "bool" else text

    def call(self, body: Sequence[Statement]) -> str:
        """Write a run that becomes assembly; the line that has it done."""
        if len([*parts(body)]) == 1 and _is_plain(body[0]):
            name, integers = self._block(body)
        else:
            stage = Stage(f"stage_{len(self.stages)}", body, self.names, self.table, self.products,
                          parts, self._block)  # fmt: skip
            self.stages.append(stage)
            name, integers = stage.name, stage.integers
        self.called[name] = 1 + len(integers)
        return f"{name}({', '.join(['table', *integers])})"

    def _block(self, body: Sequence[Statement]) -> tuple[str, list[str]]:
        """Write a run of loops and assignments; its name and the integers that it is given."""
        block = Block(f"block_{len(self.made)}", body, self.names, self.table)
        self.made.append(block)
        return block.name, block.integers

    @property
    def assembly(self) -> str:
        totals = dict.fromkeys(total for block in self.made for total in block.totals)
        made = dict.fromkeys(name for stage in self.stages for name in stage.made)
        words = {f"%{self.names(b)}": w for b, w in self.table.words.items()} | {ORDER: ORDER_WORD}
        return "\n".join([
            *(declaration(name, self.kernel.dtype) for name in made),
            *(stage.text(words) for stage in self.stages),
            *texts(self.made, self.called, words), *(total.text for total in totals),
        ])  # fmt: skip


def _shared(bodies: Sequence[Sequence[Statement]], given: set[Buffer]) -> list[Buffer]:
    """Numbers of the run, and variables that a run of statements has from another."""
    found: dict[Buffer, list[bool]] = {}
    for body in bodies:
        for home, use in uses(body).items():
            found.setdefault(home, []).append(use.set_first)
    return [b for b, sets in found.items() if not all(sets) or b in given]


def _places(
    kernel: Kernel, shared: Sequence[Buffer]
) -> tuple[list[Buffer], dict[Buffer, tuple[Buffer, int]]]:
    """The arrays of the cells, and every number's array and slot."""
    given, slots = set(kernel.buffers), dict[str, list[Buffer]]()
    for b in shared:
        if b not in given:
            slots.setdefault("int8" if b.dtype == "bool" else b.dtype, []).append(b)
    arrays = {d: Buffer("scratch", "cells", (len(bs),), d) for d, bs in slots.items()}
    places = {b: (b, 0) for b in shared if b in given}
    for dtype, found in slots.items():
        places.update((b, (arrays[dtype], i)) for i, b in enumerate(found))
    return list(arrays.values()), places


def _touched(bodies: Sequence[Sequence[Statement]]) -> set[Buffer]:
    """The buffers that statements read or write, but for factors of products."""
    found: set[Buffer] = set()
    for body in bodies:
        for s, _ in walked(body):
            if isinstance(s, Comment | Barrier):
                continue
            if isinstance(s, Product):
                found.update(b.home for b, _ in accesses(s)[2:])  # but for the factors
                rows = [m for m in (s.a, s.b) if m.collected]
                found.update(b.home for m in rows for b in (m.buffer, m.collected) if b)
                continue
            found.update(b.home for b in (*(b for b, _ in accesses(s)), *targets(s)))
            if isinstance(s, Collect):
                found.add(s.data)
            if isinstance(s, Prefetch):
                found.add(s.buffer.home)
    return found


def _products(bodies: Sequence[Sequence[Statement]]) -> list[Product]:
    return [s for body in bodies for s, _ in walked(body) if isinstance(s, Product)]
