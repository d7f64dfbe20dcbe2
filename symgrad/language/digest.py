"""Digests of expressions: what equality and order of our symbols rest on.

SymPy compares symbols by their hashable content.  With definitions in that content, comparing
nested lets takes exponential time; with digests, computed once at creation, it takes none.
"""

from __future__ import annotations

import hashlib

import sympy as sp

from symgrad.language.walk import postorder


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:20]


def expression_digests(expr: sp.Basic) -> tuple[str, str]:
    """(structure, identity): the first knows names and specifications, the second also which
    parameter is meant, for two parameters may look the same."""
    memo: dict[int, tuple[str, str]] = {}
    for node in postorder([expr], lambda e: () if hasattr(e, "structure") else e.args):
        if hasattr(node, "structure"):
            memo[id(node)] = node.structure, node.identity
        elif node.args:
            kids = [memo[id(a)] for a in node.args]
            memo[id(node)] = tuple(  # type: ignore[assignment]
                digest(type(node).__name__, *column) for column in zip(*kids, strict=True)
            )
        else:
            memo[id(node)] = (digest(type(node).__name__, *_content(node)),) * 2
    return memo[id(expr)]


def _content(atom: sp.Basic) -> tuple:
    if isinstance(atom, sp.Symbol):
        return (atom.name, sorted(atom._assumptions_orig.items()))
    return atom._hashable_content() or (str(atom),)
