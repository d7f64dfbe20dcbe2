"""numba's front end as far as kernels need it: from Python's byte code to LLVM.

numba's own sequence of passes also inlines closures and functions, rewrites array expressions,
unrolls loops over tuples, names each assignment anew, and writes down types for its reports.
Generated code has none of what these look for, and a variable of one type throughout; most of them
take quadratic time in its branches.
"""

from __future__ import annotations

from typing import Any

from llvmlite.ir import IntType
from llvmlite.ir.instructions import Comment
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.ir import Jump
from numba.core.lowering import Lower
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
)
from numba.core.untyped_passes import FixupArgs, TranslateByteCode

from symgrad.generate.notes import ROLLED


class _Lower(Lower):
    """From typed statements to LLVM."""

    def lower_inst(self, inst: Any) -> None:
        """The jump back to the head of a loop says that it is not unrolled, where its body does."""
        super().lower_inst(inst)
        if isinstance(inst, Jump) and _is_rolled(self.builder.block):
            self.builder.block.terminator.set_metadata("llvm.loop", _mark(self.builder.module))

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        """numba's own looks three times for code that wants a literal: kernels have none of it."""
        typed, builder = self.context.typing_context, self.builder
        wanted = self.fndesc.calltypes[expr]
        operands = [
            self.context.cast(builder, self.loadvar(x.name), self.typeof(x.name), kind)
            for x, kind in zip((expr.lhs, expr.rhs), wanted.args, strict=True)
        ]
        function = typed.resolve_value_type(op)
        found = typed.resolve_function_type(function, wanted.args, {})
        value = self.context.get_function(function, found)(builder, operands)
        return self.context.cast(builder, value, wanted.return_type, resty)


def _is_rolled(block: Any) -> bool:
    return any(isinstance(i, Comment) and i.text == ROLLED for i in block.instructions)


def _mark(module: Any) -> Any:
    """Of a loop that is not unrolled before vectors are made of it; what they leave, is."""
    made = module.add_metadata(["llvm.loop.isvectorized", IntType(32)(1)])
    later = module.add_metadata(["llvm.loop.vectorize.followup_all", made])
    mark = module.add_metadata([module.add_metadata(["llvm.loop.unroll.disable"]), later])
    if mark.operands[0] is not mark:
        mark.operands = (mark, *mark.operands)  # a loop's mark names itself first
    return mark


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    @property
    def lowering_class(self) -> type[Lower]:
        return _Lower


PASSES = (
    TranslateByteCode, FixupArgs, NopythonTypeInference, IRLegalization, _Lowering,
    NoPythonBackend,
)  # fmt: skip


class FrontEnd(CompilerBase):
    """What `compile_extra` runs for a kernel."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("kernel")
        for stage in PASSES:
            manager.add_pass(stage, stage.__name__)
        manager.finalize()
        return [manager]
