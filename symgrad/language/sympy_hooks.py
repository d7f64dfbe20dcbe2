"""What importing symgrad adds to SymPy: `@` for expressions that hold a symgrad symbol."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.contractions import matmul
from symgrad.language.tensor import Shaped


def holds_tensor(e: Any) -> bool:
    """Whether a symgrad symbol or operation occurs in the expression."""
    stack, seen = [e], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Shaped):
            return True
        if id(node) not in seen and isinstance(node, sp.Basic):
            seen.add(id(node))
            stack.extend(node.args)
    return False


def _matmul(self: sp.Expr, other: Any) -> Any:
    return matmul(self, other) if _ours(self, other) else NotImplemented


def _rmatmul(self: sp.Expr, other: Any) -> Any:
    return matmul(other, self) if _ours(self, other) else NotImplemented


def _ours(self: sp.Expr, other: Any) -> bool:
    known = isinstance(other, sp.Expr | np.ndarray | list)
    return known and (holds_tensor(self) or holds_tensor(other))


def install() -> None:
    sp.Expr.__matmul__ = _matmul
    sp.Expr.__rmatmul__ = _rmatmul
