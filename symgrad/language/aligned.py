"""Arrays that begin at a cache line.

NumPy's own begin 16 bytes after one.  Then each row of a table lies in one line more than it fills,
and many of the
vectors that are written lie across two lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.language.free_memory import check_free

LINE = 64  # bytes: a cache line, and the widest vector


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array in C order, its values undefined, that begins at a multiple of 64 bytes.

    >>> aligned_empty((3, 5), "float32").ctypes.data % 64
    0
    """
    kind = np.dtype(dtype)
    check_free(math.prod(shape) * kind.itemsize, f"an array of shape {shape}")
    return _aligned(np.empty, shape, kind)


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The same of zeros; the system gives the memory when it is touched."""
    return _aligned(np.zeros, shape, np.dtype(dtype))


def aligned_copy(array: np.ndarray, dtype: Any) -> np.ndarray:
    """The same of these numbers."""
    copy = aligned_empty(array.shape, dtype)
    copy[...] = array
    return copy


def _aligned(make: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> Any:
    nbytes = math.prod(shape) * dtype.itemsize
    memory = make(nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + nbytes].view(dtype).reshape(shape)
