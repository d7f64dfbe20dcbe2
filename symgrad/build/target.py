"""What numba knows when it compiles a kernel: numbers, memory, loops, elementary functions.

Its own target for processors knows strings, lists, dictionaries, random numbers and linear algebra
too, and imports SciPy's on the way: half a second in every new process.  Kernels have a target of
their own, in numba's sense, which takes over what there is for processors and loads less of it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import BuiltinFunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numba.core import fastmathpass, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.registry import cpu_target
from numba.core.target_extension import (
    CPU,
    dispatcher_registry,
    jit_registry,
    target_override,
    target_registry,
)
from numba.core.typing.context import Context

NAME = "symgrad"
NO_VALUES = (ModuleType, BuiltinFunctionType, np.ufunc, _Intrinsic)


class _Kernels(CPU):
    """The target's name for numba."""


class _Types(Context):
    """How operations and functions are typed."""

    def init(self) -> None:
        self._typed: dict[Any, Any] = {}

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        """The signature of a call; numba itself tries all that it knows again for each."""
        key = func, tuple(args)
        known = self._typed.get(key)
        if known is None or kws:
            known = super().resolve_function_type(func, args, kws)
            if not kws:
                self._typed[key] = known
        return known

    def resolve_value_type(self, val: Any) -> Any:
        """What a name stands for; numba itself first looks whether functions and modules are values
        of some kind, and imports its lists and dictionaries to do so."""
        functions = val in (range, bool) if isinstance(val, type) else isinstance(val, NO_VALUES)
        known = self._get_global_type(val) if functions else None
        return known or super().resolve_value_type(val)

    def resolve_setitem(self, target: Any, index: Any, value: Any) -> Any:
        return self.resolve_function_type(operator.setitem, (target, index, value), {})

    def load_additional_registries(self) -> None:
        from numba.core.typing import mathdecl, npydecl

        for module in (mathdecl, npydecl):
            self.install_registry(module.registry)


class _Code(CPUContext):
    """What they become in LLVM."""

    def init(self) -> None:
        super().init()
        self._functions: dict[Any, Any] = {}
        self._sizes: dict[str, int] = {}

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        """What lowers a call; numba itself reads the Python signature of it for each."""
        key = fn, sig
        if key not in self._functions:
            if isinstance(fn, types.Dispatcher):  # compiled for numba's own target
                found = fn.dispatcher.overloads[tuple(sig.args)]
                self.insert_user_function(found.entry_point, found.fndesc, [found.library])
            self._functions[key] = super().get_function(fn, sig, _firstcall)
        return self._functions[key]

    def get_abi_sizeof(self, ty: Any) -> int:
        """Asked for every variable, and LLVM answers by a module of its own."""
        name = str(ty)
        if name not in self._sizes:
            self._sizes[name] = super().get_abi_sizeof(ty)
        return self._sizes[name]

    def load_additional_registries(self) -> None:
        from numba.cpython import builtins, mathimpl, numbers, rangeobj
        from numba.np import arrayobj, npyimpl

        self.known = builtins, numbers, rangeobj, arrayobj  # they register when they are imported
        for module in (mathimpl, npyimpl):
            self.install_registry(module.registry)

    def post_lowering(self, mod: Any, library: Any) -> None:
        """Without the library that allocates memory: kernels do not."""
        if self.fastmath:
            fastmathpass.rewrite_module(mod, self.fastmath)


@cache
def _kernel_target() -> Any:
    target_registry[NAME] = _Kernels
    typing = _Types()
    target = SimpleNamespace(typing_context=typing, target_context=_Code(typing, NAME))
    dispatcher_registry[_Kernels] = SimpleNamespace(targetdescr=target)
    jit_registry[_Kernels] = jit_registry[CPU]  # asked for, though kernels have nothing to compile
    return target


@contextmanager
def kernel_target() -> Iterator[Any]:
    """The target that numba is to compile a kernel for."""
    with target_override(NAME):
        yield _kernel_target()


@global_compiler_lock
def load_numba(modules: Iterable[str]) -> None:
    """Have numba import what it knows about types and functions for a kernel.

    modules: that the kernel imports
    """
    with target_override(NAME):
        _kernel_target().target_context.refresh()
    names = [x for name in modules for x in vars(import_module(name)).values()]
    if any(isinstance(x, Dispatcher) for x in names):  # numba compiles them for its own target
        cpu_target.target_context.refresh()
