"""From a program to something that runs: the last stages, for each target."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sympy as sp

from symgrad.calculus.program import Program
from symgrad.language.garbage import imports, rare_collections
from symgrad.language.ragged import is_length
from symgrad.lower.layout import Layout
from symgrad.train.threads import get_threads

if TYPE_CHECKING:
    from symgrad.generate.source import Source

KEPT = 16  # executables of a model; the one unused for longest goes first


class Executable(Protocol):
    """A program specialised to a dtype and a batch size."""

    @property
    def source(self) -> str: ...

    def run(
        self, arrays: Mapping[sp.Symbol, np.ndarray], order: np.ndarray | None, first: int,
        last: int, every: int = 1, pending: int = 0,
        outputs: Mapping[str, np.ndarray] | None = None, epoch: int | None = None,
        made: list[int] | None = None,
    ) -> int: ...  # fmt: skip


Make = Callable[[Program, str, int, Layout, int], "Executable"]  # dtype, batch size, threads


def reference(
    program: Program, dtype: str, batch_size: int, layout: Layout, threads: int
) -> Executable:
    from symgrad.calculus.reference import Reference

    return Reference(program, dtype, batch_size)


def cpu(program: Program, dtype: str, batch_size: int, layout: Layout, threads: int) -> Executable:
    with imports():
        from symgrad.build import build

    return build(cpu_source(program, dtype, batch_size, layout, threads))


def cpu_source(
    program: Program, dtype: str, batch_size: int, layout: Layout, threads: int
) -> Source:
    """The code for the CPU, not compiled yet."""
    with imports():
        from symgrad.generate.cpu import generate
        from symgrad.generate.micro_machine import host
        from symgrad.lower.driver import lower
        from symgrad.lower.expressions import accesses
        from symgrad.lower.parallel import parallel
        from symgrad.lower.reuse import reused

    core = host().processor
    try:
        kernel = lower(program, dtype, batch_size, layout, core)
        return generate(reused(parallel(kernel, threads, core)))
    finally:
        accesses.cache_clear()  # it knows statements, and the model's symbols with them


TARGETS: dict[str, Make] = {
    "reference": reference,
    "cpu": cpu,
}


@dataclass
class Executables:
    """A model's executables, made when first needed, by program, batch size and threads."""

    make: Callable[[str], Program]
    target: str
    dtype: str
    made: OrderedDict[tuple[str, int, int], Executable] = field(default_factory=OrderedDict)
    known: dict[str, Program] = field(default_factory=dict)
    turned: frozenset[sp.Symbol] = frozenset()  # matrices that are held column by column
    longest: dict[sp.Symbol, int] = field(default_factory=dict)  # list that kernels have room for

    def admit(self, arrays: Mapping[sp.Symbol, np.ndarray]) -> None:
        """Take note of the longest lists in the data: kernels are made for them, rounded up."""
        for size in filter(is_length, arrays):
            most = int(np.diff(arrays[size]).max(initial=1))
            if most > self.longest.get(size, 0):
                self.longest[size] = 1 << (most - 1).bit_length()
                self.made.clear()

    def program(self, key: str) -> Program:
        """The program of that name, derived when first asked for."""
        if key not in self.known:
            with rare_collections():
                self.known[key] = self.make(key)
        return self.known[key]

    def exactly(self, key: str, size: int, threads: int | None = None) -> Executable:
        """The executable for mini-batches of this size, and that many threads or as `set_threads`
        says."""
        threads = threads or get_threads()
        at = (key, size, threads)
        found = self.made.get(at)
        if found is None:
            found = self.made[at] = self._specialised(*at)
            if len(self.made) > KEPT:
                self.made.popitem(last=False)
        else:
            self.made.move_to_end(at)
        return found

    @rare_collections()
    def _specialised(self, key: str, size: int, threads: int) -> Executable:
        program, layout = self.program(key), self.layout()
        try:
            return TARGETS[self.target](program, self.dtype, size, layout, threads)
        except MemoryError as error:
            raise MemoryError(self._too_large(key, size)) from error

    def _too_large(self, key: str, size: int) -> str:
        lists = shorter = ""
        if self.longest:
            lists = f" of up to {max(self.longest.values()):,} entries"
            shorter = ", and so do shorter lists: each sample has room for the longest"
        return (
            f"what is computed for {size:,} samples{lists} takes {self.scratch_bytes(key, size):,} "
            f"bytes, more than there are; smaller mini-batches take less{shorter}"
        )

    def layout(self) -> Layout:
        return Layout(dict(self.longest), self.turned)

    def scratch_bytes(self, key: str, size: int) -> int | None:
        """What `exactly(key, size)` holds beside the arrays that it is given, planned and not made;
        None where NumPy makes arrays as it goes."""
        if self.target == "reference":
            return None
        layout, threads = self.layout(), get_threads()
        return cpu_source(self.program(key), self.dtype, size, layout, threads).scratch_bytes

    def at_least(self, key: str, n: int) -> Executable:
        """An executable for one mini-batch of n samples.

        The first two sizes get kernels of their own, and serve what is up to four times smaller;
        beyond them sizes are rounded up, so that few kernels serve ever new numbers of samples.
        """
        threads = get_threads()
        if (key, n, threads) in self.made:
            return self.exactly(key, n)
        sizes = sorted(size for k, size, made_for in self.made if (k, made_for) == (key, threads))
        fitting = [size for size in sizes if n <= size <= 4 * n]
        if fitting:
            return self.exactly(key, fitting[0])
        return self.exactly(key, n if len(sizes) < 2 else 1 << (n - 1).bit_length())

    def latest(self, key: str) -> Executable | None:
        """The program's executable that was used last."""
        return next((e for (k, *_), e in reversed(self.made.items()) if k == key), None)


def check_target(target: Any) -> None:
    """Raise ValueError unless there is a target of that name."""
    if not isinstance(target, str) or target not in TARGETS:
        raise ValueError(f"target is {' or '.join(map(repr, TARGETS))}, not {target!r}")
