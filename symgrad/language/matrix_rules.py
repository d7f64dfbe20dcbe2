"""Pull-backs of matrix operations, by df = Trace(G.T*dY) for the adjoint G of Y.

A rule gives the operands of a node, each with the function from the node's adjoint to the
operand's.  Adjoints of matrices are matrices of the same shape, those of scalars are scalars.
Formulas: Petersen and Pedersen, The Matrix Cookbook (2012), section 2; Giles, Collected matrix
derivative results for forward and reverse mode (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy import HadamardPower, Identity, MatrixExpr
from sympy.core.cache import cacheit
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.calculus.gradient import gradient
from symgrad.language.matrix_algebra import (
    add,
    elementwise,
    elementwise_power,
    hadamard,
    is_one_by_one,
    power,
    product,
    scaled,
    trace,
    transpose,
)
from symgrad.language.matrix_forms import normal
from symgrad.language.matrix_nodes import VARIABLE, Elementwise, MatrixUnit
from symgrad.language.matrix_sums import as_traces
from symgrad.language.substitution import inline

PullBack = Callable[[Any], Any]
Parts = list[tuple[sp.Basic, PullBack]]
ATOMS = (sp.Symbol, MatrixExpr, sp.Trace, sp.Determinant, MatrixElement, sp.Sum)


def parts(e: sp.Basic) -> Parts:
    """The operands of a node and their pull-backs.  Raises TypeError where there is no rule."""
    for cls in type(e).__mro__:
        if cls in RULES:
            return RULES[cls](e)
    if isinstance(e, MatrixExpr):
        raise TypeError(
            f"symgrad has no derivative for {type(e).__name__} in {e}; known are products, sums, "
            "transposes, inverses and integer powers, Trace, Determinant, HadamardProduct, "
            "HadamardPower, applyfunc, DotProduct, DiagMatrix and elements"
        )
    return _scalar(e)


def inner(g: MatrixExpr, y: MatrixExpr) -> sp.Expr:
    """The sum of g's elements times y's."""
    return trace(product(transpose(g), y))


# ---- scalars


def leaves(e: sp.Basic) -> list[sp.Basic]:
    """The symbols and matrix quantities that a scalar expression is written with."""
    if isinstance(e, ATOMS):
        return [e]
    found = dict.fromkeys(x for a in e.args for x in leaves(a))
    for x in found:
        if isinstance(x, MatrixExpr) and not is_one_by_one(x):
            raise TypeError(
                f"symgrad has no derivative for {type(e).__name__} of the matrix {x}; an "
                f"elementwise function is written {x}.applyfunc(f)"
            )
    return list(found)


@cacheit
def derivative(e: sp.Expr, x: sp.Basic) -> sp.Expr:
    """The derivative of a scalar expression by one of its leaves."""
    dummies = {a: sp.Dummy(real=True) for a in leaves(e) if not isinstance(a, sp.Symbol)}
    slope = inline(gradient(e.xreplace(dummies), dummies.get(x, x)))
    return slope.xreplace({d: _as_scalar(a) for a, d in dummies.items()})


def _as_scalar(a: sp.Basic) -> sp.Basic:
    return sp.Trace(a) if isinstance(a, MatrixExpr) else a


def _scalar(e: sp.Expr) -> Parts:
    def pull_back(x: sp.Basic) -> PullBack:
        whole = Identity(1) if isinstance(x, MatrixExpr) else None
        return lambda g: scaled(g * derivative(e, x), whole) if whole else g * derivative(e, x)

    return [(x, pull_back(x)) for x in leaves(e)]


# ---- products and powers


def _product(e: sp.MatMul) -> Parts:
    c, matrices = e.as_coeff_matrices()
    turned = [transpose(a) for a in matrices]

    def pull_back(i: int) -> PullBack:
        return lambda g: product(c, *reversed(turned[:i]), g, *reversed(turned[i + 1 :]))

    found: Parts = [(a, pull_back(i)) for i, a in enumerate(matrices)]
    return [*found, (c, lambda g: inner(g, product(*matrices)))]


def _power(e: sp.MatPow) -> Parts:
    a, n, turned = e.base, e.exp, transpose(e.base)
    if is_one_by_one(a):
        slope: PullBack = lambda g: product(n, power(a, n - 1), g)  # noqa: E731
        return [(a, slope), (n, lambda g: inner(g, e) * sp.log(sp.Trace(a)))]
    if not n.is_Integer:
        raise TypeError(f"symgrad has no derivative for {e}: a matrix's exponent is an integer")
    if n > 0:  # d(A^n) = sum A^k dA A^(n-1-k)
        sign, exponents = 1, [(k, n - 1 - k) for k in range(n)]
    else:  # d(A^-m) = -sum A^-k dA A^-(m+1-k)
        sign, exponents = -1, [(-k, k + n - 1) for k in range(1, 1 - n)]
    sandwich = [(power(turned, p), power(turned, q)) for p, q in exponents]
    return [(a, lambda g: add(*(product(sign, left, g, right) for left, right in sandwich)))]


def _hadamard(e: sp.HadamardProduct) -> Parts:
    def pull_back(i: int) -> PullBack:
        return lambda g: hadamard(*e.args[:i], *e.args[i + 1 :], g)

    return [(a, pull_back(i)) for i, a in enumerate(e.args)]


def _hadamard_power(e: HadamardPower) -> Parts:
    a, p = e.base, e.exp
    if not isinstance(a, MatrixExpr):  # c**P
        return [(a, lambda g: inner(g, hadamard(p, e)) / a),
                (p, lambda g: scaled(sp.log(a), hadamard(e, g)))]  # fmt: skip
    log = elementwise(sp.log(VARIABLE), a)
    if isinstance(p, MatrixExpr):
        less = add(p, scaled(-1, sp.OneMatrix(*p.shape)))
        return [(a, lambda g: hadamard(p, elementwise_power(a, less), g)),
                (p, lambda g: hadamard(e, log, g))]  # fmt: skip
    return [(a, lambda g: scaled(p, hadamard(elementwise_power(a, p - 1), g))),
            (p, lambda g: inner(g, hadamard(e, log)))]  # fmt: skip


# ---- elements and functions of elements


def _elementwise(e: Elementwise) -> Parts:
    body, a = e.function.expr, e.expr

    def slope(x: sp.Basic) -> MatrixExpr:
        return elementwise(derivative(body, x), a)

    found: Parts = [(a, lambda g: hadamard(slope(VARIABLE), g))]
    others = [x for x in leaves(body) if x != VARIABLE]
    return found + [(x, lambda g, x=x: _spread(x, inner(g, slope(x)))) for x in others]


def _spread(x: sp.Basic, g: sp.Expr) -> Any:
    return scaled(g, Identity(1)) if isinstance(x, MatrixExpr) else g


def _element(e: MatrixElement) -> Parts:
    a, i, j = e.args
    return [(a, lambda g: scaled(g, unit(a, i, j)))]


def unit(a: MatrixExpr, i: sp.Expr, j: sp.Expr) -> MatrixExpr:
    """The matrix of a's shape with 1 at (i, j) and 0 elsewhere."""
    if is_one_by_one(a):
        return Identity(1)
    if all(x.is_Integer for x in (*a.shape, i, j)):
        return sp.SparseMatrix(*a.shape, {(int(i), int(j)): 1}).as_immutable()
    return MatrixUnit(*a.shape, i, j)


def _explicit(e: MatrixExpr) -> Parts:
    def pull_back(i: int, j: int) -> PullBack:
        return lambda g: g[i, j]

    places = [(i, j) for i in range(e.rows) for j in range(e.cols) if not e[i, j].is_number]
    return [(normal(e[i, j]), pull_back(i, j)) for i, j in places]


def _diagonal(e: sp.DiagonalOf) -> Parts:
    if e.arg.rows != e.arg.cols:
        raise TypeError(f"symgrad has no derivative for the diagonal of {e.arg}: it is not square")
    return [(e.arg, sp.DiagMatrix)]


def _like(a: MatrixExpr, b: MatrixExpr) -> MatrixExpr:
    """The vector a, standing or lying as b does."""
    return a if a.shape == b.shape else transpose(a)


def _same(g: Any) -> Any:
    return g


# fmt: off
RULES: dict[type, Callable[[Any], Parts]] = {
    # ---- leaves
    sp.Symbol: lambda e: [], sp.MatrixSymbol: lambda e: [], Identity: lambda e: [],
    sp.ZeroMatrix: lambda e: [], sp.OneMatrix: lambda e: [], MatrixUnit: lambda e: [],
    # ---- linear
    sp.MatAdd:         lambda e: [(a, _same) for a in e.args],
    sp.Transpose:      lambda e: [(e.arg, transpose)],
    sp.Trace:          lambda e: [(e.arg, lambda g: scaled(g, Identity(e.arg.rows)))],
    sp.DiagMatrix:     lambda e: [(e.args[0], lambda g: _like(sp.DiagonalOf(g), e.args[0]))],
    sp.DiagonalMatrix: lambda e: [(e.arg, lambda g: hadamard(Identity(e.rows), g))],
    sp.DiagonalOf:     _diagonal,
    sp.MatrixBase:     _explicit,
    MatrixElement:     _element,
    # ---- products and powers
    sp.MatMul:          _product,
    sp.MatPow:          _power,
    sp.HadamardProduct: _hadamard,
    HadamardPower:      _hadamard_power,
    Elementwise:        _elementwise,
    sp.Inverse:     lambda e: [(e.arg, lambda g: product(-1, transpose(e), g, transpose(e)))],
    sp.Determinant: lambda e: [(e.arg, lambda g: scaled(g*e, power(transpose(e.arg), -1)))],
    # ---- scalars
    sp.Add: lambda e: [(a, _same) for a in e.args],
    sp.Sum: lambda e: [(normal(as_traces(e)), _same)],
}
# fmt: on
