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

CALLED = re.compile(r"call \S[^@\n]* @symgrad\.(\w+)\.(float\d\d)(?:x(\d+))?\(")
MOST_INLINED = 4  # calls of one function in a text; beyond, its code is not repeated


def with_definitions(assembly: str) -> str:
    """The text with the functions that it calls."""
    module = ir.Module()
    for (name, dtype, lanes), uses in Counter(CALLED.findall(assembly)).items():
        format = FORMATS[dtype].across(int(lanes or 1))
        _define(module, name, format, inlined=uses <= MOST_INLINED)
    return assembly + re.sub(r"(?m)^(target|; ModuleID).*$", "", str(module))


def _define(module: ir.Module, name: str, format: Format, inlined: bool) -> None:
    made = vector_code.function(module, name, format, *FORMULAS[name])
    if not inlined:
        made.attributes.discard("alwaysinline")
        made.attributes.add("noinline")
