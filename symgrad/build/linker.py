"""Object code into this process: LLVM's linker alone, without numba."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from symgrad.build.symbols import addresses

_serial = itertools.count()


class Loaded:
    """A kernel in memory, for as long as this object lives.

    call(address of its table of words) -> int.  The interpreter's lock is released meanwhile.
    calls_blas: whether it calls the library
    """

    def __init__(self, code: bytes, name: str) -> None:
        self.calls_blas = bool(addresses(code))
        self._tracker = _link(code, name)
        self.call: Callable[[int], int] = _prototype(self._tracker[name])


_prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)


def _link(code: bytes, name: str) -> Any:
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for symbol, address in addresses(code).items():
        builder.import_symbol(symbol, address)
    return builder.export_symbol(name).link(_jit(), f"{name}.{next(_serial)}")


@cache
def _jit() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler()
