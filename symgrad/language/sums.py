"""SymPy's sums, products, indexed symbols and matrices of scalars, written out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp

from symgrad.language.indexing import take
from symgrad.language.rearrange import stack
from symgrad.language.substitution import substitute
from symgrad.language.symbols import constant
from symgrad.language.tensor import OPAQUE, Shaped, describe
from symgrad.language.views import reshape


def written_out(join: Callable[..., sp.Expr]) -> Callable[..., sp.Expr]:
    """Sum or Product as its terms, joined."""

    def rule(term: sp.Expr, *limits: sp.Tuple) -> sp.Expr:
        return join(*_terms(term, limits))

    return rule


def _terms(term: sp.Expr, limits: tuple) -> Iterator[sp.Expr]:
    if not limits:
        yield term
        return
    *inner, (variable, low, high) = limits  # the last limit is the outermost
    if not (low.is_Integer and high.is_Integer) or high < low - 1:
        raise ValueError(
            f"a sum or product over {variable} from {low} to {high} is written out: its bounds "
            "must be whole numbers, the first at most the second; sg.sum joins a tensor's elements"
        )
    for k in range(int(low), int(high) + 1):
        bounds = tuple(limit.xreplace({variable: sp.Integer(k)}) for limit in inner)
        yield from _terms(substitute(term, {variable: k}), bounds)


def indexed(base: sp.IndexedBase, *index: sp.Expr) -> sp.Expr:
    """`sp.IndexedBase(x)[i, j]` as an element of the tensor x."""
    symbol = base.args[0]
    if not isinstance(symbol, Shaped):
        raise ValueError(
            f"the IndexedBase {base} has no shape: make it of a tensor, "
            f"sp.IndexedBase(sg.data({str(symbol)!r}, shape=...))"
        )
    if len(index) != len(symbol.shape):
        raise ValueError(f"{base} has shape {symbol.shape}, and {len(index)} indices were given")
    return take(symbol, index)


def matrix_of_scalars(matrix: sp.MatrixBase) -> sp.Expr:
    """A SymPy Matrix of known size as a tensor of rank 2."""
    if all(e.is_Number for e in matrix):
        return constant([[float(e) for e in row] for row in matrix.tolist()])
    entries = list(matrix)
    if any(describe(e)[0] != () for e in entries):
        raise TypeError(
            f"the entries of {matrix} are tensors; a SymPy Matrix holds scalars: join tensors by "
            "sg.stack or sg.concatenate"
        )
    return reshape(stack(entries), matrix.shape)


OPAQUE.update({
    sp.Sum: lambda e: describe(e.function), sp.Product: lambda e: describe(e.function),
    sp.Indexed: lambda e: ((), getattr(e.args[0].args[0], "dtype", "float")),
})  # fmt: skip
