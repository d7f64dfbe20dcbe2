"""Sums over matrix elements, `Sum(X[i, j]*w[j, 0], ...)`, as products of matrices.

A factor that depends on two indices is an edge between them: a matrix, its row and its column.
Edges between the same two indices are multiplied element by element; summing over an index joins
the edges that meet there into their product.  SymPy makes such sums of `(x.T*A*x)[0, 0]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import DiagMatrix, DiagonalOf, MatrixExpr, OneMatrix
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.language.matrix_algebra import (
    add,
    elementwise,
    hadamard,
    product,
    scaled,
    trace,
    transpose,
)
from symgrad.language.matrix_forms import normal
from symgrad.language.matrix_nodes import VARIABLE, MatrixUnit

END = sp.Dummy("end")  # the index of an axis of size 1


@dataclass(frozen=True)
class Edge:
    """Element (row, col) of a matrix; row and col are indices, or END."""

    matrix: MatrixExpr
    row: sp.Symbol
    col: sp.Symbol

    @property
    def turned(self) -> Edge:
        return Edge(transpose(self.matrix), self.col, self.row)

    def starting(self, index: sp.Symbol) -> Edge:
        return self if self.row == index else self.turned

    @property
    def ends(self) -> frozenset:
        return frozenset((self.row, self.col))


class _TooHard(Exception):
    """A sum that is no product of matrices."""


def as_traces(e: sp.Sum) -> sp.Expr:
    """The same scalar by matrix products and traces.  Raises TypeError where that is not possible.

    >>> i, j, d = sp.symbols("i j d")
    >>> A, x = sp.MatrixSymbol("A", d, d), sp.MatrixSymbol("x", d, 1)
    >>> as_traces(sp.Sum(A[i, j]*x[i, 0]*x[j, 0], (i, 0, d - 1), (j, 0, d - 1)))
    Trace(x.T*A*x)
    """
    try:
        value = _term(e, frozenset())
    except _TooHard as error:
        raise TypeError(
            f"symgrad cannot write {e} as a product of matrices ({error}): use matrix products, "
            "Trace, HadamardProduct and applyfunc"
        ) from None
    return value


def _term(e: sp.Basic, free: frozenset) -> Any:
    """An expression with the free indices given as an Edge, or as a scalar without any."""
    if not free.intersection(e.free_symbols) and not isinstance(e, sp.Sum):
        return e
    if isinstance(e, MatrixElement):
        return _element(*e.args)
    if isinstance(e, sp.Sum):
        return _sum(e, free)
    if isinstance(e, sp.Mul):
        return _joined([_term(a, free) for a in e.args], {})
    parts = [_term(a, free) for a in e.args]
    edges = [p for p in parts if isinstance(p, Edge)]
    if not edges or len({p.ends for p in edges}) > 1:
        raise _TooHard(f"{e} joins different indices")
    if isinstance(e, sp.Add):
        return _added(parts, edges[0])
    if len(edges) > 1:
        raise _TooHard(f"{e} is a function of several elements")
    body = e.func(*(VARIABLE if isinstance(p, Edge) else p for p in parts))
    return Edge(elementwise(body, edges[0].matrix), edges[0].row, edges[0].col)


def _element(a: MatrixExpr, i: sp.Expr, j: sp.Expr) -> Edge:
    matrix, ends = normal(a), []
    for axis, index in enumerate((i, j)):
        if index.is_Integer:
            if a.shape[axis] != 1:
                unit = MatrixUnit(a.shape[axis], 1, index, 0)
                matrix = product(matrix, unit) if axis else product(transpose(unit), matrix)
            ends.append(END)
        elif isinstance(index, sp.Symbol):
            ends.append(index)
        else:
            raise _TooHard(f"the index {index} is neither a symbol nor a number")
    return Edge(matrix, *ends)


def _added(parts: list, first: Edge) -> Edge:
    ones = OneMatrix(*first.matrix.shape)
    matrices = [
        p.starting(first.row).matrix if isinstance(p, Edge) else scaled(p, ones) for p in parts
    ]
    return Edge(add(*matrices), first.row, first.col)


def _sum(e: sp.Sum, free: frozenset) -> Any:
    sizes = {}
    for index, low, high in e.limits:
        if low != 0:
            raise _TooHard(f"{index} starts at {low}, not at 0")
        sizes[index] = high + 1
    body = e.function
    if isinstance(body, sp.Add):
        return _plus([_sum(e.func(a, *e.limits), free) for a in body.args])
    inner = free | frozenset(sizes)
    factors = body.args if isinstance(body, sp.Mul) else (body,)
    return _joined([_term(a, inner) for a in factors], sizes)


def _plus(parts: list) -> Any:
    edges = [p for p in parts if isinstance(p, Edge)]
    if len({p.ends for p in edges}) > 1:
        raise _TooHard("its terms join different indices")
    return _added(parts, edges[0]) if edges else sp.Add(*parts)


def _joined(parts: list, sizes: dict) -> Any:
    """The product of parts, summed over the indices that have a size here."""
    net = _Net([p for p in parts if isinstance(p, Edge)])
    net.scalars = [p for p in parts if not isinstance(p, Edge)]
    for index, size in sizes.items():
        net.sum_over(index, size)
    return net.result()


class _Net:
    """Edges whose product is taken."""

    def __init__(self, edges: list[Edge]) -> None:
        self.edges = edges
        self.scalars: list[sp.Expr] = []

    def sum_over(self, index: sp.Symbol, size: sp.Expr) -> None:
        here = [e.starting(index) for e in self.edges if index in e.ends]
        self.edges = [e for e in self.edges if index not in e.ends]
        for e in here:
            if e.matrix.rows != size:
                raise _TooHard(f"{index} runs over {size} of {e.matrix.rows} elements")
        loops = [e.matrix for e in here if e.col == index]
        vectors = [e.matrix for e in here if e.col == END]
        matrices = _parallel_joined([e for e in here if e.col not in (END, index)])
        if loops and not vectors and not matrices:
            self.scalars.append(trace(hadamard(*loops)))
            return
        vectors += map(DiagonalOf, loops)
        if len(matrices) > 2:
            raise _TooHard(f"more than two matrices share the index {index}")
        if len(matrices) == 2:
            a, b = matrices
            scale = [DiagMatrix(hadamard(*vectors))] if vectors else []
            self.edges.append(Edge(product(transpose(a.matrix), *scale, b.matrix), a.col, b.col))
        elif matrices:
            row = transpose(hadamard(*vectors)) if vectors else OneMatrix(1, size)
            self.edges.append(Edge(product(row, matrices[0].matrix), END, matrices[0].col))
        elif vectors:
            row = transpose(hadamard(*vectors[:-1])) if vectors[1:] else OneMatrix(1, size)
            self.scalars.append(trace(product(row, vectors[-1])))
        else:
            self.scalars.append(size)

    def result(self) -> Any:
        """One edge between the indices that are left, or a scalar."""
        c = sp.Mul(*self.scalars)
        if not self.edges:
            return c
        loops = [Edge(DiagonalOf(e.matrix), e.row, END) if e.row == e.col else e
                 for e in self.edges]  # fmt: skip
        first, *others = _parallel_joined(loops)
        for e in others:  # x[i]*y[j] is (x*y.T)[i, j]
            if END not in first.ends or END not in e.ends:
                raise _TooHard("more than two indices are left")
            left, right = first.starting(END).turned, e.starting(END)
            first = Edge(product(left.matrix, right.matrix), left.row, right.col)
        return Edge(scaled(c, first.matrix), first.row, first.col)


def _parallel_joined(edges: list[Edge]) -> list[Edge]:
    """Edges between the same indices multiplied element by element."""
    groups: dict[frozenset, Edge] = {}
    for e in edges:
        other = groups.get(e.ends)
        if other is not None:
            e = Edge(hadamard(other.matrix, e.starting(other.row).matrix), other.row, other.col)
        groups[e.ends] = e
    return list(groups.values())
