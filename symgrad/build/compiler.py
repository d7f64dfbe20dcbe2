"""From the generated text to object code, by numba.  Only imported when something is compiled."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm
from numba.core import config, types
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from symgrad.build.entry import IN_TABLE, INTEGER, TABLE, entry_text
from symgrad.build.front_end import FrontEnd
from symgrad.build.optimizer import KernelLibrary, parsed
from symgrad.build.target import kernel_target
from symgrad.generate.ir_library import with_definitions
from symgrad.generate.ir_products import product_definitions
from symgrad.generate.ir_ready import apart


def compile_kernel(text: str, path: Path, entry: str, name: str, kinds: Sequence[str]) -> bytes:
    """The object code of a module's function `entry`, callable from C as `name`.

    text:  a Python module; its function is decorated with `njit(options)`, without a signature,
           and calls what the module's ASSEMBLY defines, if there is any
    path:  where tracebacks and debuggers look for the text
    kinds: of its arguments, an array's dtype or "integer"
    """
    if config.DISABLE_JIT:
        raise RuntimeError(
            "NUMBA_DISABLE_JIT is set, so that numba compiles nothing: unset it, or compile the "
            "model with target='reference'"
        )
    module = _execute(text, path, name)
    assembly = getattr(module, "ASSEMBLY", "")
    return kernel_library(getattr(module, entry), name, kinds, assembly).object_code()


def _execute(text: str, path: Path, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # numba looks up a function's globals by its module's name
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


@global_compiler_lock
def kernel_library(
    dispatcher: Any, name: str, kinds: Sequence[str], assembly: str = ""
) -> KernelLibrary:
    """The optimised module of a function, with `name` as its entry point for C."""
    with kernel_target() as target:
        library = KernelLibrary(target.target_context.codegen(), name)
        library.assembly = bool(assembly)
        library.in_order = "reassoc" not in dispatcher.targetoptions.get("fastmath", ())
        result = compile_extra(
            target.typing_context, target.target_context, dispatcher.py_func,
            tuple(_numba_type(kind) for kind in kinds if kind != IN_TABLE), types.int64,
            _flags(dispatcher, alone=not assembly), {}, library=library, pipeline_class=FrontEnd,
        )  # fmt: skip
    library.kernel = result.fndesc.llvm_func_name
    around = entry_text(name, result.fndesc.llvm_func_name, kinds)
    target = f'target triple = "{llvm.get_process_triple()}"\n'
    texts = [around]
    if assembly:
        products = product_definitions(assembly, dispatcher.py_func.__globals__)
        assembly, ready = apart(assembly)
        texts += [with_definitions(assembly), *([products] if products else [])]
        library.ready = parsed(target + ready)
    for text in texts:
        library.add_llvm_module(parsed(target + text))
    library.finalize()
    return library


def _flags(dispatcher: Any, alone: bool) -> Flags:
    """alone: nothing but the function's own code touches its arrays."""
    flags = Flags()
    cpu_target.options.parse_as_flags(flags, dispatcher.targetoptions)
    # No two arrays overlap: loops need no run-time checks for it.  With assembly, though, LLVM
    # would take for granted that a call which does not get an array leaves it as it is.
    flags.noalias = alone
    flags.nrt = False  # an allocation in a kernel is an error, here and now
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.no_compile = True  # machine code is made once, with the entry point
    return flags


def _numba_type(kind: str) -> Any:
    return types.int64 if kind in (INTEGER, TABLE) else types.Array(getattr(types, kind), 1, "C")
