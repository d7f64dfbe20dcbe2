"""The threads that work through kernels, and how they are called.

A kernel that several threads run together is called once by each of them.  The calls go out in one
step of the interpreter, so that Ctrl-C comes before or after all of them: a thread that waits for
one which never came would wait for ever.  One kernel runs at a time: two that waited for the same
threads would stop each other.

Linux often wakes a thread on the processor of the one that woke it, and leaves both there for
milliseconds though others are idle: a thread that finds itself on a processor of another one of
its call moves away.
"""

from __future__ import annotations

import ctypes
import operator
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any


class _Pool:
    """Threads of this process that wait for calls; they end with it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a signal's handler may make a call within a call
        self.queues: list[SimpleQueue[Callable[[], Any]]] = []

    def grow(self, helpers: int) -> None:
        while len(self.queues) < helpers:
            queue: SimpleQueue[Callable[[], Any]] = SimpleQueue()
            name = f"symgrad-{len(self.queues) + 1}"
            threading.Thread(target=_serve, args=(queue,), name=name, daemon=True).start()
            self.queues.append(queue)


def _serve(queue: SimpleQueue[Callable[[], Any]]) -> None:
    while True:
        queue.get()()  # it is bound to nothing here, so that a kernel is not kept alive


class Process:
    """What a process that is forked off begins anew: it has none of its parent's threads."""

    def __init__(self) -> None:
        self.pool = _Pool()

    def fork(self) -> None:
        self.pool = _Pool()


process = Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process.fork)


_library = ctypes.CDLL(None) if hasattr(os, "sched_setaffinity") else None
_processor: Callable[[], int] | None = getattr(_library, "sched_getcpu", None)


class Places:
    """The processors on which the threads of a call run: the caller's, and one for each other.

    Where the system does not say on which processor a thread runs, or moves none, nothing happens.
    """

    def __init__(self) -> None:
        if _processor:
            self.allowed, self.taken = os.sched_getaffinity(0), {_processor()}

    def take(self) -> None:
        """Move this thread away from those before it, to where the caller may run, too.

        It may leave that place again: where another process is busy there, the system finds a
        better one sooner than the thread gets its turn.
        """
        if not _processor:
            return
        free, here = self.allowed - self.taken, _processor()
        if here not in (free or self.allowed):
            with suppress(OSError):  # a sandbox may not let it
                os.sched_setaffinity(0, free or self.allowed)
                here = _processor()
                os.sched_setaffinity(0, self.allowed)
        self.taken.add(here)


def together(
    function: Callable[[int], int], arguments: Sequence[int], owner: Any = None,
    results: list[Any] | None = None,
) -> int:  # fmt: skip
    """function(argument) for all arguments at the same time, in a thread each; the first's result.

    The first call is made in this thread, and the others are not waited for: what they are called
    for has to be done when it returns, as it is where the function ends with a barrier.  Until they
    return they keep the owner of their memory alive.  `function` lets go of the interpreter while
    it works, and is no Python function.

    results: its last one is the first call's, before a signal's handler can raise anything

    >>> import ctypes
    >>> together(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(("abs", ctypes.CDLL(None))), [-3, 4])
    3
    """
    (first, *others), places = arguments, Places()
    calls = [_Kept(function, argument, owner, places) for argument in others]
    pool, results = process.pool, [] if results is None else results
    with pool.lock:
        pool.grow(len(calls))
        puts = (queue.put for queue in pool.queues[: len(calls)])
        functions: list[Callable[[Any], Any]] = [*puts, function]
        # C code calls C code: the interpreter looks for Ctrl-C before this line or after it
        results.extend(map(operator.call, functions, [*calls, first]))
    return results[-1]


@dataclass(frozen=True)
class _Kept:
    """A call, whose memory it works on, and the places of all calls beside it."""

    function: Callable[[int], int]
    argument: int
    owner: Any
    places: Places

    def __call__(self) -> int:
        self.places.take()
        return self.function(self.argument)
