"""Derivatives of more than a scalar, and of gradients: jvp, vjp, Jacobians, Hessians."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Name, Operand
from symgrad.calculus.builder import Value
from symgrad.calculus.capture import capture_into
from symgrad.calculus.coloring import compressed, reshaped, spread_out
from symgrad.calculus.derive import derive_into
from symgrad.calculus.express import Expressions
from symgrad.calculus.gradient import Gradient, captured, check_symbols, gradient
from symgrad.calculus.splice import splice
from symgrad.language.arguments import several
from symgrad.language.pointwise import stop_gradient
from symgrad.language.reductions import sum as sum_over
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import broadcast_to


def vjp(e: Any, v: Any, u: Any) -> Any:
    """u' de/dv: the gradient of the sum of u's products with e's elements, u held fixed.

    u: of e's shape.  One symbol v gives an expression, several a Mapping.

    >>> import symgrad as sg
    >>> W, x = sg.parameter("W", shape=(2, 3), init=0), sg.data("x", shape=3)
    >>> sg.vjp(W @ x, x, sg.data("u", shape=2))
    u @ W
    """
    e = sympify(e)
    product = e * _fixed(u, _listed(v), describe(e)[0], "sg.vjp")
    return gradient(sum_over(product) if describe(product)[0] else product, v)


def jvp(e: Any, v: Any, t: Any) -> sp.Expr:
    """de/dv t: how e changes when v moves along t, of e's shape.

    t: of v's shape, held fixed; for several symbols v a Mapping or a list.

    >>> import symgrad as sg
    >>> W, x = sg.parameter("W", shape=(2, 3), init=0), sg.data("x", shape=3)
    >>> sg.jvp(W @ x, x, sg.data("t", shape=3))
    W @ t
    """
    e, symbols = sympify(e), _listed(v)
    sweeps = _Sweeps(e, symbols)
    tangents = [
        _fixed(one, symbols, getattr(s, "shape", ()), "sg.jvp")
        for s, one in zip(symbols, _paired(symbols, t), strict=True)
    ]
    values = capture_into(sweeps.builder, tangents, {})
    result = sweeps.along([sweeps.builder.value(x) for x in values])
    return sweeps.expressions([result])[0]


def hvp(e: Any, v: Any, t: Any) -> Any:
    """The Hessian of the scalar e times t: the gradient of <gradient(e, v), t>, t held fixed.

    One symbol v gives an expression, several (t then a Mapping or a list) a Mapping.

    >>> import symgrad as sg
    >>> A, x = sg.parameter("A", shape=(3, 3), init=0), sg.data("x", shape=3)
    >>> sg.hvp(x @ A @ x, x, sg.data("t", shape=3))
    t @ A + A @ t
    """
    symbols = _listed(v)
    parts = gradient(e, symbols)
    products = [
        parts[s] * _fixed(one, symbols, getattr(s, "shape", ()), "sg.hvp")
        for s, one in zip(symbols, _paired(symbols, t), strict=True)
    ]
    return gradient(sp.Add(*(sum_over(p) if describe(p)[0] else p for p in products)), v)


def jacobian(e: Any, v: Any, *, sparsity: Any = None) -> Any:
    """The derivative of each element of e with respect to each of v: shape of e + shape of v.

    As many sweeps are made as the smaller of the two has elements.  With `sparsity`, an array of
    the Jacobian's shape that is False where it is known to be 0, elements that do not meet share a
    sweep (Curtis, Powell and Reid 1974).  One symbol v gives an expression, several a Mapping.

    >>> import symgrad as sg
    >>> W, x = sg.parameter("W", shape=(2, 3), init=0), sg.data("x", shape=3)
    >>> sg.shape(sg.jacobian(W @ x, x))
    (2, 3)
    """
    e = sympify(e)
    symbols = _listed(v)
    if isinstance(v, sp.Basic):
        return _jacobian(e, v, sparsity)
    if sparsity is not None:
        raise TypeError("sg.jacobian: sparsity is known of one symbol, not of several")
    return Gradient(e, {s: _jacobian(e, s, None) for s in symbols})


def hessian(e: Any, v: Any) -> Any:
    """The second derivatives of the scalar e: shape of v + shape of v.

    Several symbols give a Mapping of Mappings: `sg.hessian(e, [a, b])[a][b]`.

    >>> import symgrad as sg
    >>> x, y = sg.data("x y")
    >>> sg.hessian(x**2*y, [x, y])[x][y]
    2*x
    """
    parts = gradient(e, v)
    return jacobian(parts, v) if isinstance(v, sp.Basic) else {s: jacobian(parts[s], v) for s in v}


class _Sweeps:
    """de/dv along a direction, by two sweeps backwards: the first is linear in its weights u, and
    the derivative of <u' de/dv, t> with respect to u is de/dv t."""

    def __init__(self, e: sp.Expr, symbols: Sequence[sp.Symbol]) -> None:
        self.builder, root, self.wrt = captured(e, list(symbols))
        self.u = Name("", root.shape, "float", root.per_sample)
        self.builder.inputs[sp.Dummy("u")] = self.u
        product = self.builder.value(root) * self.builder.value(self.u)
        self.pulled = derive_into(self.builder, total(product).operand, self.wrt)

    def along(self, tangents: Sequence[Value]) -> Value:
        """The derivative along one direction, a tangent for each symbol."""
        pairs = zip(self.pulled, tangents, strict=True)
        parts = [total(self.builder.value(g) * t) for g, t in pairs]
        direction = self.builder.apply("add", *parts, 0).operand
        if not isinstance(direction, Name):
            return self.builder.apply("broadcast_to", 0, shape=self.u.shape)
        (found,) = derive_into(self.builder, direction, [self.u])
        return self._without_weights(found)

    def against(self, weights: Value) -> Value:
        """The first symbol's adjoint for these weights."""
        return self._weighted(self.pulled[0], weights)

    def _without_weights(self, found: Operand) -> Value:
        """Masks of branches not taken may still hold u: any weights but 0 will do."""
        one = self.builder.apply("broadcast_to", sp.Float(1), shape=self.u.shape)
        return self._weighted(found, one)

    def _weighted(self, found: Operand, weights: Value) -> Value:
        known = {x: self.builder.value(x) for x in self.builder.inputs.values()}
        return splice(self.builder, found, self.builder, {**known, self.u: weights})

    def expressions(self, values: Sequence[Value]) -> list[sp.Expr]:
        block = self.builder.block({})
        return Expressions(block, self.builder.lets).of([x.operand for x in values])


def _jacobian(e: sp.Expr, v: sp.Symbol, sparsity: Any) -> sp.Expr:
    rows, columns = describe(e)[0], getattr(v, "shape", ())
    if not all(isinstance(s, int) for s in (*rows, *columns)):
        raise ValueError(f"a Jacobian wants known sizes, not {rows} and {columns}")
    m, n = math.prod(rows), math.prod(columns)
    if not m * n:
        return _nothing((*rows, *columns))
    if sparsity is not None and np.size(sparsity) != m * n:
        raise ValueError(
            f"sg.jacobian: the sparsity has shape {np.shape(sparsity)}, and the Jacobian "
            f"{(*rows, *columns)}"
        )
    pattern = np.ones((m, n)) if sparsity is None else np.reshape(np.asarray(sparsity), (m, n))
    by_rows, by_columns = compressed(pattern), compressed(pattern.T)
    sweeps = _Sweeps(e, [v])
    if by_columns.groups < by_rows.groups:
        found = [sweeps.along([seed]) for seed in by_columns.seeds(sweeps.builder, columns)]
        if all(map(_is_nothing, found)):
            return _nothing((*rows, *columns))
        matrix = spread_out(found, by_columns, pattern.T, rows)
        turned = sweeps.builder.apply("transpose", matrix, axes=(1, 0)) if n > 1 else matrix
        result = reshaped(turned, (*rows, *columns))
    else:
        found = [sweeps.against(seed) for seed in by_rows.seeds(sweeps.builder, rows)]
        if all(map(_is_nothing, found)):
            return _nothing((*rows, *columns))
        matrix = spread_out(found, by_rows, pattern, columns)
        result = reshaped(matrix, (*rows, *columns))
    return sweeps.expressions([result])[0]


def _nothing(shape: tuple) -> sp.Expr:
    return broadcast_to(0, shape) if shape else sp.S.Zero


def _is_nothing(x: Value) -> bool:
    """Whether it is 0, in whatever shape."""
    e = x.builder.definition(x.operand) if isinstance(x.operand, Name) else None
    number = x.operand if e is None else e.operands[0] if e.operation == "broadcast_to" else None
    return bool(number == 0)


def total(x: Value) -> Value:
    """The sum over all axes."""
    axes = tuple(range(len(x.shape)))
    return x.builder.apply("sum", x, axes=axes, keepdims=False) if axes else x


def _listed(v: Any) -> list[sp.Symbol]:
    return check_symbols([v] if isinstance(v, sp.Basic) else several(v, "a derivative's symbols"))


def _paired(symbols: list[sp.Symbol], t: Any) -> list[Any]:
    """A tangent for each symbol."""
    if isinstance(t, Mapping):
        found = [t[s] for s in symbols if s in t]
    else:
        found = list(t) if isinstance(t, list | tuple) and len(symbols) > 1 else [t]
    if len(found) != len(symbols):
        names = ", ".join(s.name for s in symbols)
        raise ValueError(f"a direction wants a tangent for each of {names}; {len(found)} found")
    return found


def _fixed(t: Any, symbols: list[sp.Symbol], shape: tuple, what: str) -> sp.Expr:
    """A direction, held fixed, after a look at its shape."""
    t = sympify(t)
    if describe(t)[0] != shape:
        raise ValueError(f"{what}: the direction {t} has shape {describe(t)[0]}, not {shape}")
    return stop_gradient(t) if t.free_symbols.intersection(symbols) else t
