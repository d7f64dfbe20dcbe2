"""Contractions: `@`, dot, outer and einsum are one operation."""

from __future__ import annotations

import itertools
import string
from typing import Any, ClassVar

import numpy as np
import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from symgrad.language.operation import Operation, shown_operand
from symgrad.language.row import Domain, Row, op, register
from symgrad.language.tensor import VANISHED, describe, sympify

LETTERS = string.ascii_lowercase + string.ascii_uppercase


def split(subscripts: str) -> tuple[list[str], str]:
    """ "ij,j->i" as (["ij", "j"], "i")."""
    left, _, right = subscripts.partition("->")
    return left.split(","), right


def _sizes(shapes: tuple[tuple, ...], subscripts: str) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for letters, shape in zip(split(subscripts)[0], shapes, strict=True):
        if len(letters) != len(shape):
            raise ValueError(
                f"a contraction {subscripts} wants {len(letters)} axes where an operand has the "
                f"shape {shape}"
            )
        for letter, size in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                given = ", ".join(map(str, shapes))
                raise ValueError(
                    f"a contraction {subscripts} needs equal sizes along {letter!r}: "
                    f"{sizes[letter]} and {size} were given, in operands of shapes {given}"
                )
    return sizes


def _shape(*shapes: tuple, subscripts: str) -> tuple:
    sizes = _sizes(shapes, subscripts)
    return tuple(sizes[letter] for letter in split(subscripts)[1])


def _einsum(leads: tuple[int, ...], *arrays: np.ndarray, subscripts: str) -> np.ndarray:
    """`leads` says which operands have the sample axis in front; here it gets a letter."""
    terms, out = split(subscripts)
    if any(leads):
        terms, free = _sampled_terms(leads, subscripts)
        out = free + out
    return np.einsum(",".join(terms) + "->" + out, *arrays, optimize=len(arrays) > 1)


def _sampled_terms(leads: tuple[int, ...], subscripts: str) -> tuple[list[str], str]:
    """The operands' letters with one for the sample axis, and that letter."""
    free = letters(1, subscripts)
    return [free * lead + t for lead, t in zip(leads, split(subscripts)[0], strict=True)], free


def mean_einsum(n: int, leads: tuple[int, ...], *arrays: np.ndarray, subscripts: str) -> np.ndarray:
    """The mean over n samples of a contraction: a contraction over the samples, too."""
    terms, _ = _sampled_terms(leads, subscripts)
    text = ",".join(terms) + "->" + split(subscripts)[1]
    return np.einsum(text, *arrays, optimize=len(arrays) > 1) / n


def _pull(i: int, g: Any, _: Any, *x: Any, subscripts: str) -> Any:
    """The adjoint of operand i: the others contracted with g, spread along what only i has."""
    terms, out = split(subscripts)
    others = [(t, v) for k, (t, v) in enumerate(zip(terms, x, strict=True)) if k != i]
    known = set(out).union(*(t for t, _ in others))
    kept = "".join(letter for letter in terms[i] if letter in known)
    value = _contract([(out, g), *others], kept)
    if kept == terms[i]:
        return value
    shape = x[i].shape
    thin = tuple(s if c in known else 1 for c, s in zip(terms[i], shape, strict=True))
    return op.broadcast_to(op.reshape(value, shape=thin), shape=shape)


def _contract(pairs: list[tuple[str, Any]], out: str) -> Any:
    """An einsum whose scalars are factors outside."""
    tensors = [(t, v) for t, v in pairs if t]
    factors = [v for t, v in pairs if not t]
    if not tensors or (len(tensors) == 1 and tensors[0][0] == out):
        factors += [v for _, v in tensors]
    else:
        text = ",".join(t for t, _ in tensors) + "->" + out
        factors.append(op.einsum(*(v for _, v in tensors), subscripts=text))
    return op.mul(*factors) if len(factors) > 1 else factors[0]


register(
    Row(
        "einsum", "contraction", _einsum, (_pull,), shape=_shape, variadic=True,
        domain=Domain(((-1.0, 1.0),)),
    )
)  # fmt: skip


class Einsum(Operation):
    row = "einsum"
    level = PRECEDENCE["Mul"] - 1  # below *, so that a factor stands in parentheses

    PATTERNS: ClassVar = {  # printed like in a paper, up to the names of the letters
        "a,a->": "{0} @ {1}", "ab,b->a": "{0} @ {1}", "a,ab->b": "{0} @ {1}",
        "ab,bc->ac": "{0} @ {1}", "ab,a->b": "{0}.T @ {1}", "ab,ac->bc": "{0}.T @ {1}",
        "ab,cb->ac": "{0} @ {1}.T", "a,b->ab": "outer({0}, {1})", "ab,ab->": "sum({0}*{1})",
        "a,ba->b": "{1} @ {0}", "a,b->ba": "outer({1}, {0})", "ab,ca->cb": "{1} @ {0}",
    }  # fmt: skip
    LATEX: ClassVar = {
        "a,a->": r"{0}^\top {1}", "ab,b->a": "{0} {1}", "a,ab->b": r"{1}^\top {0}",
        "ab,bc->ac": "{0} {1}", "ab,a->b": r"{0}^\top {1}", "ab,ac->bc": r"{0}^\top {1}",
        "ab,cb->ac": r"{0} {1}^\top", "a,b->ab": r"{0} {1}^\top", "a,ba->b": "{1} {0}",
        "a,b->ba": r"{1} {0}^\top", "ab,ca->cb": "{1} {0}",
    }  # fmt: skip

    def _canonical(self) -> str:
        names: dict[str, str] = {}
        for c in self.attributes["subscripts"]:
            if c.isalpha():
                names.setdefault(c, LETTERS[len(names)])
        return "".join(names.get(c, c) for c in self.attributes["subscripts"])

    def _sympystr(self, printer: Any) -> str:
        pattern = self.PATTERNS.get(self._canonical())
        if pattern is None:
            shown = ", ".join(shown_operand(printer, x, 0) for x in self.operands)
            return f"einsum('{self.attributes['subscripts']}', {shown})"
        level = 0 if pattern.endswith(")") and "*" not in pattern else PRECEDENCE["Mul"] + 1
        return pattern.format(*(shown_operand(printer, x, level) for x in self.operands))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        pattern = self.LATEX.get(self._canonical())
        if pattern is None:
            return super()._latex(printer, exp)
        level = PRECEDENCE["Mul"] + 1
        shown = (shown_operand(_Parenthesizer(printer), x, level) for x in self.operands)
        text = pattern.format(*shown)
        return rf"\left({text}\right)^{{{exp}}}" if exp else text


class _Parenthesizer:
    """SymPy's LaTeX printer, with `parenthesize` taking the level that the text printer takes."""

    def __init__(self, printer: Any) -> None:
        self._print = printer._print
        self.parenthesize = printer.parenthesize


def _rank(x: sp.Expr) -> int:
    return len(describe(x)[0])


def matmul(a: Any, b: Any) -> sp.Expr:
    """The matrix product by NumPy's rules, for every rank from 1.

    >>> import symgrad as sg
    >>> W, x = sg.parameter("W", shape=(3, 4), init=0), sg.data("x", shape=4)
    >>> sg.matmul(W, x)
    W @ x
    """
    a, b = sympify(a), sympify(b)
    shapes = describe(a)[0], describe(b)[0]
    if not all(shapes):
        raise ValueError(
            f"@ wants vectors or matrices; {a} has shape {shapes[0]}, {b} {shapes[1]}. {VANISHED}"
        )
    n, m = map(len, shapes)
    contracted = shapes[0][-1], shapes[1][-2 if m > 1 else 0]
    if contracted[0] != contracted[1]:
        raise ValueError(
            f"{a} @ {b}: shapes {shapes[0]} and {shapes[1]} do not fit, "
            f"{contracted[0]} against {contracted[1]}"
        )
    if n > 2 or m > 2:
        a, b = _batched(a, b)
        n, m = _rank(a), _rank(b)
    batch = LETTERS[3 : 3 + max(n, m, 2) - 2]
    left = batch[len(batch) - (n - 2) :] * (n > 2) + "ij"[-min(n, 2) :]
    right = batch[len(batch) - (m - 2) :] * (m > 2) + ("jk" if m > 1 else "j")
    out = batch + "i" * (n > 1) + "k" * (m > 1)
    return Einsum(a, b, subscripts=f"{left},{right}->{out}")


def _batched(a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Broadcast the leading axes of stacked matrices against each other, sizes of 1 included."""
    from symgrad.language.row import broadcast
    from symgrad.language.views import broadcast_to

    lead = [describe(x)[0][:-2] if _rank(x) > 2 else () for x in (a, b)]
    common = broadcast(*lead)
    spread = []
    for x, own in zip((a, b), lead, strict=True):
        fits = not own or own == common[len(common) - len(own) :]
        spread.append(x if fits else broadcast_to(x, common + describe(x)[0][-2:]))
    return spread[0], spread[1]


def dot(a: Any, b: Any) -> sp.Expr:
    """The inner product of two vectors, or NumPy's `dot` for matrices: the same as `a @ b`.

    >>> import symgrad as sg
    >>> sg.dot(sg.data("p", shape=3), sg.data("q", shape=3))
    p @ q
    """
    a, b = sympify(a), sympify(b)
    return a * b if not (_rank(a) or _rank(b)) else matmul(a, b)


def outer(a: Any, b: Any) -> sp.Expr:
    """The outer product of two vectors.

    >>> import symgrad as sg
    >>> sg.shape(sg.outer(sg.data("p", shape=3), sg.data("q", shape=2)))
    (3, 2)
    """
    a, b = sympify(a), sympify(b)
    if _rank(a) != 1 or _rank(b) != 1:
        raise ValueError(
            f"sg.outer wants two vectors, not shapes {describe(a)[0]} and {describe(b)[0]}"
        )
    return Einsum(a, b, subscripts="i,j->ij")


def einsum(subscripts: str, *operands: Any) -> sp.Expr:
    """NumPy's einsum, over one sample's axes.

    Without "->" the result has the letters that occur once, in alphabetical order; "..." stands
    for the axes that are broadcast.

    >>> import symgrad as sg
    >>> A = sg.data("A", shape=(3, 4))
    >>> sg.einsum("ij->i", A).shape
    (3,)
    """
    from symgrad.language.einsum_text import parse

    terms, out, values = parse(subscripts, operands)
    return Einsum(*values, subscripts=",".join(terms) + "->" + out)


def letters(n: int, used: str = "") -> str:
    """n letters that are not in `used`."""
    return "".join(itertools.islice((c for c in LETTERS if c not in used), n))
