"""numba's front end as far as kernels need it: from Python's byte code to LLVM.

numba's own sequence of passes also inlines closures and functions, rewrites array expressions,
unrolls loops over tuples and names each assignment anew.  Generated code has none of what these
look for, and a variable of one type throughout; most of them take quadratic time in its branches.
"""

from __future__ import annotations

from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
)
from numba.core.untyped_passes import FixupArgs, IRProcessing, TranslateByteCode

PASSES = (
    TranslateByteCode, FixupArgs, IRProcessing, NopythonTypeInference, IRLegalization,
    AnnotateTypes, NativeLowering, NoPythonBackend,
)  # fmt: skip


class FrontEnd(CompilerBase):
    """What `compile_extra` runs for a kernel."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("kernel")
        for stage in PASSES:
            manager.add_pass(stage, stage.__name__)
        manager.finalize()
        return [manager]
