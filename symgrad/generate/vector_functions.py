"""Formulas as functions of a module: put in place where they are called, or called on vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from symgrad.generate.vector_code import Real
from symgrad.generate.vector_formats import Format

POINTER = ir.PointerType()
LANES = (2, 4, 8, 16)  # of the vectors that LLVM may choose


def function(
    module: Any, name: str, format: Format, formula: Callable[..., Real], n: int,
    repeated: bool = True,
) -> Any:  # fmt: skip
    """The function of n arguments in a module, written when it is first asked for.

    repeated: loops call it, whose numbers LLVM may take several at a time
    """
    lanes = f"x{format.lanes}" if format.lanes > 1 else ""
    full_name = f"symgrad.{name}.{format.name}{lanes}"
    found = module.globals.get(full_name)
    if found is not None:
        return found
    made = ir.Function(module, ir.FunctionType(format.type, [format.type] * n), full_name)
    made.linkage = "internal"
    builder = ir.IRBuilder(made.append_basic_block())
    result = formula(*(Real(builder, format, a) for a in made.args))
    builder.ret(result.value)
    if len(made.blocks) == 1 or format.lanes > 1 or not repeated:
        made.attributes.add("alwaysinline")
    else:  # loops that branch have no vectors
        call_on_vectors(made, name, format, formula)
    return made


def call_on_vectors(made: Any, name: str, format: Format, formula: Callable[..., Real]) -> None:
    """Have LLVM call a function that is not put in place, in loops on vectors.

    It is told of the same function on so many lanes by their names, and that they are in use.
    """
    if "noinline" in made.attributes:
        return
    n = len(made.args)
    others = [function(made.module, name, format.across(k), formula, n) for k in LANES]
    made.attributes.discard("alwaysinline")
    made.attributes.update(("noinline", "nounwind", "readnone"))
    arguments = "v" * len(made.args)
    texts = []
    for other, lanes in zip(others, LANES, strict=True):
        other.attributes.discard("alwaysinline")
        texts.append(f"_ZGV_LLVM_N{lanes}{arguments}_{made.name}({other.name})")
    set.add(made.attributes, f'"vector-function-abi-variant"="{",".join(texts)}"')
    module, name = made.module, "llvm.compiler.used"
    used = module.globals.get(name)
    kept = [*(used.initializer.constant if used else ())]
    kept += [f.bitcast(POINTER) for f in (made, *others)]
    kind = ir.ArrayType(POINTER, len(kept))
    used = used or ir.GlobalVariable(module, kind, name)
    used.value_type, used.type = kind, kind.as_pointer()  # of a list that grows
    used.linkage, used.section = "appending", "llvm.metadata"
    used.initializer = ir.Constant(used.value_type, kept)
