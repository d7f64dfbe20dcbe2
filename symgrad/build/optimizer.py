"""How LLVM optimises a kernel: everything is inlined first, then optimised once, for whole vectors.

numba optimises function by function before it inlines.  A loop that calls `tanh` looks short then
and is unrolled, and 32 copies of its formula are no longer a loop that could be vectorised
(6.4 instead of 0.4 ns an element).  LLVM itself takes half vectors where the processor is said to
clock down for whole ones; for loops as long as ours whole ones are faster all the same.  Of a loop
over few elements it makes none at all, and vectors of the loop around it instead, whose elements
lie apart: gathered and scattered they take three times as long as rows that lie together.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary


class KernelLibrary(JITCodeLibrary):
    """numba's container of a module, optimised our way.

    assembly: the module has the assembly of a large kernel.  That has its vectors already, and no
              number in it is computed twice: to look for instructions that make up a vector outside
              loops, for stores that a later one overwrites and for equal numbers would take longer
              than all else together, and find nothing.
    kernel:   numba's function, which nothing but the entry point calls
    ready:    the module of its functions in which passes have nothing to do
    in_order: sums and products keep their order.  Their loop is not unrolled: each copy of its body
              would round in its own way, and results would depend on how many turns a call has.
    """

    assembly = False
    kernel = ""
    in_order = False
    ready: Any = None

    def add_ir_module(self, ir_module: Any) -> None:
        module = parsed(cgutils.normalize_ir_text(str(ir_module)))
        module.name = ir_module.name
        self.add_llvm_module(module)

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        if self.kernel:
            # What it does not use is no longer passed to it then: numba has seven words for each
            # array, and a call with thousands of arguments takes quadratic time to compile.
            function = self._final_module.get_function(self.kernel)
            function.linkage = "internal"
            function.add_function_attribute("noinline")
        for inlining in (True, False):
            manager, builder = _passes(inlining, self.assembly, self.in_order)
            manager.run(self._final_module, builder)
        if self.ready is not None:
            _to_registers(self.ready)
            self._final_module.link_in(self.ready)

    def _finalize_final_module(self) -> None:
        """numba would load it in its engine, which never lets go of anything."""
        self._finalized = True

    def object_code(self) -> bytes:
        self._ensure_finalized()
        return self._codegen._tm.emit_object(self._final_module)


DEFINITION = re.compile(r"^(define .*?)(\s*\{)?$", re.MULTILINE)
# The processor's estimate of 1/sqrt(x), refined by Newton's step, is NaN where x is 0 or infinite.
# Vectors for which there is no register lie on the stack: at multiples of their size, or two of
# three would cross a cache line.
ATTRIBUTES = '"reciprocal-estimates"="none" "stackrealign"'


def parsed(text: str) -> Any:
    """A module of LLVM's language, its functions with our attributes."""
    module = llvm.parse_assembly(DEFINITION.sub(rf"\1 {ATTRIBUTES}\2", text))
    module.verify()
    return module


FEATURES = "-prefer-256-bit,+prefer-no-gather,+prefer-no-scatter"


def _passes(inlining: bool, assembly: bool, in_order: bool) -> tuple[Any, Any]:
    tuning = llvm.create_pipeline_tuning_options(speed_level=1 if assembly else 3)
    tuning.loop_unrolling = not in_order
    tuning.loop_vectorization = tuning.loop_interleaving = True
    tuning.slp_vectorization = not assembly
    builder = llvm.create_pass_builder(_machine(), tuning)
    if not inlining:
        return builder.getModulePassManager(), builder
    manager = llvm.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    return manager, builder


def _to_registers(module: Any) -> None:
    """Variables of functions that are ready but for this."""
    manager = llvm.create_new_module_pass_manager()
    manager.add_sroa_pass()
    options = llvm.create_pipeline_tuning_options()
    manager.run(module, llvm.create_pass_builder(_machine(), options))


@cache
def _machine() -> Any:
    """This processor, with vectors as wide as they are, of elements that lie together."""
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=f"{features},{FEATURES}", opt=3, jit=True
    )
