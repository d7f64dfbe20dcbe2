"""Memory for blocks of a stream's samples, which is used again and again."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np

from symgrad.language.aligned import aligned_empty
from symgrad.language.ragged import entries_of, is_length

ROWS = 2**22  # samples in a block at most, but for larger mini-batches
ROOMS = 3  # blocks in memory: one is read, one is ready, one is trained on
COURTESY = 0.01  # seconds that a reader stands aside for a training at most
Arrays = dict[Any, np.ndarray]  # by symbol


class Closed(Exception):
    """Nobody wants further blocks."""


class Room:
    """Memory for a block."""

    def __init__(self) -> None:
        self.rows = 0  # samples that there is room for
        self.memory: dict[Any, np.ndarray] = {}
        self.plain = True  # whether each item is a sample's
        self.reserved = 0  # samples that the memory is large enough for, where it is

    def __reduce__(self) -> tuple[type[Room], tuple[()]]:
        """A copy of a model has no use for its memory."""
        return Room, ()

    def put(self, arrays: dict[Any, np.ndarray], first: int, stop: int, at: int) -> None:
        """Copy samples of a piece to the place `at`: a stream may use its memory again.

        Every piece holds the same symbols in the same order.
        """
        if not at:
            self.plain = not any(map(is_length, arrays))
            self.reserved = 0
        if self.plain:  # nothing else is done for each of many small pieces
            end, count = at + stop - first, stop - first
            if end > self.reserved:
                self._reserve(arrays, end, at)
            for memory, array in zip(self.memory.values(), arrays.values(), strict=True):
                memory[at:end] = array if len(array) == count else array[first:stop]
        else:
            self._put_entries(arrays, first, stop, at)

    def _reserve(self, arrays: dict[Any, np.ndarray], end: int, at: int) -> None:
        memories = [self._memory(s, a, self._needed(end), at) for s, a in arrays.items()]
        self.reserved = min(map(len, memories), default=end)

    def _needed(self, end: int) -> int:
        """Samples to have memory for: all that there is room for, unless a mini-batch is so large
        that a stream may end long before."""
        return self.rows if self.rows <= ROWS else end

    def _put_entries(self, arrays: dict[Any, np.ndarray], first: int, stop: int, at: int) -> None:
        count = stop - first
        for symbol, array in arrays.items():
            size = entries_of(symbol)
            if is_length(symbol):
                memory = self._memory(symbol, array, self._needed(at + count) + 1, at + 1)
                start = memory[at] if at else 0
                memory[at : at + count + 1] = array[first : stop + 1] - (array[first] - start)
            elif size is None:
                memory = self._memory(symbol, array, self._needed(at + count), at)
                memory[at : at + count] = array[first:stop]
            else:
                begin, end = arrays[size][first], arrays[size][stop]
                start = self.memory[size][at] if at else 0
                memory = self._memory(symbol, array, start + end - begin, start)
                memory[start : start + end - begin] = array[begin:end]

    def _memory(self, symbol: Any, like: np.ndarray, needed: int, kept: int) -> np.ndarray:
        """A symbol's memory, larger where it is too small; the first items are kept."""
        old = self.memory.get(symbol)
        if old is None or len(old) < needed:
            length = needed if old is None else max(needed, 2 * len(old))
            new = self.memory[symbol] = aligned_empty((length, *like.shape[1:]), like.dtype)
            if old is not None:
                new[:kept] = old[:kept]
        return self.memory[symbol]

    def between(self, first: int, stop: int) -> Arrays:
        """The arrays of these samples, where each item is a sample's."""
        return {s: memory[first:stop] for s, memory in self.memory.items()}

    def first(self, samples: int) -> Arrays:
        """The arrays of the first samples."""
        return {s: memory[: self._end(s, samples)] for s, memory in self.memory.items()}

    def _end(self, symbol: Any, samples: int) -> int:
        size = entries_of(symbol)
        return samples + is_length(symbol) if size is None else self.memory[size][samples]


class Pool:
    """Rooms that are used again and again; a reader that is too far ahead waits for one."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self.closed = False
        self._free: SimpleQueue[Room | None] = SimpleQueue()
        self._others = len(rooms) - 1
        self.interpreter = Lock()  # held by a training that is not in its kernel
        for room in rooms:
            self._free.put(room)

    def idle(self) -> bool:
        """Whether somebody who fills a room has all of them: no block is ready or trained on."""
        return self._free.qsize() == self._others

    def take(self, rows: int) -> Room:
        """A room for so many samples."""
        room = self._free.get()
        self.check()
        assert room is not None
        room.rows = rows
        return room

    def check(self) -> None:
        """Raise Closed where no further block is wanted, and stand aside for the training.

        Python's own lock is free for a moment at each copy of a small piece, too short to get it:
        a training would wake up in vain hundreds of times before its next kernel.
        """
        if self.interpreter.locked() and self.interpreter.acquire(timeout=COURTESY):
            self.interpreter.release()
        if self.closed:
            raise Closed

    def give(self, room: Room) -> None:
        self._free.put(room)

    def close(self) -> None:
        self.closed = True
        self._free.put(None)
