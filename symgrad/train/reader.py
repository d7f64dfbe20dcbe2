"""A thread that reads ahead: what an iterator gives, while others work and Ctrl-C is heard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import Any, Generic, TypeVar

from symgrad.train.rooms import Closed

PATIENCE = 0.02  # seconds until somebody asks again whether to go on waiting
Item = TypeVar("Item")


class Reader(Generic[Item]):
    """Iterates in a thread of its own.

    The iterator bounds how far it is ahead: see `Pool`.  An exception of the iterator comes after
    what it gave before; a thread that waits in somebody's code for ever is left behind.
    """

    def __init__(
        self, items: Iterator[Item], so_far: Callable[[Callable[[], bool]], Item | None]
    ) -> None:
        """so_far: what the iterator could give at once, for somebody who has waited; it asks
        whether nothing that was given before is still there."""
        # No SimpleQueue: a signal just before its timeout makes it wait for ever (CPython 3.11).
        self._ready: Queue[tuple[Any, BaseException | None]] = Queue()
        self._so_far = so_far
        threading.Thread(
            target=self._read, args=(items,), name="symgrad-reader", daemon=True
        ).start()

    def items(self, wait: Callable[[], None]) -> Iterator[Item]:
        """What the iterator gives; `wait` is called from time to time meanwhile, and may raise."""
        while True:
            item, error = self._next(wait)
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item

    def _next(self, wait: Callable[[], None]) -> tuple[Any, BaseException | None]:
        while True:
            try:
                return self._ready.get(timeout=PATIENCE)
            except Empty:
                wait()
            item = self._so_far(self._ready.empty)
            if item is not None:
                return item, None

    def _read(self, items: Iterator[Item]) -> None:
        end: BaseException = StopIteration()
        try:
            for item in items:
                self._ready.put((item, None))
        except Closed:
            pass
        except BaseException as error:  # whatever a stream raises belongs to who reads it
            end = error
        self._ready.put((None, end))
