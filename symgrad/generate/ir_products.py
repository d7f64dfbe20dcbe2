"""Matrix products that assembly text calls by the names that they have at the module's head."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from symgrad.generate.ir_text import type_of

DECLARED = re.compile(r"^declare void @(product_\d+)\(", re.MULTILINE)


def declaration(name: str, dtype: str) -> str:
    """The line that says what a product is given: size, alpha, a, b, beta, c."""
    x = type_of(dtype)
    return f"declare void @{name}(i64, {x}, ptr, ptr, {x}, ptr)"


def product_definitions(assembly: str, module: Mapping[str, Any]) -> str:
    """A text with the products that the assembly declares; "" where there are none.

    module: where they are made
    """
    from symgrad.generate.micro_kernels import define

    names = DECLARED.findall(assembly)
    made = ir.Module()
    for name in names:
        define(made, name, module[name])
    return re.sub(r"(?m)^(target|; ModuleID).*$", "", str(made)) if names else ""
