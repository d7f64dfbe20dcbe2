"""Functions of this package that are compiled like kernels, and kept like them."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from symgrad.build.entry import INTEGER
from symgrad.build.executable import loaded
from symgrad.build.linker import Loaded

KINDS = ("int64", INTEGER, INTEGER, INTEGER, INTEGER)  # of what `shuffle` is called with


def shuffle(orders: np.ndarray, state: int, first: int) -> None:
    """Fill orders with 0 ... n - 1 in random orders.

    orders: (times, n) int64; state, int64, and first + k decide the k-th order.

    >>> orders = np.empty((2, 4), np.int64)
    >>> shuffle(orders, 1, 0)
    >>> orders.tolist()
    [[2, 1, 0, 3], [2, 0, 3, 1]]
    """
    words = (ctypes.c_int64 * 6)(orders.ctypes.data, orders.size, *orders.shape, state, first)
    _routine("symgrad.generate.shuffle", "shuffle", KINDS).call(ctypes.addressof(words))


@cache
def _routine(module: str, entry: str, kinds: tuple[str, ...]) -> Loaded:
    """The function `entry` of a module, which is found and not imported."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    return loaded(Path(spec.origin).read_text(), entry, kinds, ())
