"""A compiled kernel as the training loop sees it: arrays by symbol in, one call, errors out."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from operator import is_
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from symgrad.build.arrays import FOR_EVER, Given, Order, Recorded
from symgrad.build.blas_threads import one_blas_thread
from symgrad.build.cache import object_code, text_path
from symgrad.build.entry import NUMBERS, leading, words_of
from symgrad.build.key import kernel_key
from symgrad.build.linker import Loaded
from symgrad.build.threads import together
from symgrad.language.aligned import aligned_zeros
from symgrad.language.epochs import mini_batches
from symgrad.language.forks import forks
from symgrad.language.free_memory import check_free
from symgrad.language.garbage import imports, rare_collections

if TYPE_CHECKING:
    from symgrad.generate.source import Source

COMPUTED_INDEX = (
    "an index that the model computes is outside the axis that it selects from; the element at the "
    "nearest end was taken in its place, and the updates of this call were made with it"
)


def build(source: Source) -> Compiled:
    """Compile generated code, or find it in the cache, and load it."""
    kinds = (*leading(source.threads), *source.kinds)
    return Compiled(source, loaded(source.text, source.entry, kinds, source.modules))


def loaded(text: str, entry: str, kinds: Sequence[str], modules: Sequence[str]) -> Loaded:
    """The function `entry` of a module of this text, compiled or from the cache.

    kinds: of its arguments, see `entry`; modules: what the text takes in of others
    """
    key = kernel_key(text, (entry, *kinds), modules)
    name = f"symgrad_{key}"

    @rare_collections()
    def compile() -> bytes:
        from symgrad.train.interruption import Interruption

        # numba cannot be imported again in a process where Ctrl-C left it imported by half.
        with Interruption() as interruption, imports():
            from symgrad.build.compiler import compile_kernel
            from symgrad.build.target import load_numba

            load_numba(modules)
        interruption.check()
        return compile_kernel(text, text_path(key), entry, name, kinds)

    return Loaded(object_code(key, text, compile), name)


class Compiled:
    """A program on the CPU, specialised to a dtype and a batch size; see `Executable` in train.

    Calls from several threads are made one after the other; other Python code runs meanwhile.
    """

    def __init__(self, source: Source, loaded: Loaded) -> None:
        self._source, self._loaded = source, loaded
        check_free(source.scratch_bytes, "what is computed in between")
        first = leading(source.threads)
        *places, length = words_of((*first, *(b.dtype for b in source.buffers)))
        # a table for each thread; they differ in the thread's number
        self._tables = [(ctypes.c_int64 * length)() for _ in range(source.threads)]
        self._addresses = [ctypes.addressof(table) for table in self._tables]
        self._words: Any = self._tables[0]
        self._numbers = places[1]
        self._order = Order(self._words, places[0])
        self._inputs: list[Given] = []
        # the symbols of the last call's arrays, in their order, and which of these an input reads
        self._symbols: tuple[Any, ...] | None = None
        self._places: list[tuple[Given, int]] = []
        self._outputs: list[Recorded] = []
        self.totals: dict[str, np.ndarray] = {}  # of outputs' numbers, added to by every run
        self._scratch: list[np.ndarray] = []
        self._own: list[tuple[int, list[np.ndarray]]] = []  # place, the other threads' arrays
        self._others: list[Compiled] = []
        for buffer, place in zip(source.buffers, places[len(first) :], strict=True):
            self._add(buffer, place)
        self._sampled = [given for given in self._inputs if given.per_sample]
        self._begin()

    def _begin(self) -> None:
        """Forget a call that was under way in another thread when this process was forked off."""
        self._process, self._lock, self._working = forks.number, RLock(), False
        for array in self._scratch:
            array.fill(0)

    def side_by_side(self, count: int) -> list[Compiled]:
        """So many of the same code, each with a scratch memory of its own, so that all can run at a
        time: this one and others, the same ones every time."""
        while len(self._others) < count - 1:
            self._others.append(Compiled(self._source, self._loaded))
        return [self, *self._others[: count - 1]]

    def _add(self, buffer: Any, place: int) -> None:
        if buffer in self._source.own:
            others = range(self._source.threads - 1)
            copies = [aligned_zeros(buffer.shape, buffer.dtype) for _ in others]
            self._own.append((place, copies))
        if buffer.role in ("scratch", "total"):
            array = aligned_zeros(buffer.shape, buffer.dtype)
            self._words[place : place + 2] = [array.ctypes.data, array.size]
            if buffer.role == "total":
                self.totals[buffer.label] = array
            else:
                self._scratch.append(array)
        elif buffer.role == "output":
            self._outputs.append(Recorded(buffer, self._words, place))
        else:
            self._inputs.append(Given(buffer, self._words, place))

    @property
    def source(self) -> str:
        """The generated code."""
        return self._source.text

    @property
    def repeats(self) -> bool:
        """Whether a run may go through the samples several times without an order."""
        return self._source.batch_size > 1

    def run(
        self,
        arrays: Mapping[Any, np.ndarray],
        order: np.ndarray | None,
        first: int,
        last: int,
        every: int = 1,
        pending: int = 0,
        outputs: Mapping[str, np.ndarray] | None = None,
        epoch: int | None = None,
        made: list[int] | None = None,
    ) -> int:
        """Work through positions [first, last) in mini-batches, in one call.

        arrays:  what each symbol holds, C-contiguous; parameters and states are written in place
        order:   int64, which sample stands at which position; None for 0, 1, 2, ..., and from 0
                 again after the last sample where mini-batches have more than one
        every:   mini-batches per update; pending: how many have been accumulated since the last
        outputs: arrays to fill by label: a number is recorded for each mini-batch (float64), a
                 value per sample by position from `first`, other values for the last mini-batch
        epoch:   positions of an order after which a mini-batch ends, full or not; without an order
                 these are the samples
        made:    ends with the new pending as soon as the work is done: a signal's handler may raise
                 before it is returned

        Returns the new pending.  Raises IndexError where a computed index was out of range.
        """
        if not 0 <= first <= last or every < 1 or (epoch is not None and epoch < 1):
            raise ValueError(f"positions {first} to {last}, {every} mini-batches per update")
        if self._process != forks.number:
            self._begin()
        with self._lock:
            if self._working:  # the caller is a signal's handler, within a call
                inside = self.side_by_side(2)[1]
                return inside.run(arrays, order, first, last, every, pending, outputs, epoch, made)
            try:
                self._working = True
                ordered, samples = self._place(arrays, order, last)
                epoch = (epoch if ordered else samples) or FOR_EVER
                batches = mini_batches(first, last, self._source.batch_size, epoch)
                for recorded in self._outputs:
                    recorded.place(outputs, last - first, batches)
                numbers = [ordered, bool(outputs), first, last, epoch, every, pending]
                self._words[self._numbers : self._numbers + len(NUMBERS)] = numbers
                with one_blas_thread if self._loaded.calls_blas else nullcontext():
                    result = self._call([] if made is None else made)
            finally:
                self._working = False
        if result < 0:
            raise IndexError(COMPUTED_INDEX)
        return result

    def _call(self, results: list[int]) -> int:
        """Run the kernel, in as many threads as it is made for; the result ends `results`, too."""
        if len(self._tables) == 1:
            results.extend(map(self._loaded.call, self._addresses))  # see `together`
            return results[-1]
        for k, table in enumerate(self._tables[1:], start=1):
            table[:] = self._words
            table[self._numbers + len(NUMBERS)] = k
            for place, copies in self._own:
                copy = copies[k - 1]
                ctypes.memmove(copy.ctypes.data, self._words[place], copy.nbytes)
                table[place] = copy.ctypes.data
        return together(self._loaded.call, self._addresses, self, results)

    def _place(
        self, arrays: Mapping[Any, np.ndarray], order: np.ndarray | None, last: int
    ) -> tuple[bool, int | None]:
        """Put every given array in the table; whether there is an order to follow, and how many
        samples there are, None where nothing is per sample."""
        known = self._symbols
        if known is not None and len(arrays) == len(known) and all(map(is_, arrays, known)):
            # To look arrays up by their symbols takes longest: only new ones are.
            values = list(arrays.values())
            for given, at in self._places:
                if given.held() is not values[at] or values[at] is None:
                    given.place(arrays)
        else:
            self._find(arrays)
        samples = min((given.samples for given in self._sampled), default=None)
        return self._order.place(order, last, samples, self._source.batch_size), samples

    def _find(self, arrays: Mapping[Any, np.ndarray]) -> None:
        """Place the arrays of other symbols than in the last call."""
        self._symbols = None
        for given in self._inputs:
            given.place(arrays)
        self._symbols = tuple(arrays)
        places = {symbol: at for at, symbol in enumerate(arrays)}
        self._places = [(g, places[g.symbol]) for g in self._inputs if g.symbol in places]
