"""Contractions of many values, two at a time.

    x[n, i] T[k, i, j] z[n, j]  ->  (x[n, i] T[k, i, j])[n, k, j] z[n, j]

Two values at a time take fewer operations than all of them in one loop nest, and may be a matrix
product.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from symgrad.lower.nodes import SAMPLE, Extent, Node, Ragged, largest, node
from symgrad.lower.products import match

UNLIMITED = 2**62  # elements of what stands between
LETTERS = string.ascii_letters


def pairwise(nodes: Sequence[Node], batch: int) -> list[Node]:
    """The nodes in their order, contractions of more than two values in steps where that pays."""
    found: list[Node] = []
    for x in nodes:
        if _is_splittable(x):
            found.extend(_split(x, batch))
        found.append(x)
    return found


def _is_splittable(x: Node) -> bool:
    return (
        x.operation == "einsum"
        and len(x.operands) > 2
        and x.kind == "float"
        and not x.wide
        and len(x.attributes["letters"]) <= len(LETTERS)
        and not any(isinstance(e, Ragged) for e in x.attributes["letters"].values())
        and all(isinstance(y, Node) and y.extents for y in x.operands)
    )


def _split(x: Node, batch: int) -> list[Node]:
    """Contract two values at a time until two are left in x; what stands between.

    Where no step is a matrix product, x stays as it is: one loop nest needs no memory.
    """
    letters, out = x.attributes["letters"], x.attributes["out"]
    values, terms, made = list(x.operands), list(x.attributes["terms"]), list[Node]()
    *steps, last = _path(terms, out, {c: largest(e, batch) for c, e in letters.items()})
    if any(len(step) != 2 for step in (*steps, last)):
        return []
    for step in steps:
        pair = [values[i] for i in step], [terms[i] for i in step]
        for i in sorted(step, reverse=True):
            del values[i], terms[i]
        needed = {c for term in (*terms, out) for c in term}
        kept = tuple(c for c in _in_order(pair[1]) if c in needed)
        made.append(_contraction(*pair, kept, letters, batch))
        values.append(made[-1])
        terms.append(kept)
    whole = _contraction(values, terms, out, letters, batch)
    if not any(map(match, (*made, whole))):
        return []
    x.operands, x.attributes = whole.operands, whole.attributes
    return made


def _in_order(terms: Sequence[tuple[str, ...]]) -> list[str]:
    """The letters of a value that is made of two: samples first."""
    found = dict.fromkeys(c for term in terms for c in term)
    return [SAMPLE] * (SAMPLE in found) + [c for c in found if c != SAMPLE]


def _contraction(
    values: Sequence[Node], terms: Sequence[tuple[str, ...]], out: tuple[str, ...],
    letters: dict[str, Extent], batch: int,
) -> Node:  # fmt: skip
    used = {c: letters[c] for term in terms for c in term}
    attributes = {"terms": tuple(terms), "letters": used, "out": out}
    extents = tuple(letters[c] for c in out)
    x = node("einsum", values, extents, batch, attributes=attributes, lead=int(SAMPLE in out))
    x.uses = 1
    return x


def _path(
    terms: Sequence[tuple[str, ...]], out: tuple[str, ...], sizes: dict[str, int]
) -> list[tuple[int, ...]]:
    """Which values are contracted in each step.

    >>> _path([("i",), ("k", "i", "j"), ("j",)], ("k",), {"i": 8, "j": 8, "k": 2})
    [(0, 1), (0, 1)]
    """
    name = dict(zip(sizes, LETTERS, strict=False))
    subscripts = ",".join("".join(name[c] for c in term) for term in terms)
    shapes = [tuple(sizes[c] for c in term) for term in terms]
    values = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
    result = "".join(name[c] for c in out)
    path, _ = np.einsum_path(f"{subscripts}->{result}", *values, optimize=("greedy", UNLIMITED))
    return path[1:]
