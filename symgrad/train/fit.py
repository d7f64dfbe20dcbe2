"""Epochs: the order of the samples, pacing, progress, callbacks and interruption.

The kernel works through positions of an order, many mini-batches in one call.  The driver makes the
calls as long as Ctrl-C can wait, and ends one wherever somebody wants to be called.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from symgrad.train.callbacks import Callback, Every, Moment
from symgrad.train.history import Epoch, History
from symgrad.train.hogwild import Hogwild, hogwild
from symgrad.train.interruption import Interruption
from symgrad.train.orders import Orders
from symgrad.train.targets import Executable

if TYPE_CHECKING:
    from symgrad.train.model import Model

CALL = 0.02  # seconds in compiled code before Python is asked again
TOGETHER = 2**16  # positions of small epochs that are worked off in one call
EPOCHS = 2**10  # of them at most: to draw an order takes 20 microseconds, however short it is


@dataclass
class Plan:
    """What a fit was asked to do, checked."""

    arrays: dict[Any, np.ndarray]
    samples: int
    epochs: int
    batch: int  # samples in a mini-batch, at most all of them
    every: int  # mini-batches for each update
    shuffle: bool
    validate: Callable[[Callable[[], None]], float] | None = None  # (called between pieces)
    often: list[Every] = field(default_factory=list)
    each_epoch: list[Callback] = field(default_factory=list)
    progress: bool = True
    lock_free: bool = False

    @property
    def per_epoch(self) -> int:
        """Mini-batches of an epoch; the last may be smaller."""
        return -(-self.samples // self.batch)

    @property
    def together(self) -> int:
        """Epochs that can be one call: nobody looks between them and no mini-batch is smaller."""
        watched = self.validate or self.often or self.each_epoch or self.samples % self.batch
        return 1 if watched else max(1, min(TOGETHER // self.samples, EPOCHS))


class Fit:
    """One run of `model.fit`."""

    def __init__(self, model: Model, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.arrays = {**model.arrays, **plan.arrays}
        self.history = History()
        self.interruption = Interruption()
        self.orders = Orders(model.seed, plan.samples)
        self.end = model.epoch + plan.epochs
        self.executable: Executable | None = None
        self.chunk, self.each = 1, 0.0  # mini-batches of the next call, seconds of one

    def run(self) -> History:
        """Train, and give the history; Ctrl-C ends it after a whole step."""
        bar = _bar(self.plan)
        try:
            self.executable = self._executable()
            with self.interruption:
                for epochs in self._stretches():
                    self._stretch(epochs, bar)
                    if self.history.interrupted:
                        break
        except KeyboardInterrupt:  # while compiling, from another's handler, or a second Ctrl-C
            self.history.interrupted = True
        finally:
            self.orders.close()
            if isinstance(self.executable, Hogwild):
                self.executable.close()
            if bar is not None:
                bar.close()
        return self.history

    def _executable(self) -> Executable:
        executables, plan = self.model.executables, self.plan
        if plan.lock_free:
            return hogwild(executables, plan.batch)
        return executables.exactly("step" if plan.every == 1 else "accumulate", plan.batch)

    def _stretches(self) -> Iterator[range]:
        """The numbers of the epochs (from 0) that are worked off as one order."""
        for start in range(self.model.epoch, self.end, self.plan.together):
            yield self._stretch_from(start)

    def _stretch_from(self, start: int) -> range:
        return range(start, min(start + self.plan.together, self.end))

    def _order(self, epochs: range) -> np.ndarray | None:
        """The samples in the order of these epochs; None is the order in which they are given."""
        if self.plan.shuffle and self.plan.batch < self.plan.samples:
            following = self._stretch_from(epochs.stop)
            return self.orders.of(epochs, following, self.interruption.check)
        if len(epochs) == 1 or not self.plan.arrays:
            return None
        return np.tile(np.arange(self.plan.samples), len(epochs))

    def _stretch(self, epochs: range, bar: Any) -> None:
        started = time.perf_counter()
        order, total = self._order(epochs), self.plan.per_epoch * len(epochs)
        losses, done = np.empty(total), 0
        try:
            while done < total and not self._ended():
                marks = [_next(done, e.batches) for e in self.plan.often]
                stop = min(done + self.chunk, total, *marks)
                self._call(order, losses, done, stop, self.plan.samples * len(epochs))
                if bar is not None:
                    bar.update(stop - done)
                done = stop
                self._tell(epochs[0] + 1, losses, done)
        finally:
            self.history.record(losses[:done])
        whole = done // self.plan.per_epoch
        if whole:
            seconds = time.perf_counter() - started
            self._finish(epochs[:whole], losses[: whole * self.plan.per_epoch], seconds, bar)

    def _call(
        self, order: np.ndarray | None, losses: np.ndarray, done: int, stop: int, end: int
    ) -> None:
        """Mini-batches done ... stop - 1 of a stretch that has `end` positions."""
        plan, began = self.plan, time.perf_counter()
        first, last = done * plan.batch, min(stop * plan.batch, end)
        assert self.executable is not None
        self.model.pending = self.executable.run(
            self.arrays, order, first, last, plan.every, self.model.pending,
            {"loss": losses[done:stop]},
        )  # fmt: skip
        # One slow call (another process, a page fault) is not forgotten at the next fast one.
        self.each = max((time.perf_counter() - began) / (stop - done), self.each / 2)
        self.chunk = int(min(max(CALL / max(self.each, 1e-9), 1), 4 * self.chunk))

    def _ended(self) -> bool:
        self.history.interrupted |= self.interruption.asked
        return self.history.interrupted

    def _tell(self, epoch: int, losses: np.ndarray, done: int) -> None:
        """Call those who want to know after so many mini-batches."""
        for callback in self.plan.often:
            if done % callback.batches == 0:
                loss = float(losses[done - callback.batches : done].mean())
                self._notify(callback.call, epoch, done, loss)

    def _notify(
        self, call: Callback, epoch: int, batch: int, loss: float, validation: float | None = None
    ) -> None:
        moment = Moment(
            self.model, self.history, epoch, batch, self.plan.per_epoch, loss, validation
        )
        call(moment)
        self.history.interrupted |= moment.stopped

    def _finish(self, epochs: range, losses: np.ndarray, seconds: float, bar: Any) -> None:
        """Record completed epochs, and tell those who want to know."""
        validation = self._validate()
        each, steps = seconds / len(epochs), self.plan.per_epoch
        means = self._epoch_losses(losses.reshape(len(epochs), -1))
        self.history.epochs += [
            Epoch(number + 1, loss, validation, each, steps)
            for number, loss in zip(epochs, means, strict=True)
        ]
        self.model.epoch = last = epochs[-1] + 1
        if bar is not None:
            bar.set_postfix(epoch=last, loss=f"{means[-1]:.5g}")
        for call in self.plan.each_epoch:
            self._notify(call, last, steps, means[-1], validation)

    def _validate(self) -> float | None:
        if self.plan.validate is None:
            return None
        try:
            return self.plan.validate(self.interruption.check)
        except KeyboardInterrupt:
            self.history.interrupted = True
            return None

    def _epoch_losses(self, losses: np.ndarray) -> list[float]:
        """The mean over each epoch's samples, or with reduction="sum" their sum.

        losses: (epochs, mini-batches).
        """
        plan = self.plan
        smaller = plan.samples - plan.batch * (plan.per_epoch - 1)
        with np.errstate(all="ignore"):
            if self.model.reduction == "sum":
                return losses.sum(axis=1).tolist()
            total = losses[:, :-1].sum(axis=1) * plan.batch + losses[:, -1] * smaller
            return (total / plan.samples).tolist()


def _next(done: int, every: int) -> int:
    return done - done % every + every


def _bar(plan: Plan) -> Any:
    """A progress bar where somebody sees it."""
    if not plan.progress or sys.stderr is None or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(total=plan.per_epoch * plan.epochs, unit=" batches", dynamic_ncols=True)
