"""Addresses of the library functions that kernels call by name.

A name must have its address before code that calls it is loaded: LLVM aborts the process otherwise.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.machinery
import importlib.util
import sys
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

BLAS_MODULE = "scipy.linalg.cython_blas"
PREFIX = "symgrad_blas_"
ROUTINES = tuple(letter + name for letter in "sd" for name in ("gemm", "gemv", "ger"))


def addresses(code: bytes) -> dict[str, int]:
    """The BLAS routines that the object code mentions, by the names it gives them."""
    named = [r for r in ROUTINES if (PREFIX + r).encode() in code]
    return {PREFIX + r: blas_address(r) for r in named}


@cache
def blas_address(routine: str) -> int:
    """The address of SciPy's BLAS routine, Fortran's calling convention, 32-bit integers."""
    capsule = _cython_blas().__pyx_capi__[routine]
    return _pointer_in(capsule, _name_of(capsule))


@cache
def _cython_blas() -> Any:
    """SciPy's extension module."""
    with _importing:
        return sys.modules.get(BLAS_MODULE) or _import_alone()


def _import_alone() -> Any:
    """The module without the package around it, which takes 0.1 s to import; this takes 0.01 s."""
    import scipy

    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(scipy.__file__).parent / "linalg" / f"cython_blas{suffix}"
        spec = importlib.util.spec_from_file_location(BLAS_MODULE, path) if path.exists() else None
        if spec is not None and spec.loader is not None:
            module = sys.modules[BLAS_MODULE] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return importlib.import_module(BLAS_MODULE)


_importing = Lock()  # an extension module that two threads initialise is an error
_name_of = ctypes.pythonapi.PyCapsule_GetName
_name_of.restype, _name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype, _pointer_in.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
