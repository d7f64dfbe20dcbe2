"""Functions of square matrices: determinant, inverse, systems of equations, eigenvalues."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.language.arguments import switch
from symgrad.language.linear_algebra import ROWS
from symgrad.language.operation import Operation
from symgrad.language.row import broadcast, register
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import broadcast_to, reshape

register(*ROWS)


class Inverse(Operation):
    row = "inv"
    latex_template = "{0}^{{-1}}"


class Determinant(Operation):
    row = "det"


class Cofactor(Operation):
    """det(A) inv(A)': the derivative of the determinant, of singular matrices too."""

    row = "cofactor"


class CofactorAlong(Operation):
    """How the cofactors of A change along H: the determinant's second derivative."""

    row = "cofactor_along"


class LogDeterminant(Operation):
    row = "logdet"


class Solve(Operation):
    row = "solve"


class TriangularSolve(Operation):
    row = "triangular_solve"


class Cholesky(Operation):
    row = "cholesky"


class Eigenvalues(Operation):
    row = "eigvalsh"


class Eigenvectors(Operation):
    """The eigenvectors of a symmetric matrix, as columns: for derivatives of its eigenvalues."""

    row = "eigenvectors"


def det(A: Any) -> sp.Expr:
    """The determinant of a matrix, or of each in a stack.

    >>> import symgrad as sg
    >>> A = sg.parameter("A", shape=(3, 3), init=0)
    >>> sg.gradient(sg.det(A), A)
    cofactor(A)
    """
    return Determinant(sympify(A))


def logdet(A: Any) -> sp.Expr:
    """The logarithm of the determinant; NaN where that is negative.

    >>> import symgrad as sg
    >>> A = sg.parameter("A", shape=(3, 3), init=0)
    >>> sg.gradient(sg.logdet(A), A)
    (inv(A)).T
    """
    return LogDeterminant(sympify(A))


def inv(A: Any) -> sp.Expr:
    """The inverse of a matrix, or of each in a stack; NaN where there is none."""
    return Inverse(sympify(A))


def cholesky(A: Any) -> sp.Expr:
    """The lower triangular L with L L' = (A + A')/2 where that is positive, else NaN."""
    return Cholesky(sympify(A))


def eigvalsh(A: Any) -> sp.Expr:
    """The eigenvalues of the symmetric matrix (A + A')/2, from the smallest.

    >>> import symgrad as sg
    >>> sg.shape(sg.eigvalsh(sg.data("A", shape=(3, 3))))
    (3,)
    """
    return Eigenvalues(sympify(A))


def solve(A: Any, b: Any) -> sp.Expr:
    """The x with A x = b, for a vector b or the columns of a matrix.

    >>> import symgrad as sg
    >>> A, b = sg.data("A", shape=(3, 3)), sg.data("b", shape=3)
    >>> sg.shape(sg.solve(A, b))
    (3,)
    """
    return _solved(Solve, A, b)


def triangular_solve(A: Any, b: Any, *, lower: bool = True, transposed: bool = False) -> sp.Expr:
    """The x with T x = b (or T' x = b) for A's lower or upper triangle T; A's rest is not read."""
    lower, transposed = switch(lower, "lower"), switch(transposed, "transposed")
    return _solved(TriangularSolve, A, b, lower=lower, transposed=transposed)


def _solved(cls: type, A: Any, b: Any, **attributes: Any) -> sp.Expr:
    A, b = sympify(A), sympify(b)
    square, right = describe(A)[0], describe(b)[0]
    if not right or len(square) < 2 or square[-1] != right[-1 if len(right) == 1 else -2]:
        raise ValueError(
            f"a system of equations wants a square matrix and a vector or matrix of its size: "
            f"{A} has shape {square}, {b} has shape {right}"
        )
    columns = right if len(right) > 1 else (*right, 1)
    stack = broadcast(square[:-2], columns[:-2])
    A = broadcast_to(A, stack + square[-2:])
    x = cls(A, broadcast_to(reshape(b, columns), stack + columns[-2:]), **attributes)
    return x if len(right) > 1 else reshape(x, x.shape[:-1])
