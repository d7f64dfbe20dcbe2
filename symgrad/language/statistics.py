"""Variances and norms, with torch's derivatives where a root has none."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.language.arguments import whole
from symgrad.language.choice import where
from symgrad.language.elementary import safe_sqrt
from symgrad.language.pointwise import indicator
from symgrad.language.reductions import count, mean, normalize_axes
from symgrad.language.reductions import max as max_over
from symgrad.language.reductions import min as min_over
from symgrad.language.reductions import sum as sum_over
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import describe, sympify


def var(z: Any, *, axis: Any = None, keepdims: bool = False, correction: int = 1) -> sp.Expr:
    """The variance over axes of one sample's value: squared distances over n - correction.

    As torch.var it divides by n - 1 by default; `correction=0` is NumPy's and divides by n.

    >>> import symgrad as sg
    >>> sg.shape(sg.var(sg.data("x", shape=(2, 3)), axis=1))
    (2,)
    """
    z = anonymous(sympify(z))
    shape = describe(z)[0]
    axes = normalize_axes(axis, len(shape), "var")
    n = count(shape, axes) - whole(correction, "sg.var: the correction")
    if isinstance(n, int) and n <= 0:
        raise ValueError(
            f"sg.var: {count(shape, axes)} elements less the correction {correction} leave none; "
            "correction=0 divides by their number"
        )
    distance = z - mean(z, axis=axes, keepdims=True)
    return sum_over(distance**2, axis=axes, keepdims=keepdims) / n


def std(z: Any, *, axis: Any = None, keepdims: bool = False, correction: int = 1) -> sp.Expr:
    """The square root of `sg.var`; its derivative is 0 where all elements are equal."""
    return safe_sqrt(var(z, axis=axis, keepdims=keepdims, correction=correction))


def norm(z: Any, p: Any = 2, *, axis: Any = None, keepdims: bool = False) -> sp.Expr:
    """The p-norm of the elements along axes, of a matrix too: 2 is Euclid's or Frobenius's.

    p: a positive number, sp.oo, -sp.oo, or 0 (the number of elements that are not 0).  The
    derivative is 0 where the norm is, as in torch.

    >>> import symgrad as sg
    >>> sg.norm(sg.data("x", shape=3), 1)
    sum(Abs(x))
    """
    z, p = anonymous(sympify(z)), sympify(p)
    if not p.is_number:
        raise TypeError(f"sg.norm wants a number p, or sympy.oo, not {p}")
    over: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
    if p == 0:
        return sum_over(indicator(sp.Ne(z, 0)), **over)
    if p == 1:
        return sum_over(sp.Abs(z), **over)
    if p == 2:
        return safe_sqrt(sum_over(z**2, **over))
    if p in (sp.oo, -sp.oo):
        return (max_over if p > 0 else min_over)(sp.Abs(z), **over)
    size = anonymous(sp.Abs(z))
    powers = where(sp.Eq(size, 0), 0, size**p) if p < 2 else size**p
    total = anonymous(sum_over(powers, **over))
    return anonymous(where(sp.Eq(total, 0), 0, total ** (1 / p)))  # or SymPy would divide by 0
