"""The threads that work through kernels, and how they are called.

A kernel that several threads run together is called once by each of them.  The calls go out in one
step of the interpreter, so that Ctrl-C comes before or after all of them: a thread that waits for
one which never came would wait for ever.  One kernel runs at a time: two that waited for the same
threads would stop each other.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

PATIENCE = 0.05  # seconds until somebody who waits looks for himself


@dataclass(frozen=True)
class _Job:
    """One call for one thread; `finished` counts all of a kernel's, `told` wakes who waits."""

    call: Callable[[], int]
    finished: list[int]
    told: SimpleQueue[None]


class _Pool:
    """Threads of this process that wait for jobs; they end with it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queues: list[SimpleQueue[_Job]] = []

    def grow(self, helpers: int) -> None:
        while len(self.queues) < helpers:
            queue: SimpleQueue[_Job] = SimpleQueue()
            name = f"symgrad-{len(self.queues) + 1}"
            threading.Thread(target=_serve, args=(queue,), name=name, daemon=True).start()
            self.queues.append(queue)


def _serve(queue: SimpleQueue[_Job]) -> None:
    while True:
        job = queue.get()
        job.finished.append(job.call())
        job.told.put(None)
        del job  # the kernel and its arrays are not kept alive here


_pool = _Pool()


def _renew() -> None:
    """A process that was forked off has none of the threads, and maybe a lock that is held."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def together(function: Callable[[int], int], arguments: Sequence[int]) -> int:
    """function(argument) for all arguments at the same time, in a thread each; the first's result.

    The first call is made in this thread.  `function` lets go of the interpreter while it works,
    and is no Python function.

    >>> import ctypes
    >>> together(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(("abs", ctypes.CDLL(None))), [-3, 4])
    3
    """
    first, *others = arguments
    finished, told, results = list[int](), SimpleQueue[None](), list[Any]()
    jobs = [_Job(partial(function, a), finished, told) for a in others]
    pool = _pool
    with pool.lock:
        pool.grow(len(jobs))
        puts = (queue.put for queue in pool.queues[: len(jobs)])
        functions: list[Callable[[Any], Any]] = [*puts, function]
        try:
            # C code calls C code: the interpreter looks for Ctrl-C before this line or after it
            results.extend(map(operator.call, functions, [*jobs, first]))
        finally:
            if results:
                _wait(jobs, finished, told)
    return results[-1]


def _wait(jobs: list[_Job], finished: list[int], told: SimpleQueue[None]) -> None:
    """Until all jobs are done, whatever happens meanwhile: they work on our caller's memory."""
    interruption: KeyboardInterrupt | None = None
    while len(finished) < len(jobs):
        try:
            with suppress(Empty):
                told.get(timeout=PATIENCE)
        except KeyboardInterrupt as asked:
            interruption = asked
    if interruption is not None:
        raise interruption
