"""Epochs over what does not stand in memory: a thread reads blocks ahead of the kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from symgrad.train.blocks import Block, Cut, Cutter, rows_of_a_block
from symgrad.train.fit import Fit, Plan
from symgrad.train.history import History
from symgrad.train.hogwild import Hogwild
from symgrad.train.orders import Orders, orders_of_blocks
from symgrad.train.reader import Reader
from symgrad.train.rooms import ROOMS, Pool, Room
from symgrad.train.sources import Source
from symgrad.train.targets import Executable

if TYPE_CHECKING:
    from symgrad.train.model import Model


class Sum:
    """A sum that does not depend on how its terms came in pieces.

    Terms are added up when there are many: between two calls of a kernel every line of Python
    waits for memory, as the kernel has filled the caches with data.
    """

    TOGETHER = 4096  # terms
    MANY = 2**20  # terms

    def __init__(self) -> None:
        self.total, self.rest = 0.0, np.empty(0)
        self.waiting: list[tuple[np.ndarray, int, int]] = []
        self.count = 0  # of the terms that wait

    def add(self, terms: np.ndarray, weight: int = 1, last: int = 1) -> None:
        """last: the weight of the last term."""
        self.waiting.append((terms, weight, last))
        self.count += len(terms)
        if self.count >= self.MANY:
            self._settle()

    def _settle(self) -> None:
        for terms, weight, last in self.waiting:
            if weight != 1:
                terms = np.append(terms[:-1] * weight, terms[-1:] * last)
            first = min(-len(self.rest) % self.TOGETHER, len(terms))
            self._add(np.concatenate([self.rest, terms[:first]]))
            if first < len(terms):
                self._add(terms[first:])
        self.waiting, self.count = [], 0

    def _add(self, terms: np.ndarray) -> None:
        whole = len(terms) - len(terms) % self.TOGETHER
        for part in terms[:whole].reshape(-1, self.TOGETHER).sum(axis=1).tolist():
            self.total += part
        self.rest = terms[whole:].copy()

    @property
    def value(self) -> float:
        self._settle()
        return float(self.total + self.rest.sum())


class StreamedFit(Fit):
    """One run of `model.fit` over a source."""

    def __init__(self, model: Model, plan: Plan, source: Source) -> None:
        super().__init__(model, plan)
        self.source, self.plain = source, source.intake.plain
        large = plan.shuffle or source.lasts
        self.size = rows_of_a_block(source.intake.columns, plan.batch or 1, large)
        self.keeps = self.plain and not large  # little memory, which the next fit touches sooner
        self.rooms = (model.rooms if self.keeps else []) or [Room() for _ in range(ROOMS)]
        self.often = max((e.batches for e in plan.often), default=0)
        self.tail = np.empty(0)  # losses of the last mini-batches before this block
        self.longest: dict[Any, int] = {}  # lists that lock-free kernels have room for
        self.before = 0  # samples of this epoch before the position 0 of this block
        self.known = source.samples  # in an epoch; those of a stream are known after the first one
        self.orders: Orders[Any] = orders_of_blocks(model.seed)

    def run(self) -> History:
        if self.keeps:
            self.model.rooms = []
        history = super().run()
        if self.keeps and not history.interrupted:  # no reader is left behind who writes there
            self.model.rooms = self.rooms
        return history

    def _executable(self) -> Executable | None:
        """None yet: it is looked up for every block, whose lists may be longer than any before."""
        return None

    def _for_block(self, block: Block) -> Executable | None:
        executables, known = self.model.executables, self.executable
        if self.plain and known is not None and block.batch == self.batch:
            return known
        executables.admit(block.arrays)
        if not self.plan.lock_free:
            find = executables.exactly if self.plan.batch else executables.at_least
            return find(self.key, block.batch)
        if isinstance(known, Hogwild):
            if executables.longest == self.longest:
                return known
            known.close()
        self.longest = dict(executables.longest)
        return super()._executable()

    def _stretch_from(self, start: int) -> range:
        return range(start, start + 1)

    def _stretch(self, epochs: range, bar: Any) -> None:
        started, (epoch,), skip = time.perf_counter(), epochs, self._begin()
        begun, pool = self.done, Pool(self.rooms)
        self.pool = pool
        self.tail, self.before, self.sum, samples = np.empty(0), skip, Sum(), 0
        try:
            for block in self._reader(epoch, skip, pool).items(self.interruption.check):
                with pool.interpreter:
                    self._work(block, epoch, bar)
                if self.history.interrupted:
                    return
                samples += block.visited
                pool.give(block.room)
        finally:
            pool.close()
        self.model.epoch, self.model.position = epoch + 1, 0
        self.known = skip + samples
        mean = self.sum.value / samples if samples else np.nan
        loss = self.sum.value if self.model.reduction == "sum" else mean
        seconds = time.perf_counter() - started
        self._finish(epochs, np.array([loss]), self.done - begun, seconds, bar)

    def _reader(self, epoch: int, skip: int, pool: Pool) -> Reader[Block]:
        def order(number: int, samples: int) -> np.ndarray:
            found = self.orders.of((epoch, number, samples), pool.check)
            self._expect(epoch, number + 1)
            return found

        shuffle = order if self.plan.shuffle else None
        cut = Cut(self.plan.batch, self.size, shuffle, skip, self.source.lasts)
        cutter = Cutter(cut, pool, self.source.check)
        if shuffle:
            self._expect(epoch, cutter.number)

        def blocks() -> Iterator[Block]:
            with closing(self.source.pieces(epoch, self.size, cut.passed)) as pieces:
                yield from cutter.blocks(pieces)

        return Reader(blocks(), cutter.so_far)

    def _expect(self, epoch: int, number: int) -> None:
        """Draw the order of a block while it is read, where its size is known."""
        samples = min(self.known - number * self.size, self.size)
        if samples > 0:
            self.orders.begin((epoch, number, samples))

    def _work(self, block: Block, epoch: int, bar: Any) -> None:
        """Train on a block."""
        with self.model.turns.turn():
            self.executable = self._for_block(block)
        self.arrays = {**self.model.arrays, **block.arrays}
        self.batch, self.before = block.batch, self.before - block.first
        losses, begun = self.room.take(-(-block.visited // block.batch)), self.done
        self._through(block.order, losses, range(block.first, block.samples), epoch, bar)
        losses = losses[: self.done - begun]
        self.tail = self._recent(losses, self.often) if self.often else losses[:0]
        self.before += block.samples
        weight = self.batch if self.model.reduction == "mean" else 1
        self.sum.add(losses, weight, block.visited - self.batch * (len(losses) - 1))

    def _call(self, order: np.ndarray | None, losses: np.ndarray, first: int, last: int) -> None:
        self.pool.interpreter.release()
        try:
            super()._call(order, losses, first, last)
        finally:
            self.pool.interpreter.acquire()

    def _check_again(self, order: np.ndarray | None, first: int, last: int) -> None:
        """Other sources than a file are copied, and looked at after that."""
        if self.source.lasts:
            self.source.intake.check_again(self.arrays, order, first, last)

    def _reached(self, epoch: int, position: int) -> None:
        self.model.epoch, self.model.position = epoch, self.before + position

    def _recent(self, losses: np.ndarray, count: int) -> np.ndarray:
        missing = count - len(losses)
        return np.concatenate([self.tail[-missing:], losses]) if missing > 0 else losses[-count:]
