"""Python's cycle collector, out of the way of compilations and imports.

A compilation makes many small objects that live as long as it does, in chains rather than cycles.
The collector goes through them again and again and finds next to nothing: a third of the time where
there are thousands of equations.  What modules define stays for good.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARE = (200_000, 20, 100)  # new objects, and younger collections, before a collection


class _Inside:
    """How many stages are running, in all threads, and the thresholds from before the first."""

    def __init__(self) -> None:
        self.lock, self.count, self.before = threading.Lock(), 0, gc.get_threshold()

    def enter(self) -> None:
        with self.lock:
            if not self.count:
                self.before = gc.get_threshold()
                gc.set_threshold(*RARE)
            self.count += 1

    def leave(self) -> None:
        with self.lock:
            self.count -= 1
            if not self.count:
                gc.set_threshold(*self.before)


_INSIDE = _Inside()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collections are rare meanwhile; also a decorator of functions.

    >>> before = gc.get_threshold()
    >>> with rare_collections():
    ...     gc.get_threshold() == RARE
    True
    >>> gc.get_threshold() == before
    True
    """
    _INSIDE.enter()
    try:
        yield
    finally:
        _INSIDE.leave()


@contextmanager
def imports() -> Iterator[None]:
    """Collections are rare meanwhile, and what new modules left is not looked through after it.

    All objects that there are count as old then: they are in the next collection of everything.
    """
    modules = len(sys.modules)
    with rare_collections():
        yield
        if len(sys.modules) > modules and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
