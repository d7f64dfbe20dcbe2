"""A model's programs over a user's data: checked, converted, and worked off in pieces.

A program over all samples is one mini-batch of them.  It runs in pieces of a few samples where the
result is the same (see `pieces`), and over slabs of a file that kernels cannot read as it stands
(see `slabs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.bounds import index_bounds
from symgrad.calculus.draws import is_random
from symgrad.calculus.ragged import by_entries
from symgrad.train.batches import Intake
from symgrad.train.evaluate import evaluate
from symgrad.train.indices import ComputedIndices
from symgrad.train.pieces import Pieces
from symgrad.train.programs import Programs
from symgrad.train.slabs import check, joined, slabs
from symgrad.train.targets import Executables

Between = Callable[[], None]  # called between pieces
Outputs = dict[str, np.ndarray]


def _nothing() -> None:
    """What is called between pieces that nobody waits for."""


class Evaluator:
    """Takes data for a model's programs, and computes their outputs.

    data: the model's data symbols.  settle: called before arrays are read
    turn: entered while they are
    """

    def __init__(
        self, programs: Programs, arrays: Mapping[sp.Symbol, np.ndarray], executables: Executables,
        data: tuple[sp.Symbol, ...], dtype: np.dtype, settle: Callable[[], None],
        turn: Callable[[], AbstractContextManager[None]],
    ) -> None:  # fmt: skip
        self.programs, self.arrays, self.executables = programs, arrays, executables
        self.data, self.dtype, self.settle, self.turn = data, dtype, settle, turn
        self._intakes: dict[str, Intake] = {}
        self._pieces: dict[str, Pieces] = {}

    def intake(self, key: str) -> Intake:
        """What checks the data for a program."""
        if key not in self._intakes:
            predicted = self.programs.predicted.get(key.removeprefix("predict "))
            block = predicted if key.startswith("predict ") else self.programs.captured
            assert block is not None
            reads = [s for s in block.inputs if s in self.data]
            computed = ComputedIndices(by_entries(block), self.dtype)
            draws = any(map(is_random, block.inputs))
            self._intakes[key] = Intake(
                reads, self.data, self.dtype, index_bounds(block), computed, draws
            )
        return self._intakes[key]

    def accepted(self, key: str, data: Any) -> tuple[dict[sp.Symbol, np.ndarray], int]:
        """A user's data for a program, by symbol, and the number of samples."""
        arrays, n = self.intake(key)(data)
        self.executables.admit(arrays)
        return arrays, n

    def outputs(self, key: str, data: Any) -> tuple[Outputs, int]:
        """A program's outputs for a user's data, and how many samples those are."""
        found, n = self.prepared(key, data)
        return found(_nothing), n

    def prepared(
        self, key: str, data: Any, checked: bool = False
    ) -> tuple[Callable[[Between], Outputs], int]:
        """A function that computes a program's outputs for a user's data, and their samples.

        It is called with what is to be called in between.  checked: now, all data; those that are
        no larger than a slab are in any case, and are converted once
        """
        intake = self.intake(_reads(key))
        data = intake.named(data)
        parts = slabs(data, intake)
        if len(parts) > 1 and self._pieces_of(key).apart:
            if checked:
                check(data, parts, lambda part: self.accepted(_reads(key), part))
            return partial(self._joined, key, data, parts), parts[-1].stop
        arrays, n = self.accepted(_reads(key), data)
        if checked:
            return partial(self._again, key, intake.kept(arrays), n), n
        return partial(self._evaluated, key, arrays, n), n

    def _again(self, key: str, arrays: dict, n: int, between: Between) -> Outputs:
        """Callbacks may have written to data that were right before."""
        self.intake(_reads(key)).check_again(arrays, None, 0, n)
        return self._evaluated(key, arrays, n, between)

    def _joined(self, key: str, data: Any, parts: list[slice], between: Between) -> Outputs:
        def evaluated(part: dict[str, Any]) -> Outputs:
            return self._evaluated(key, *self.accepted(_reads(key), part), between)

        return joined(data, parts, self.executables.program(key).step.outputs, evaluated)

    def _evaluated(self, key: str, arrays: dict, n: int, between: Between) -> Outputs:
        with self.turn():
            self.settle()
            outputs, size = self.executables.program(key).step.outputs, self._pieces_of(key).size(n)
            find = self.executables.at_least if size == n else self.executables.exactly
            return evaluate(
                find(key, size), {**self.arrays, **arrays}, n, size, outputs, self.dtype, between
            )

    def _pieces_of(self, key: str) -> Pieces:
        if key not in self._pieces:
            self._pieces[key] = Pieces(self.executables.program(key).step)
        return self._pieces[key]


def _reads(key: str) -> str:
    """The program whose data a program reads."""
    return "loss" if key == "gradients" else key
