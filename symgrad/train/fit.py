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

from symgrad.language.epochs import mini_batches
from symgrad.train.callbacks import Callback, Every, Moment
from symgrad.train.history import History, Room, Stretch
from symgrad.train.hogwild import Hogwild, hogwild
from symgrad.train.interruption import Interruption
from symgrad.train.orders import Orders, orders_of_epochs
from symgrad.train.targets import Executable

if TYPE_CHECKING:
    from symgrad.train.model import Model

CALL = 0.02  # seconds in compiled code before Python is asked again
LOCK_FREE = 0.06  # the same of threads, of which one waits at the end of each call
FIRST = CALL / 32  # of the first call, if an earlier fit knew the pace: its data were others
GROWTH = 16  # calls get longer by this factor at most, until they are as long as they may be
TOGETHER = 2**16  # positions of small epochs that are worked off in one call
AGAIN = 64  # indices are looked at in as much time as one that stands elsewhere is fetched
EPOCHS = 2**10  # of them at most


@dataclass
class Plan:
    """What a fit was asked to do, checked."""

    arrays: dict[Any, np.ndarray]
    samples: int  # in an epoch, 0 where nobody knows
    epochs: int
    batch: (
        int  # samples in a mini-batch, at most all of them; 0 for batches of a stream as they come
    )
    every: int  # mini-batches for each update
    shuffle: bool
    validate: Callable[[Callable[[], None]], float] | None = None  # (called between pieces)
    often: list[Every] = field(default_factory=list)
    each_epoch: list[Callback] = field(default_factory=list)
    progress: bool = True
    lock_free: bool = False
    start: int = 0  # samples of the first epoch that an earlier fit has seen

    @property
    def per_epoch(self) -> int:
        """Mini-batches of an epoch; the last may be smaller."""
        return -(-self.samples // self.batch) if self.batch else 0

    def together(self, ordered: bool) -> int:
        """Epochs that can be one call: nobody looks between them, or cuts mini-batches out."""
        cut = self.lock_free and self.samples % self.batch
        if cut or self.validate or self.often or self.each_epoch:
            return 1
        return max(1, min(TOGETHER // self.samples, EPOCHS)) if ordered else EPOCHS


class Fit:
    """One run of `model.fit`."""

    def __init__(self, model: Model, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.arrays = {**model.arrays, **plan.arrays}
        self.history, self.room = History(), Room()
        self.interruption = Interruption()
        self.orders: Orders[Any] = orders_of_epochs(model.seed, plan.samples)
        self.end = model.epoch + plan.epochs
        self.executable: Executable | None = None
        self.each = model.paces.get(self._pace, FIRST)  # seconds of a mini-batch
        self.chunk, self.timed = _fitting(FIRST, self.each), 0  # mini-batches, next call and last
        self.batch = plan.batch
        self.done = 0  # mini-batches of this epoch
        self.start = plan.start
        self.total: np.ndarray | None = None  # (), of this order's losses, where the kernel adds
        self.called = False  # whether a callback was, which may have written to the data
        self.made: list[int] = []  # by the call under way: see `Compiled.run`

    def run(self) -> History:
        """Train, and give the history; Ctrl-C ends it after a whole step."""
        bar = _bar(self.plan)
        try:
            with self.model.turns.turn():
                self.executable = self._executable()
            with self.interruption:
                for epochs in self._stretches():
                    self._stretch(epochs, bar)
                    if self.history.interrupted:
                        break
        except KeyboardInterrupt:  # while compiling, from another's handler, or a second Ctrl-C
            self.history.interrupted = True
        finally:
            self.model.paces[self._pace] = self.each
            self.model.behind.settle()
            self.orders.close()
            if isinstance(self.executable, Hogwild):
                self.executable.close()
            if bar is not None:
                bar.close()
        return self.history

    def _executable(self) -> Executable | None:
        executables, plan = self.model.executables, self.plan
        if plan.lock_free:
            return hogwild(executables, plan.batch)
        return executables.exactly(self.key, plan.batch)

    @property
    def key(self) -> str:
        return "step" if self.plan.every == 1 else "accumulate"

    @property
    def _pace(self) -> tuple[str, int]:
        return self.key, self.plan.batch

    def _stretches(self) -> Iterator[range]:
        """The numbers of the epochs (from 0) that are worked off as one order."""
        epoch = self.model.epoch
        while epoch < self.end:
            epochs = self._stretch_from(epoch)
            yield epochs
            epoch = epochs.stop

    def _stretch_from(self, start: int) -> range:
        together = 1 if self.start else self.plan.together(self._needs_order)
        return range(start, min(start + together, self.end))

    @property
    def _needs_order(self) -> bool:
        """Whether several epochs in one call need an order: some kernels begin again by themselves.

        One that is shuffled and has no smaller mini-batches than the whole is not shuffled.
        """
        shuffled = self.plan.shuffle and self.plan.batch < self.plan.samples
        return shuffled or not getattr(self.executable, "repeats", False)

    def _order(self, epochs: range) -> np.ndarray | None:
        """The samples in the order of these epochs; None is the order in which they are given."""
        if self.plan.shuffle and self.plan.batch < self.plan.samples:
            following = self._stretch_from(epochs.stop)
            order = self.orders.of(epochs, self.interruption.check)
            if following:
                self.orders.begin(following)
            return order
        if len(epochs) == 1 or not self.plan.arrays or not self._needs_order:
            return None
        return np.tile(np.arange(self.plan.samples), len(epochs))

    def _stretch(self, epochs: range, bar: Any) -> None:
        started, plan = time.perf_counter(), self.plan
        first, end = self._begin(), plan.samples * len(epochs)
        order = self._order(epochs)
        losses = self.room.take(mini_batches(first, end, plan.batch, plan.samples))
        self._through(order, losses, range(first, end), epochs[0], bar)
        whole = self.model.epoch - epochs[0]
        if whole:
            seconds, samples = time.perf_counter() - started, (end - first) // len(epochs)
            by_epoch = losses.reshape(len(epochs), -1)
            means = self._epoch_losses(by_epoch, samples)[:whole]
            self._finish(epochs[:whole], means, by_epoch.shape[1], seconds, bar)

    def _begin(self) -> int:
        """The position at which an epoch begins: 0, but where an earlier fit is continued."""
        first, self.start = self.start, 0
        self.done = first // self.batch if self.batch else 0
        return first

    def _through(
        self, order: np.ndarray | None, losses: np.ndarray, positions: range, epoch: int, bar: Any
    ) -> None:
        """Train on these positions of an order.

        losses: takes the mini-batches'; `done` counts those that are made.
        """
        begun, total = self.done, len(losses)
        self.total = np.zeros(())
        try:
            while self.done - begun < total and not self._ended():
                done = self.done - begun
                marks = [_next(self.done, e.batches) - begun for e in self.plan.often]
                stop = min(done + self.chunk, total, *marks)
                first, last = (self._position(k, positions) for k in (done, stop))
                self.made = []
                try:
                    self._call(order, losses[done:stop], first, last)
                finally:  # a signal's handler may have raised after it
                    if self.made and self.made[-1] >= 0:
                        self.model.pending, self.done = self.made[-1], begun + stop
                        self._reached(epoch, last)
                if bar is not None:
                    bar.update(stop - done)
                self._tell(epoch + 1, losses[:stop])
        finally:
            self.history.record(losses[: self.done - begun])

    def _position(self, k: int, positions: range) -> int:
        """Where the k-th mini-batch of these positions begins."""
        whole, rest = divmod(k, self.plan.per_epoch or k + 1)
        return min(positions.start + whole * self.plan.samples + rest * self.batch, positions.stop)

    def _reached(self, epoch: int, position: int) -> None:
        """Keep the place where the fit is, for one that goes on there."""
        whole, self.model.position = divmod(position, self.plan.samples)
        self.model.epoch = epoch + whole

    def _call(self, order: np.ndarray | None, losses: np.ndarray, first: int, last: int) -> None:
        """The mini-batches of positions first ... last - 1."""
        if self.called:
            self._check_again(order, first, last)
        with self.model.turns.call():
            began = time.perf_counter()
            self._run(order, losses, first, last)
            seconds = time.perf_counter() - began
        # One slow call (another process, a page fault) is not forgotten at the next fast one, but
        # one of few mini-batches tells little beside one of many.
        kept = self.each * self.timed / (self.timed + len(losses))
        self.each = max(seconds / len(losses), kept)
        self.timed = len(losses)
        longest = LOCK_FREE if self.plan.lock_free else CALL
        self.chunk = min(_fitting(longest, self.each), GROWTH * self.chunk)

    def _run(self, order: np.ndarray | None, losses: np.ndarray, first: int, last: int) -> None:
        self.model.behind.begin()
        assert self.executable is not None
        total = getattr(self.executable, "totals", {}).get("loss")
        if total is not None:  # a callback that makes steps of its own adds to it, too
            total[...] = self.total
        self.executable.run(
            self.arrays, order, first, last, self.plan.every, self.model.pending,
            {"loss": losses}, self.plan.samples or None, self.made,
        )  # fmt: skip
        self.total = None if total is None else total.copy()

    def _check_again(self, order: np.ndarray | None, first: int, last: int) -> None:
        """Look at all indices again where that takes less than the call, else at the call's."""
        whole = AGAIN * (last - first) >= self.plan.samples
        positions = (None, 0, self.plan.samples) if whole else (order, first, last)
        self.model.evaluator.intake("loss").check_again(self.arrays, *positions)
        self.called = not whole

    def _ended(self) -> bool:
        self.history.interrupted |= self.interruption.asked
        return self.history.interrupted

    def _tell(self, epoch: int, losses: np.ndarray) -> None:
        """Call those who want to know after so many mini-batches."""
        for callback in self.plan.often:
            if self.done % callback.batches == 0:
                loss = float(self._recent(losses, callback.batches).mean())
                self._notify(callback.call, epoch, self.done, loss)

    def _recent(self, losses: np.ndarray, count: int) -> np.ndarray:
        """The last losses of an epoch, `count` of them where so many are known."""
        return losses[-count:]

    def _notify(
        self, call: Callback, epoch: int, batch: int, loss: float, validation: float | None = None
    ) -> None:
        batches = self.plan.per_epoch if self.plan.samples else None
        moment = Moment(self.model, self.history, epoch, batch, batches, loss, validation)
        self.called = True
        call(moment)
        self.history.interrupted |= moment.stopped

    def _finish(
        self, epochs: range, means: np.ndarray, steps: int, seconds: float, bar: Any
    ) -> None:
        """Record completed epochs, and tell those who want to know.

        means: (epochs,), their losses.
        """
        validation, each = self._validate(), seconds / len(epochs)
        self.history.complete(Stretch(epochs[0] + 1, means, validation, each, steps))
        last, loss = epochs[-1] + 1, means[-1].item()
        if bar is not None:
            bar.set_postfix(epoch=last, loss=f"{loss:.5g}")
        for call in self.plan.each_epoch:
            self._notify(call, last, self.done, loss, validation)

    def _validate(self) -> float | None:
        if self.plan.validate is None:
            return None
        try:
            return self.plan.validate(self.interruption.check)
        except KeyboardInterrupt:
            self.history.interrupted = True
            return None

    def _epoch_losses(self, losses: np.ndarray, samples: int) -> np.ndarray:
        """(epochs,): the mean over each epoch's samples, or with reduction="sum" their sum.

        losses: (epochs, mini-batches).
        """
        if losses.shape[1] == 1:
            return losses[:, 0]
        smaller = samples - self.batch * (losses.shape[1] - 1)
        with np.errstate(all="ignore"):
            if self.total is not None:  # one after the other, for one epoch and for several
                totals = self.total[None] if len(losses) == 1 else losses.cumsum(axis=1)[:, -1]
                return totals / (1 if self.model.reduction == "sum" else samples)
            if self.model.reduction == "sum":
                return losses.sum(axis=1)
            total = losses[:, :-1].sum(axis=1) * self.batch + losses[:, -1] * smaller
            return total / samples


def _fitting(seconds: float, each: float) -> int:
    """How many mini-batches of `each` seconds fit, at least 1."""
    return max(int(seconds / max(each, 1e-9)), 1)


def _next(done: int, every: int) -> int:
    return done - done % every + every


def _bar(plan: Plan) -> Any:
    """A progress bar where somebody sees it."""
    if not plan.progress or sys.stderr is None or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(total=plan.per_epoch * plan.epochs or None, unit=" batches", dynamic_ncols=True)
