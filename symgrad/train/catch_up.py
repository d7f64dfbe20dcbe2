"""Rows of tables that were left behind (`lazy="catch_up"`), and when they are caught up.

Training itself catches up a row when it touches it.  Whoever else looks at a table, or changes the
rule's numbers, has every row caught up first, with the numbers that held while the rows slept.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

if TYPE_CHECKING:
    from symgrad.train.programs import Programs
    from symgrad.train.targets import Executables


class CatchUp:
    """Keeps a model's tables, and those of the models that share them, fit to be read.

    family: of the models that have arrays in common, those of which rows may be behind.  turn:
    entered to bring them up to date, so that no other kernel runs meanwhile
    """

    def __init__(
        self, programs: Programs, arrays: Mapping[sp.Symbol, np.ndarray], executables: Executables,
        turn: Callable[[], AbstractContextManager[None]], share: CatchUp | None = None,
    ) -> None:  # fmt: skip
        self._arrays, self._executables, self._turn = arrays, executables, turn
        self._needed = bool(programs.rule and programs.rule.sleepers)
        self.family: weakref.WeakSet[CatchUp] = share.family if share else weakref.WeakSet()
        if self._needed:
            self.family.add(self)
        self._behind = False  # some rows may be
        self._numbers: dict[sp.Symbol, np.ndarray] = {}  # while they fell behind

    def begin(self) -> None:
        """Before a run of training: its rows may be behind from now on."""
        if not self.family:
            return
        for other in self.family:
            if other is not self or self._has_new_numbers():
                other.settle_own()
        if self._needed and not self._behind:
            hypers = [s for s in self._arrays if getattr(s, "role", "") == "hyper"]
            self._numbers = {s: self._arrays[s].copy() for s in hypers}
            self._behind = True

    def _has_new_numbers(self) -> bool:
        return self._behind and any(
            not np.array_equal(a, self._arrays[s]) for s, a in self._numbers.items()
        )

    def settle(self) -> None:
        """Bring every row of every table up to the step."""
        if self.family:
            with self._turn():
                for one in self.family:
                    one.settle_own()

    def settle_own(self) -> None:
        """Bring this model's rows up to the step, by whoever has the turn."""
        if self._behind:
            self._behind = False
            program = self._executables.exactly("settle", 1)
            program.run({**self._arrays, **self._numbers}, None, 0, 1)
