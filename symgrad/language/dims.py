"""Symbolic sizes: axes whose length is read from the data or from parameters' arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.digest import digest
from symgrad.language.names import each_name
from symgrad.language.operation import Attributes
from symgrad.language.symbols import SPARSE, Dim, Let, TensorSymbol, data, let
from symgrad.language.tensor import sympify
from symgrad.language.walk import postorder

Sizes = Mapping[sp.Symbol, int]


def dim(name: str) -> Any:
    """A size that is not known yet, for the shapes of data and parameters; also a number.

    It becomes known from an array: of a parameter's init, or of the first data that the compiled
    model or function meets.  Dims of one name are equal.  Names split at spaces.

    >>> import numpy as np, symgrad as sg
    >>> n = sg.dim("n")
    >>> x, w = sg.data("x", shape=n), sg.parameter("w", shape=n)
    >>> print(sg.gradient(sg.dot(w, x)**2 / n, w))
    2*x*(w @ x)/n
    >>> f = sg.function(sg.dot(w, x)**2 / n, [x, w], target="reference")
    >>> f(np.ones(4), np.ones(4)).item()
    4.0
    """
    return each_name(name, "dim", Dim)


def dims_of(expressions: Iterable[sp.Basic]) -> list[sp.Symbol]:
    """The dims in expressions and in the shapes of their symbols, by name."""
    found: set[sp.Symbol] = set()
    for x in postorder(expressions, _children):
        if isinstance(x, Dim):
            found.add(x)
        elif isinstance(x, TensorSymbol):
            found.update(*(s.atoms(Dim) for s in x.shape if isinstance(s, sp.Basic)))
    return sorted(found, key=lambda d: d.name)


def _children(x: sp.Basic) -> tuple:
    return (x.definition,) if isinstance(x, Let) else x.args


class Sizing:
    """Writes expressions again with known sizes; a symbol becomes the same one everywhere."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self._made: dict[Any, Any] = {}

    def __call__(self, e: Any) -> sp.Expr:
        """The expression with numbers in place of its dims."""
        e = sympify(e)
        for x in postorder([e], _children):
            if x not in self._made:
                self._made[x] = self._sized(x)
        return self._made[e]

    def _sized(self, x: Any) -> Any:
        if isinstance(x, Dim):
            return sp.Integer(self.sizes[x])
        if isinstance(x, Let):
            definition = self._made[x.definition]
            return x if definition == x.definition else let(x.name, definition) if x.name else (
                definition)  # fmt: skip
        if isinstance(x, TensorSymbol):
            return self._symbol(x)
        if isinstance(x, Attributes):
            return Attributes({k: self._value(v) for k, v in x.values})
        parts = [self._made[c] for c in x.args]
        same = all(a == b for a, b in zip(x.args, parts, strict=True))
        return x if same else x.func(*parts)

    def _symbol(self, x: TensorSymbol) -> TensorSymbol:
        shape = self._value(x.shape)
        if shape == x.shape:
            return x
        if x.role == "data":
            return data(x.name, shape, x.dtype, sparse=x.payload == SPARSE)
        structure, identity = digest(x.structure, shape), digest(x.identity, shape)
        return TensorSymbol(x.name, shape, x.dtype, x.role, structure, identity, x.payload)

    def _value(self, value: Any) -> Any:
        """A size, or what sizes stand in: shapes, indices."""
        if isinstance(value, tuple):
            return tuple(map(self._value, value))
        if isinstance(value, sp.Basic) and value.has(Dim):
            return int(value.xreplace(dict(self.sizes)))
        return value


def learn(sizes: dict[sp.Symbol, tuple[int, str]], shape: tuple, found: tuple, where: str) -> None:
    """Add what an array of shape `found` says of a symbol's shape; where: whose array it is.

    Raises ValueError where it contradicts what is known.
    """
    if len(found) != len(shape):
        raise ValueError(f"{where} has shape {found}, and should have {len(shape)} axes: {shape}")
    for axis, (size, length) in enumerate(zip(shape, found, strict=True)):
        if not isinstance(size, Dim):
            continue
        known, source = sizes.setdefault(size, (length, where))
        if known != length:
            raise ValueError(
                f"{size} is {known} by {source}, and {length} by {where}, whose axis {axis} has "
                f"that length (its shape is {found}, for {shape})"
            )


def learn_from_inits(sizes: dict, symbols: Iterable[sp.Symbol], inits: Mapping) -> None:
    """Add what parameters' first values say, where those are arrays."""
    for s in symbols:
        init = inits.get(s, s.payload if getattr(s, "role", "") == "parameter" else None)
        if isinstance(init, np.ndarray | list | tuple):
            learn(sizes, s.shape, np.shape(init), f"the init of {s.name!r}")


def numbers(sizes: Mapping[sp.Symbol, tuple[int, str]], wanted: Iterable[sp.Symbol]) -> Sizes:
    """The sizes alone; raises ValueError where one that is wanted is unknown."""
    unknown = [d.name for d in wanted if d not in sizes]
    if unknown:
        raise ValueError(
            f"the size {' and '.join(unknown)} is not known: no data and no parameter's init that "
            "is an array has an axis of exactly that size"
        )
    return {d: n for d, (n, _) in sizes.items()}
