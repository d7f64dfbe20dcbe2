"""Einsum's subscripts in full: implicit output, ellipsis and repeated letters, made explicit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.symbols import constant
from symgrad.language.tensor import VANISHED, describe, sympify


def parse(subscripts: str, operands: Sequence[Any]) -> tuple[list[str], str, list[sp.Expr]]:
    """Terms, output and operands of an equivalent einsum of plain, distinct letters."""
    if not isinstance(subscripts, str):
        raise TypeError(f"sg.einsum wants its subscripts first, as a string, not {subscripts!r}")
    values = [sympify(x) for x in operands]
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    _check(subscripts, terms, out, len(values))
    terms, values, dots = _expand_ellipsis(subscripts, terms, values)
    if arrow:
        out = out.replace("...", dots)
    else:
        counts = Counter(c for t in terms for c in t if c not in dots)
        out = dots + "".join(sorted(c for c, n in counts.items() if n == 1))
    for c in out:
        if out.count(c) > 1 or not any(c in t for t in terms):
            raise ValueError(f"einsum {subscripts!r}: the output's {c!r} must occur once, and left")
    return *_split_repeated(terms, values, out), values


def _check(subscripts: str, terms: list[str], out: str, count: int) -> None:
    if len(terms) != count:
        raise ValueError(f"einsum {subscripts!r} names {len(terms)} operands; {count} were given")
    for term in (*terms, out):
        letters = term.replace("...", "", 1)
        if not all(c.isascii() and c.isalpha() for c in letters):
            raise ValueError(f"einsum {subscripts!r}: {term!r} must hold letters and one '...'")


def _expand_ellipsis(
    subscripts: str, terms: list[str], values: list[sp.Expr]
) -> tuple[list[str], list[sp.Expr], str]:
    """Give the axes under "..." letters; sizes of 1 there are broadcast."""
    from symgrad.language.contractions import letters
    from symgrad.language.row import broadcast
    from symgrad.language.views import broadcast_to

    shapes = [describe(v)[0] for v in values]
    extras = []
    for term, shape in zip(terms, shapes, strict=True):
        n = len(shape) - len(term.replace("...", ""))
        if n < 0 or (n > 0 and "..." not in term):
            raise ValueError(
                f"einsum {subscripts!r}: {term!r} has {len(term.replace('...', ''))} letters for "
                f"an operand of shape {shape}" + (f". {VANISHED}" if not shape else "")
            )
        at = term.find("...")
        extras.append(shape[at : at + n] if at >= 0 else ())
    common = broadcast(*extras)
    dots = letters(len(common), subscripts)
    wide_terms, wide = [], []
    for term, value, shape, extra in zip(terms, values, shapes, extras, strict=True):
        n, at = len(extra), term.find("...")
        target = common[len(common) - n :]
        if extra != target:
            value = broadcast_to(value, shape[:at] + target + shape[at + n :])
        wide_terms.append(term.replace("...", dots[len(dots) - n :]))
        wide.append(value)
    return wide_terms, wide, dots


def _split_repeated(terms: list[str], values: list[sp.Expr], out: str) -> tuple[list[str], str]:
    """x_ii is x_ij d_ij: a repeated letter becomes two, joined by the identity matrix."""
    from symgrad.language.contractions import letters

    used = "".join(terms) + out
    for k in range(len(values)):
        for c in dict.fromkeys(terms[k]):
            while terms[k].count(c) > 1:
                fresh = letters(1, used)
                used += fresh
                at = terms[k].rindex(c)
                terms[k] = terms[k][:at] + fresh + terms[k][at + 1 :]
                size = describe(values[k])[0][at]
                terms.append(c + fresh)
                values.append(constant(np.eye(size)))
    return terms, out
