"""Definitions of the functions that assembly text calls: vector mathematics, the C library.

They are appended when the text is compiled; the text itself only names them, with the dtype and
the number of lanes: `@symgrad.tanh.float64x8`.
"""

from __future__ import annotations

import re
from collections import Counter

from llvmlite import ir

from symgrad.generate import vector_code
from symgrad.generate.vector_formats import FORMATS, Format
from symgrad.generate.vector_math import FORMULAS

LIBRARY = {"erfc": "erfc", "gamma": "tgamma", "lgamma": "lgamma"}  # the C library's names
CALLED = re.compile(r"call \S[^@\n]* @symgrad\.(\w+)\.(float\d\d)(?:x(\d+))?\(")
MOST_INLINED = 4  # calls of one function in a text; beyond, its code is not repeated
GATHER = """
define internal <{n} x double> @symgrad.gather{n}(ptr %table, <{n} x i64> %at) alwaysinline {{
  %places = getelementptr double, ptr %table, <{n} x i64> %at
  %x = call <{n} x double> @llvm.masked.gather.v{n}f64.v{n}p0(
    <{n} x ptr> %places, i32 8, <{n} x i1> splat (i1 true), <{n} x double> poison)
  ret <{n} x double> %x
}}
"""


def with_definitions(assembly: str) -> str:
    """The text with the functions that it calls."""
    module = ir.Module()
    for (name, dtype, lanes), uses in Counter(CALLED.findall(assembly)).items():
        format = FORMATS[dtype].across(int(lanes or 1))
        _define(module, name, format, inlined=uses <= MOST_INLINED)
    gathers = sorted({int(n) for n in re.findall(r"symgrad\.gather(\d+)", str(module))})
    text = re.sub(r"(?m)^(target|; ModuleID).*$|^declare.*symgrad\.gather.*$", "", str(module))
    return assembly + text + "".join(GATHER.format(n=n) for n in gathers)


def _define(module: ir.Module, name: str, format: Format, inlined: bool) -> None:
    if name in FORMULAS:
        made = vector_code.function(module, name, format, *FORMULAS[name])
    else:
        made = _lane_by_lane(module, name, format)
    if not inlined:
        made.attributes.discard("alwaysinline")
        made.attributes.add("noinline")


def _lane_by_lane(module: ir.Module, name: str, format: Format) -> ir.Function:
    """A function of the C library for every lane."""
    kind = format.across(1).type
    suffix = "f" if format.name == "float32" else ""
    known = LIBRARY[name] + suffix
    scalar = module.globals.get(known) or ir.Function(module, ir.FunctionType(kind, [kind]), known)
    lanes = f"x{format.lanes}" if format.lanes > 1 else ""
    signature = ir.FunctionType(format.type, [format.type])
    made = ir.Function(module, signature, f"symgrad.{name}.{format.name}{lanes}")
    made.linkage = "internal"
    builder = ir.IRBuilder(made.append_basic_block())
    (x,) = made.args
    if format.lanes == 1:
        builder.ret(builder.call(scalar, [x]))
        return made
    result = ir.Constant(format.type, ir.Undefined)
    for i in range(format.lanes):
        at = ir.IntType(32)(i)
        one = builder.call(scalar, [builder.extract_element(x, at)])
        result = builder.insert_element(result, one, at)
    builder.ret(result)
    return made
