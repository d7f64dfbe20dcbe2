"""Digests of expressions: what equality and order of our symbols rest on.

SymPy compares symbols by their hashable content.  With definitions in that content, comparing
nested lets takes exponential time; with digests, computed once at creation, it takes none.
"""

from __future__ import annotations

import hashlib

import sympy as sp

from symgrad.language.walk import postorder


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()[
        :20
    ]


def expression_digests(expr: sp.Basic) -> tuple[str, str]:
    """(structure, identity): the first knows names and specifications, the second also which
    parameter is meant, for two parameters may look the same.

    Both are digests of the expression written as numbered lines, equal lines once.
    """
    lines: dict[str, int] = {}  # a node's identity -> its number
    structure: list[str] = []
    number: dict[int, int] = {}
    for node in postorder([expr], _children):
        known = getattr(node, "structure", None)
        if known is not None:
            line, looks = node.identity, known
        elif node.args:
            line = looks = f"{type(node).__name__}{[number[id(a)] for a in node.args]}"
        else:
            line = looks = f"{type(node).__name__}{_content(node)!r}"
        number[id(node)] = lines.setdefault(line, len(lines))
        if len(structure) < len(lines):
            structure.append(looks)
    return digest(*structure), digest(*lines)


def _children(e: sp.Basic) -> tuple:
    return () if hasattr(e, "structure") else e.args


def _content(atom: sp.Basic) -> tuple:
    if isinstance(atom, sp.Symbol):
        own = getattr(atom, "dummy_index", "")
        return (atom.name, sorted(atom._assumptions_orig.items()), own)
    return atom._hashable_content() or (str(atom),)
