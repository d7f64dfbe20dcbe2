"""The order in which epochs visit the samples; long ones are drawn while the epoch before runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from symgrad.language.garbage import imports

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

LONG = 2**18  # positions: such an order takes milliseconds
PATIENCE = 0.02  # seconds until somebody asks again whether to go on waiting
Key = TypeVar("Key")


def shuffled(seed: int, epoch: int, n: int, apart: int = 0) -> np.ndarray:
    """The order of an epoch's samples, (n,) int64; depends on these numbers alone.

    apart: tells the orders of one epoch's blocks from one another.
    """
    return _drawn(seed, range(epoch, epoch + 1), n, apart)


def _drawn(seed: int, epochs: range, n: int, apart: int = 0) -> np.ndarray:
    """The orders of some epochs, one behind the other."""
    digest = blake2b(b"order %d %d" % (seed, apart), digest_size=8).digest()
    orders = np.empty((len(epochs), n), np.int64)
    _compiled()(orders, int.from_bytes(digest, "little", signed=True), epochs.start)
    return orders.reshape(-1)


@cache
def _compiled() -> Callable[[np.ndarray, int, int], None]:
    with imports():
        from symgrad.build.routine import shuffle
    return shuffle


def orders_of_epochs(seed: int, samples: int) -> Orders[range]:
    """One order for several epochs, (epochs * samples,) int64, by the range of their numbers."""

    def draw(epochs: range) -> np.ndarray:
        return _drawn(seed, epochs, samples)

    return Orders(draw, lambda epochs: samples * len(epochs))


def orders_of_blocks(seed: int) -> Orders[tuple[int, int, int]]:
    """Orders within blocks, by epoch, the block's number and its samples."""

    def draw(key: tuple[int, int, int]) -> np.ndarray:
        epoch, number, samples = key
        return shuffled(seed, epoch, samples, apart=number)

    return Orders(draw, lambda key: key[2])


class Orders(Generic[Key]):
    """Orders that are drawn by another thread before they are asked for.

    Shuffling ten million samples takes most of a second in which nothing else would happen, not
    even Ctrl-C: another thread does it, and NumPy lets this one go on meanwhile.
    """

    def __init__(self, draw: Callable[[Key], np.ndarray], length: Callable[[Key], int]) -> None:
        """draw: the order of a key, (length,) int64"""
        self._draw, self._length = draw, length
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[Key, Future[np.ndarray]] = {}

    def begin(self, key: Key) -> None:
        """Draw the order that will be asked for, if it is long."""
        if key not in self._ahead and self._length(key) >= LONG:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = self._pool or ThreadPoolExecutor(1, "symgrad-order")
            self._ahead[key] = self._pool.submit(self._draw, key)

    def of(self, key: Key, wait: Callable[[], None]) -> np.ndarray:
        """The order of a key; `wait`, called from time to time until it is there, may raise."""
        self.begin(key)
        future = self._ahead.pop(key, None)
        if future is None:
            return self._draw(key)
        while True:
            try:
                return future.result(PATIENCE)
            except TimeoutError:
                wait()

    def close(self) -> None:
        """Draw no further orders."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
