"""Models of MatrixSymbols made ready to train: what is data, what is a parameter, which sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.parameters import distribute

from symgrad.language.digest import digest
from symgrad.language.matrices import check_scalar, check_unmixed, matrix_symbols
from symgrad.language.matrix_forms import normal
from symgrad.language.matrix_tensors import Conversion
from symgrad.language.symbols import TensorSymbol, batch_size
from symgrad.language.tensor import Shaped


@dataclass(frozen=True)
class MatrixModel:
    """A model in our tensor language.

    loss:    rank 0, nothing per sample: sums over the samples are `n E[...]`
    outputs: a matrix of shape (n, k) or (k, n) is a vector of shape (k,) for each sample
    symbols: MatrixSymbol or plain symbol -> data or parameter, for each that occurs
    """

    loss: sp.Expr
    outputs: dict[str, sp.Expr]
    symbols: dict[sp.Expr, TensorSymbol]


def from_matrices(
    loss: sp.Expr,
    samples: sp.Symbol | int | None = None,
    parameters: Any = None,
    outputs: Mapping[str, sp.Expr] | None = None,
) -> MatrixModel:
    """A model of MatrixSymbols as tensors of one sample.

    samples:    the size that counts samples, a symbol or a number.  MatrixSymbols with it are
                data; their arrays have the samples first, (N, d) for shape (n, d) and for (d, n).
    parameters: what is trained, or {symbol: init}; arrays there give their value to sizes that
                are symbols.
    Raises ValueError or TypeError for what is neither, unknown sizes, and all pairs of samples.

    >>> n = sp.Symbol("n")
    >>> X, y, w = (sp.MatrixSymbol(*s) for s in (("X", n, 3), ("y", n, 1), ("w", 3, 1)))
    >>> r = X*w - y
    >>> from_matrices(sp.Trace(r.T*r)/n, samples=n, parameters=[w]).loss
    E[sum((-y + X @ w)**2)]
    """
    check_scalar(loss)
    outputs = outputs or {}
    for e in (loss, *outputs.values()):
        check_unmixed(e)
    model = _Symbols(
        _samples(samples), _inits(parameters), matrix_symbols([loss, *outputs.values()])
    )
    read = Conversion(model.symbol, model.size)
    with distribute(False):
        scalar = read.scalar(normal(loss))
        others = {label: _output(read, normal(e)) for label, e in outputs.items()}
    model.check_used()
    return MatrixModel(scalar, others, model.ordered())


def _output(read: Conversion, e: sp.Expr) -> sp.Expr:
    return read.matrix(e).tensor if isinstance(e, sp.MatrixExpr) else read.scalar(e)


def _samples(samples: Any) -> sp.Expr | None:
    if samples is None or isinstance(samples, sp.Symbol):
        return samples
    if isinstance(samples, int | sp.Integer) and not isinstance(samples, bool) and samples > 0:
        return sp.Integer(samples)
    raise TypeError(
        f"samples= names the size that counts samples, a symbol such as Symbol('n') or the number "
        f"that stands in its place, not {samples!r}"
    )


def _inits(parameters: Any) -> dict[sp.Expr, Any]:
    """{symbol: init} of a symbol, several, or such a dict."""
    if isinstance(parameters, Mapping):
        inits = dict(parameters)
    else:
        single = isinstance(parameters, sp.Basic)
        inits = dict.fromkeys([parameters] if single else parameters or ())
    for s in inits:
        if not isinstance(s, sp.MatrixSymbol | sp.Symbol):
            raise TypeError(f"parameters are MatrixSymbols and symbols; {s!r} is neither")
    return inits


@dataclass
class _Symbols:
    """The model's symbols as tensors, made when they are met."""

    samples: sp.Expr | None
    inits: dict[sp.Expr, Any]
    matrices: list[sp.MatrixSymbol]
    made: dict[sp.Expr, TensorSymbol] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = _sizes(self.inits)
        self.dimensions = {s for m in self.matrices for size in m.shape for s in size.free_symbols}
        sizes = {size for m in self.matrices for size in m.shape}
        if self.samples is not None and self.samples not in sizes:
            alike = any(str(size) == str(self.samples) for size in sizes)
            raise ValueError(
                f"samples={self.samples}, and no MatrixSymbol has this size"
                + ("; one has a symbol of this name with other assumptions" if alike else "")
            )

    def size(self, e: Any) -> int | None:
        """A matrix's size; None for the number of samples."""
        if e == self.samples:
            return None
        value = sp.sympify(e).xreplace(self.sizes)
        if not value.is_Integer:
            raise ValueError(
                f"the size {e} is unknown: write it as a number, give a parameter that has it an "
                f"array as init, or name it by samples= if it counts samples"
            )
        return int(value)

    def symbol(self, s: Any) -> sp.Expr:
        """The tensor for a MatrixSymbol or a symbol."""
        if isinstance(s, Shaped):
            return s
        if s not in self.made:
            if s == self.samples:
                return batch_size
            if s in self.dimensions:
                return sp.Integer(self.size(s))
            self.made[s] = self._parameter(s) if s in self.inits else self._data(s)
        return self.made[s]

    def _parameter(self, s: Any) -> TensorSymbol:
        shape = tuple(map(self.size, getattr(s, "shape", ())))
        if None in shape:
            raise ValueError(
                f"{s} has the size {self.samples}, which counts samples: it is data, no parameter"
            )
        key = digest("parameter", s.name, shape)
        identity = digest(key, "MatrixSymbol")
        return TensorSymbol(s.name, shape, "float", "parameter", key, identity, self.inits[s])

    def _data(self, s: Any) -> TensorSymbol:
        sizes = tuple(map(self.size, getattr(s, "shape", ())))
        if sizes.count(None) != 1:
            which = f"of shape {s.shape} " if sizes else ""
            raise ValueError(
                f"{s} {which}is neither data nor parameter: data have the size that samples= "
                f"names ({self.samples}) once, parameters stand in parameters=, and what is fixed "
                "is written as numbers or as a sympy.Matrix of numbers"
            )
        shape = tuple(k for k in sizes if k is not None)
        key = digest("data", s.name, shape, "float")
        return TensorSymbol(s.name, shape, "float", "data", key, key)

    def ordered(self) -> dict[sp.Expr, TensorSymbol]:
        """Data as they were met, then parameters as they were given."""
        data = {s: t for s, t in self.made.items() if s not in self.inits}
        return data | {s: self.made[s] for s in self.inits}

    def check_used(self) -> None:
        unused = [str(s) for s in self.inits if s not in self.made]
        if unused:
            raise ValueError(f"the loss does not use the parameter {', '.join(unused)}")


def _sizes(inits: Mapping[sp.Expr, Any]) -> dict[sp.Basic, sp.Integer]:
    """The symbolic sizes of parameters, from their inits that are arrays."""
    sizes: dict[sp.Basic, sp.Integer] = {}
    for s, init in inits.items():
        given = np.shape(init) if isinstance(init, np.ndarray | list | tuple) else ()
        shape = getattr(s, "shape", ())
        if len(given) != len(shape):
            continue
        for size, k in zip(shape, given, strict=True):
            if isinstance(size, sp.Symbol) and sizes.setdefault(size, sp.Integer(k)) != k:
                raise ValueError(
                    f"the inits of the parameters disagree on the size {size}: {sizes[size]}, and "
                    f"{k} in {s} of shape {shape}"
                )
    return sizes
