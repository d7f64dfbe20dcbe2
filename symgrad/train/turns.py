"""Whose turn it is with a model's arrays, where several Python threads use one model.

Between two calls of compiled code a fit lets others have their turn: what they compute is of the
parameters after a whole step.  Two fits at a time would train with each other's mini-batches and
count each other's epochs: the second one is refused.  Single steps wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, get_ident

from symgrad.language.forks import forks

BUSY = (
    "another thread is fitting this model (or one that shares its parameters): two at a time would "
    "each train on what the other is changing. Wait for it, or compile a model for each thread; "
    "`loss`, `predict` and `gradients` may be called meanwhile, and parallel='hogwild' trains one "
    "model in several threads"
)


class Turns:
    """Those of a model, and of the models that share its arrays.

    A thread that has its turn may take another one inside.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = forks.number
        self._fitting: int | None = None  # the thread that fits
        self._door = RLock()  # who waits for the arrays waits behind it, so that fits let others in
        self._arrays = RLock()

    def _still_here(self) -> None:
        """A process that is forked off has none of the threads that may hold the locks."""
        if self._process != forks.number:
            self._begin()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else uses the arrays meanwhile."""
        self._still_here()
        with self._door, self._arrays:
            yield

    @contextmanager
    def call(self) -> Iterator[None]:
        """One of a fit's turns: those who wait have theirs before."""
        self._still_here()
        with self._door:
            pass
        with self._arrays:
            yield

    @contextmanager
    def step(self) -> Iterator[None]:
        """A few updates, after those of other threads; RuntimeError where one fits."""
        self._still_here()
        with self._door, self._arrays:
            self._check()
            yield

    @contextmanager
    def fit(self) -> Iterator[None]:
        """No other thread trains meanwhile; RuntimeError where one fits."""
        self._still_here()
        me, inside = get_ident(), self._fitting == get_ident()
        try:
            with self._door:  # steps are waited for
                self._check()
                self._fitting = me
            yield
        finally:
            if self._fitting == me and not inside:
                self._fitting = None

    def _check(self) -> None:
        if self._fitting not in (None, get_ident()):
            raise RuntimeError(BUSY)
