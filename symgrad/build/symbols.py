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

PREFIX = "symgrad_blas_"
LIBRARIES = {  # SciPy's extension module -> what kernels call of it
    "cython_blas": ("gemm", "gemv", "ger", "trsm"),
    "cython_lapack": ("getrf", "potrf", "syev", "gesvd"),
}
ROUTINES = {
    letter + name: module
    for module, names in LIBRARIES.items()
    for letter in "sd"
    for name in names
}


def addresses(code: bytes) -> dict[str, int]:
    """The routines that the object code mentions, by the names it gives them."""
    named = [r for r in ROUTINES if (PREFIX + r).encode() in code]
    return {PREFIX + r: blas_address(r) for r in named}


@cache
def blas_address(routine: str) -> int:
    """The address of a BLAS or LAPACK routine of SciPy's, Fortran's convention, 32-bit integers."""
    capsule = _extension(ROUTINES[routine]).__pyx_capi__[routine]
    return _pointer_in(capsule, _name_of(capsule))


@cache
def _extension(module: str) -> Any:
    """SciPy's extension module of that name."""
    full = f"scipy.linalg.{module}"
    with _importing:
        return sys.modules.get(full) or _import_alone(module, full)


def _import_alone(module: str, full: str) -> Any:
    """The module without the package around it, which takes 0.1 s to import; this takes 0.01 s."""
    import scipy

    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(scipy.__file__).parent / "linalg" / f"{module}{suffix}"
        spec = importlib.util.spec_from_file_location(full, path) if path.exists() else None
        if spec is not None and spec.loader is not None:
            found = sys.modules[full] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(found)
            return found
    return importlib.import_module(full)


_importing = Lock()  # an extension module that two threads initialise is an error
_name_of = ctypes.pythonapi.PyCapsule_GetName
_name_of.restype, _name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype, _pointer_in.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
