"""SciPy's BLAS library: one thread while our kernels run, as where several pay, they are ours; and
what it says of itself."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any

from symgrad.build.symbols import blas_address


class OneBlasThread:
    """While it is entered, by any number of threads, SciPy's BLAS works in its caller's thread.

    The number of its threads belongs to the process; what it was comes back with the last one out.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._lock, self._inside = RLock(), 0
        self._before: list[tuple[Any, int]] = []
        self._libraries: list[Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = [(x, x.get_num_threads()) for x in self.libraries()]
                for library, _ in self._before:
                    library.set_num_threads(1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for library, threads in self._before:
                    library.set_num_threads(threads)

    def libraries(self) -> list[Any]:
        """SciPy's own library; where it has none, all that there are."""
        if self._libraries is None:
            from threadpoolctl import ThreadpoolController

            every = ThreadpoolController().select(user_api="blas").lib_controllers
            self._libraries = [x for x in every if "scipy" in x.filepath] or every
        return self._libraries


one_blas_thread = OneBlasThread()


def blas_kernels() -> str:
    """The processor for which BLAS, loaded for that, has its kernels; "" where it does not tell.

    >>> isinstance(blas_kernels(), str)
    True
    """
    blas_address("sgemm")
    found = (getattr(x, "architecture", None) for x in one_blas_thread.libraries())
    return next(filter(None, found), "")


if hasattr(os, "register_at_fork"):  # a process that is forked off may find the lock held
    os.register_at_fork(after_in_child=one_blas_thread.begin)
