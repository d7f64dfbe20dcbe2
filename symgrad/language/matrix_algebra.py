"""Products, sums and transposes of SymPy's matrix expressions in one form.

SymPy's own `doit` multiplies numbers into sums and leaves equal terms apart, which makes gradients
hard to read.  Here transposes stand at the symbols, numbers in front of products, sums stay
factors, and equal terms are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp
from sympy import (
    DiagMatrix,
    DiagonalMatrix,
    HadamardPower,
    HadamardProduct,
    Identity,
    Inverse,
    MatAdd,
    MatMul,
    MatPow,
    MatrixExpr,
    OneMatrix,
    Transpose,
    ZeroMatrix,
)
from sympy.core.cache import cacheit

from symgrad.language.matrix_nodes import VARIABLE, ElementPower, Elementwise, Hadamard, MatrixUnit


def is_one_by_one(a: MatrixExpr) -> bool:
    return a.shape == (1, 1)


def is_explicit(a: sp.Basic) -> bool:
    """Whether a matrix is given by its elements."""
    return isinstance(a, sp.MatrixBase)


def is_zero(a: MatrixExpr) -> bool:
    return isinstance(a, ZeroMatrix) or (is_explicit(a) and bool(a.is_zero_matrix))


def split(a: MatrixExpr) -> tuple[sp.Expr, MatrixExpr]:
    """c and A of c*A."""
    if not isinstance(a, MatMul):
        return sp.S.One, a
    c, matrices = a.as_coeff_matrices()
    return c, matrices[0] if len(matrices) == 1 else MatMul(*matrices)


def scaled(c: Any, a: MatrixExpr) -> MatrixExpr:
    """c*A, the number in front."""
    own, rest = split(a)
    c = sp.sympify(c) * own
    if c == 0 or is_zero(rest):
        return ZeroMatrix(*a.shape)
    if is_explicit(rest):
        return rest.applyfunc(lambda x: c * x).as_immutable()
    if c == 1:
        return rest
    return MatMul(c, *(rest.args if isinstance(rest, MatMul) else (rest,)))


def product(*factors: Any) -> MatrixExpr:
    """The product of matrices and scalars, without identities and with powers joined.

    >>> X = sp.MatrixSymbol("X", 3, 3)
    >>> product(2, X, sp.Identity(3), X, X.inverse())
    2*X
    """
    flat = [x for f in factors for x in (f.args if isinstance(f, MatMul) else (f,))]
    matrices = [f for f in flat if isinstance(f, MatrixExpr)]
    numbers = [f for f in flat if not isinstance(f, MatrixExpr)]
    shape = matrices[0].rows, matrices[-1].cols
    joined: list[MatrixExpr] = []
    for a in matrices:
        while joined and (pair := _joined(joined[-1], a)) is not None:
            joined.pop()
            c, a = split(pair)
            numbers.append(c)
        if not _is_identity(a):
            joined.append(a)
    c = sp.Mul(*numbers)
    if any(map(is_zero, matrices)) or c == 0:
        return ZeroMatrix(*shape)
    return scaled(c, MatMul(*joined) if len(joined) > 1 else (joined or [Identity(shape[0])])[0])


def _is_identity(a: MatrixExpr) -> bool:
    return isinstance(a, Identity) or (isinstance(a, OneMatrix) and is_one_by_one(a))


def _joined(a: MatrixExpr, b: MatrixExpr) -> MatrixExpr | None:
    """Two neighbours as one matrix, where that is simpler."""
    if is_explicit(a) and is_explicit(b):
        return (a * b).as_immutable()
    if isinstance(a, OneMatrix) and isinstance(b, OneMatrix):  # every element is a.cols
        return scaled(a.cols, OneMatrix(a.rows, b.cols))
    (base, p), (other, q) = _power(a), _power(b)
    if base == other and base.rows == base.cols:
        return power(base, p + q)  # A A^-1 = I
    return None


def _power(a: MatrixExpr) -> tuple[MatrixExpr, sp.Expr]:
    return (a.base, a.exp) if isinstance(a, MatPow) else (a, sp.S.One)


def power(a: MatrixExpr, p: Any) -> MatrixExpr:
    """A**p; A**1 is A, A**0 the identity."""
    p = sp.sympify(p)
    base, q = _power(a) if p.is_integer else (a, sp.S.One)  # (A**q)**p = A**(p*q)
    if p * q == 0 or _is_identity(base):
        return Identity(a.rows)
    if p * q == 1:
        return base
    return Inverse(base) if p * q == -1 else MatPow(base, p * q)


def add(*terms: MatrixExpr) -> MatrixExpr:
    """The sum, equal terms added up.

    >>> X, Y = sp.symbols("X Y", cls=lambda name: sp.MatrixSymbol(name, 3, 3))
    >>> add(X, Y, X)
    2*X + Y
    """
    whole = _collected(terms)
    if len(whole) > 1:
        whole = _collected(x for t in whole for x in (t.args if isinstance(t, MatAdd) else (t,)))
    if not whole:
        return ZeroMatrix(*terms[0].shape)
    if len(whole) == 1:
        return whole[0]
    pairs = [split(t) for t in sorted(whole, key=sp.default_sort_key)]
    c = pairs[0][0]
    if c not in (1, -1) and all(c == other for other, _ in pairs):
        return MatMul(c, MatAdd(*(a for _, a in pairs)))  # c*A + c*B = c*(A + B)
    return MatAdd(*(scaled(c, a) for c, a in pairs))


def _collected(terms: Iterable[MatrixExpr]) -> list[MatrixExpr]:
    totals: dict[MatrixExpr, sp.Expr] = {}
    explicit: list[MatrixExpr] = []
    for term in terms:
        c, a = split(term)
        if is_explicit(a):
            explicit.append(scaled(c, a))
        elif not is_zero(a):
            totals[a] = totals.get(a, sp.S.Zero) + c
    parts = [scaled(c, a) for a, c in totals.items() if c != 0]
    if explicit:
        total = explicit[0]
        for a in explicit[1:]:
            total = total + a
        parts += [] if is_zero(total) else [total.as_immutable()]
    return parts


def hadamard(*factors: MatrixExpr) -> MatrixExpr:
    """The elementwise product, numbers in front, without matrices of ones."""
    flat = [x for f in factors for x in (f.args if isinstance(f, HadamardProduct) else (f,))]
    pairs = [split(f) for f in flat]
    c = sp.Mul(*(c for c, _ in pairs))
    counts: dict[MatrixExpr, sp.Expr] = {}
    for _, a in pairs:
        base, p = a.args if _is_scalar_power(a) else (a, sp.S.One)
        counts[base] = counts.get(base, sp.S.Zero) + p
    matrices = [elementwise_power(a, p) for a, p in counts.items()]
    matrices = [a for a in matrices if not isinstance(a, OneMatrix)]
    if any(map(is_zero, matrices)):
        return ZeroMatrix(*factors[0].shape)
    if len(matrices) > 1:
        return scaled(c, Hadamard(*matrices))
    return scaled(c, matrices[0] if matrices else OneMatrix(*factors[0].shape))


def _is_scalar_power(a: MatrixExpr) -> bool:
    known = isinstance(a, HadamardPower)
    return known and isinstance(a.base, MatrixExpr) and not isinstance(a.exp, MatrixExpr)


def elementwise_power(a: Any, p: Any) -> MatrixExpr:
    """Every element of a to the power p; one of them may be a scalar."""
    if p == 0:
        return OneMatrix(*a.shape)
    return a if p == 1 or isinstance(a, OneMatrix) else ElementPower(a, p)


def elementwise(body: sp.Expr, a: MatrixExpr) -> MatrixExpr:
    """body, a function of VARIABLE, of every element of A; numbers in front."""
    c, rest = body.as_independent(VARIABLE, as_Add=False)
    base, p = rest.as_base_exp()
    if base == VARIABLE and VARIABLE not in p.free_symbols:
        return scaled(c, elementwise_power(a, p))
    if rest == 1:
        return scaled(c, OneMatrix(*a.shape))
    return scaled(c, Elementwise(sp.Lambda(VARIABLE, rest), a))


def apply_function(function: Any, a: MatrixExpr) -> MatrixExpr:
    """An elementwise function as SymPy holds it, with our variable."""
    return elementwise(function(VARIABLE), a)


def trace(a: MatrixExpr) -> sp.Expr:
    """The sum of the diagonal, numbers in front."""
    c, rest = split(a)
    if is_zero(rest):
        return sp.S.Zero
    if is_explicit(rest):
        return c * rest.trace()
    if isinstance(rest, Identity | OneMatrix):
        return c * rest.rows
    return c * sp.Trace(min(rest, transpose(rest), key=transposes))


def dot(a: MatrixExpr, b: MatrixExpr) -> sp.Expr:
    """The inner product of two vectors, standing or lying."""
    left, right = (transpose(a), b) if a.shape == b.shape else (a, b)
    return trace(product(left, right) if left.rows == 1 else product(right, left))


@cacheit
def transpose(a: MatrixExpr) -> MatrixExpr:
    """The transpose, moved to the symbols: (A*B).T is B.T*A.T.

    >>> X, Y = sp.MatrixSymbol("X", 3, 2), sp.MatrixSymbol("Y", 2, 4)
    >>> transpose(product(3, X, Y))
    3*Y.T*X.T
    """
    for cls in type(a).__mro__:
        if cls in TRANSPOSED:
            return TRANSPOSED[cls](a)
    return Transpose(a)


def _transposed_power(a: HadamardPower) -> MatrixExpr:
    return ElementPower(*(transpose(x) if isinstance(x, MatrixExpr) else x for x in a.args))


# fmt: off
TRANSPOSED: dict[type, Callable[[Any], MatrixExpr]] = {
    MatAdd:          lambda a: add(*map(transpose, a.args)),
    MatMul:          lambda a: product(*(transpose(x) if isinstance(x, MatrixExpr) else x
                                         for x in reversed(a.args))),
    MatPow:          lambda a: power(transpose(a.base), a.exp),
    Transpose:       lambda a: a.arg,
    HadamardProduct: lambda a: hadamard(*map(transpose, a.args)),
    HadamardPower:   _transposed_power,
    Elementwise:     lambda a: Elementwise(a.function, transpose(a.expr)),
    MatrixUnit:      lambda a: MatrixUnit(a.cols, a.rows, a.args[3], a.args[2]),
    OneMatrix:       lambda a: OneMatrix(a.cols, a.rows),
    ZeroMatrix:      lambda a: ZeroMatrix(a.cols, a.rows),
    Identity:        lambda a: a,
    DiagMatrix:      lambda a: a,
    DiagonalMatrix:  lambda a: a,
    sp.MatrixBase:   lambda a: a.T.as_immutable(),
}
# fmt: on


@cacheit
def transposes(a: sp.Basic) -> int:
    """How often a transpose is written in an expression."""
    return isinstance(a, Transpose) + sum(map(transposes, children(a)))


def children(e: sp.Basic) -> tuple:
    """The arguments that matrices may stand in."""
    leaf = isinstance(e, sp.MatrixSymbol | sp.Symbol) or is_explicit(e)
    return () if leaf else e.args
