"""A compiled function of arrays and whole numbers, for work that is no model's."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from symgrad.build.arrays import check_memory
from symgrad.build.entry import INTEGER
from symgrad.build.executable import loaded


class Helper:
    """A function from a module's text; calls from several threads run at the same time.

    kinds: of its arguments, an array's dtype or "integer"; arrays are C-contiguous, and the
    function takes them at its word
    """

    def __init__(
        self, text: str, entry: str, kinds: tuple[str, ...], modules: tuple[str, ...]
    ) -> None:
        self.entry, self.kinds = entry, kinds
        self._loaded = loaded(text, entry, kinds, modules)

    def __call__(self, *arguments: Any) -> int:
        words: list[int] = []
        for x, kind in zip(arguments, self.kinds, strict=True):
            if kind == INTEGER:
                words.append(x)
                continue
            check_memory(f"an array for {self.entry!r}", x, np.dtype(kind), written=False)
            words += [x.__array_interface__["data"][0], x.size]
        table = (ctypes.c_int64 * len(words))(*words)
        return self._loaded.call(ctypes.addressof(table))
