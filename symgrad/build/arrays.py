"""The arrays of a call: checked when an object is new, their addresses kept in the kernel's table.

A kernel takes what it is given at its word, so every size is compared here.  An array that was
there in the previous call costs one comparison of identities; arrays of the caller are held weakly
(NumPy refuses to resize an array in place while it has a weak reference).
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symgrad.language.ragged import entries_of, is_length

WRITTEN = ("parameter", "state", "step")


class Slot:
    """An argument's two words in the table: the address of an array and its number of items."""

    def __init__(self, words: Any, place: int) -> None:
        self._words, self._place = words, place
        self.held: Callable[[], np.ndarray | None] = lambda: None

    def _put(self, array: np.ndarray) -> None:
        self._words[self._place] = array.ctypes.data
        self._words[self._place + 1] = array.size
        self.held = weakref.ref(array)


class Given(Slot):
    """Data, parameters, states, hyper-parameters, constants: an array by its symbol."""

    def __init__(self, buffer: Any, words: Any, place: int) -> None:
        super().__init__(words, place)
        self.symbol, self.shape, self.dtype = buffer.symbol, buffer.shape, np.dtype(buffer.dtype)
        self.written, self.turned = buffer.role in WRITTEN, buffer.turned
        self.counts = buffer.role == "data"  # the first axis counts something
        self.size = entries_of(self.symbol)  # entries of lists, which are not samples
        self.per_sample = self.counts and self.size is None
        self.samples = 0
        self._payload = _payload(buffer)

    def place(self, arrays: Mapping[Any, np.ndarray]) -> None:
        array = arrays.get(self.symbol, self._payload)
        if array is None:
            raise KeyError(f"no array is given for {self.symbol}")
        if self.held() is not array:
            self._check(array, arrays)
            self.samples = len(array) - is_length(self.symbol) if self.per_sample else 0
            self._put(array)

    def _check(self, array: np.ndarray, arrays: Mapping[Any, np.ndarray]) -> None:
        array = array.T if self.turned else array
        shape = array.shape[1:] if self.counts and array.ndim else array.shape
        if shape != self.shape or (self.counts and not array.ndim):
            expected = ("samples", *self.shape) if self.counts else self.shape
            raise ValueError(f"{self.symbol} has the shape {array.shape}, not {_text(expected)}")
        if self.size is not None and arrays[self.size][-1] > len(array):
            raise ValueError(f"{self.symbol} has {len(array)} entries, fewer than its offsets say")
        check_memory(self.symbol, array, self.dtype, self.written)


class Recorded(Slot):
    """An output: the caller's array, or one that nobody reads."""

    def __init__(self, buffer: Any, words: Any, place: int) -> None:
        super().__init__(words, place)
        self.label, self.dtype = buffer.label, np.dtype(buffer.dtype)
        self.per_sample, self.shape = buffer.per_sample, buffer.shape
        self.per_batch = not buffer.per_sample and buffer.shape == ()
        self._unread = np.zeros(buffer.shape, self.dtype)

    def place(self, outputs: Mapping[str, np.ndarray] | None, positions: int, batches: int) -> None:
        """Take the caller's array for this many positions and mini-batches, or memory of that
        size."""
        array = (outputs or {}).get(self.label)
        shape = self._shape(positions, batches) if outputs else self.shape
        if array is None:
            array = self._unread_memory(shape)
        elif array.shape != shape:
            raise ValueError(
                f"the array for the output {self.label!r} has the shape {array.shape}, not {shape}"
            )
        if array.dtype == bool:
            array = array.view(np.int8)  # as kernels write conditions
        if self.held() is not array:
            check_memory(f"the output {self.label!r}", array, self.dtype, written=True)
            self._put(array)

    def _shape(self, positions: int, batches: int) -> tuple[int, ...]:
        if self.per_sample:
            return (positions, *self.shape[1:])
        return (batches,) if self.per_batch else self.shape

    def _unread_memory(self, shape: tuple[int, ...]) -> np.ndarray:
        if self._unread.size < math.prod(shape):
            self._unread = np.zeros(shape, self.dtype)
        return self._unread


FOR_EVER = 2**62  # positions
LANES = 16  # of the widest vectors: what stands in place of an order has room for one


class Order(Slot):
    """Which sample stands at which position."""

    def __init__(self, words: Any, place: int) -> None:
        super().__init__(words, place)
        self._none = np.full(LANES, 0, np.int64)  # written, so that its page is there
        self._samples = -1

    def place(
        self, order: np.ndarray | None, last: int, samples: int | None, batch: int = 1
    ) -> bool:
        """Take the order of a run that ends before position `last`; whether there is one.

        samples: how many exist; None where nothing is per sample, and positions count steps.
        Without an order the first sample comes again after the last, but in mini-batches of one.
        """
        if samples is None:
            order = None
        available = samples if order is None else len(order)
        again = order is None and batch > 1 and samples
        if available is not None and last > available and not again:
            raise ValueError(f"position {last} is asked for, and there are {available} samples")
        array = self._none if order is None else order
        if self.held() is not array or self._samples != samples:
            check_memory("the order of the samples", array, np.dtype(np.int64), written=False)
            # as unsigned numbers negative ones are large: one pass over the order
            if order is not None and len(order) and order.view(np.uint64).max() >= samples:
                raise IndexError(f"the order names a sample beyond the {samples} that are given")
            self._put(array)
            self._samples = -1 if samples is None else samples
        return order is not None


def check_memory(what: object, array: np.ndarray, dtype: np.dtype, written: bool) -> None:
    """Raise unless the kernel can work in the array's own memory."""
    if array.dtype != dtype:
        raise TypeError(f"{what} is {array.dtype}, and the kernel expects {dtype}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise ValueError(f"{what} is not contiguous in memory (C order): pass a copy")
    if written and not array.flags.writeable:
        raise ValueError(f"{what} is read-only, and the kernel writes it")


def _payload(buffer: Any) -> np.ndarray | None:
    """What a constant holds, in the kernel's dtype."""
    if buffer.role != "constant":
        return None
    return np.ascontiguousarray(buffer.symbol.value, buffer.dtype).reshape(buffer.shape)


def _text(shape: tuple[Any, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
