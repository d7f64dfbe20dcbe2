"""Definitions of the functions that assembly text calls: vector mathematics, the C library.

They are appended when the text is compiled; the text itself only names them, with the dtype and
the number of lanes: `@symgrad.tanh.float64x8`.
"""

from __future__ import annotations

import re
from collections import Counter

from llvmlite import ir

from symgrad.generate import vector_functions
from symgrad.generate.ir_text import ROLLED
from symgrad.generate.vector_formats import FORMATS, Format
from symgrad.generate.vector_math import FORMULAS

CALLED = re.compile(r"call \S[^@\n]* @symgrad\.(\w+)\.(float\d\d)(?:x(\d+))?\(")
LOOP = re.compile(r"^(loop[.\d]*)\.body:$.*?^\1\.end:$", re.M | re.S)  # one that is in no other
MOST_INLINED = 4  # calls of one function in a text; beyond, its code is not repeated
# LLVM unrolls what is short, and a loop that calls looks short; then it has no vectors.
MARK = '!0 = distinct !{!0, !1}\n!1 = !{!"llvm.loop.unroll.disable"}\n'


def with_definitions(assembly: str) -> str:
    """The text with the functions that it calls."""
    module = ir.Module()
    repeated = {found for loop in LOOP.finditer(assembly) for found in CALLED.findall(loop[0])}
    for called, uses in Counter(CALLED.findall(assembly)).items():
        name, dtype, lanes = called
        format = FORMATS[dtype].across(int(lanes or 1))
        _define(module, name, format, inlined=uses <= MOST_INLINED, repeated=called in repeated)
    mark = MARK if ROLLED in assembly else ""
    return assembly + re.sub(r"(?m)^(target|; ModuleID).*$", "", str(module)) + mark


def _define(module: ir.Module, name: str, format: Format, inlined: bool, repeated: bool) -> None:
    """repeated: loops call it"""
    formula, n = FORMULAS[name]
    made = vector_functions.function(module, name, format, formula, n, repeated)
    if inlined:
        return
    if format.lanes == 1 and repeated:
        vector_functions.call_on_vectors(made, name, format, formula)
    else:
        made.attributes.discard("alwaysinline")
        made.attributes.add("noinline")
