"""`sg.function`: expressions as a compiled numerical function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.bounds import index_bounds
from symgrad.calculus.capture import capture, role_of
from symgrad.calculus.draws import is_random
from symgrad.calculus.program import Program
from symgrad.calculus.ragged import by_entries
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.language.arguments import array_of, several
from symgrad.language.dims import dims_of
from symgrad.language.substitution import substitute
from symgrad.language.symbols import data
from symgrad.language.tensor import sympify
from symgrad.train.batches import Column, column_of, join
from symgrad.train.entries import Entries
from symgrad.train.evaluate import evaluate
from symgrad.train.indices import ComputedIndices
from symgrad.train.memory import constants
from symgrad.train.pieces import Pieces
from symgrad.train.settings import Settings, check_settings
from symgrad.train.sizes import UnsizedFunction
from symgrad.train.targets import Executables

FIXED = ("constant", "batch_size", "let", "length")  # inputs that nobody has to give


class Function:
    """What `sg.function` gives: call it with the inputs' arrays, in their order."""

    def __init__(
        self,
        expressions: list[sp.Expr],
        inputs: list[sp.Symbol],
        single: bool,
        settings: Settings,
    ) -> None:
        dtype = settings.dtype
        labels = [f"{k}" for k in range(len(expressions))]
        written = capture(dict(zip(labels, expressions, strict=True)))
        self.block: Block = simplify(by_entries(written), STABLE)
        self.inputs, self.single, self.dtype = inputs, single, dtype
        _check_inputs(written, inputs)
        self._executables = Executables(lambda _: Program(self.block), settings.target, dtype.name)
        sizes = index_bounds(self.block)
        self._computed, self._pieces = ComputedIndices(self.block, dtype), Pieces(self.block)
        self._columns = [_column(s, dtype, sizes.get(s)) for s in inputs]
        self._constants = constants(
            [s for s in self.block.inputs if getattr(s, "role", "") == "constant"], dtype
        )

    def __call__(self, *values: Any) -> Any:
        """The values of the expressions: (N, *shape) where they are per sample, else (*shape).

        Data are (N, *shape); where no data input has the sample axis, they are one sample, and the
        results have no sample axis either.
        """
        if len(values) != len(self.inputs):
            names = ", ".join(s.name for s in self.inputs)
            raise TypeError(f"expected {len(self.inputs)} values, for {names}; got {len(values)}")
        arrays, n, one = self._arrays(values)
        size = self._pieces.size(n)
        executable = self._executables.exactly("function", size)
        found = evaluate(executable, arrays, n, size, self.block.outputs, self.dtype)
        results = [
            found[k][0] if one and name.per_sample else found[k]
            for k, name in self.block.outputs.items()
        ]
        return results[0] if self.single else results

    @property
    def source(self) -> str:
        """The code for the number of samples used last."""
        latest = self._executables.latest("function")
        return (latest or self._executables.exactly("function", 1)).source

    def _arrays(self, values: tuple) -> tuple[dict[sp.Symbol, np.ndarray], int, bool]:
        """The arrays by symbol, the number of samples, and whether one sample came bare."""
        given = dict(zip(self._columns, values, strict=True))
        data = {c: v for c, v in given.items() if role_of(c.symbol, {}) == "data"}
        one = bool(data) and all(c.is_one_sample(v) for c, v in data.items())
        arrays, counts = dict(self._constants), dict[str, int]()
        for column, value in given.items():
            if column not in data:
                array = _one(column, value).reshape(column.shape)
                arrays[column.symbol] = np.require(array, None, "W")
                continue
            array = _one(column, value) if one else column.accept(value)
            counts[column.name] = len(array)
            if isinstance(array, Entries):
                join(arrays, column, array)
            else:
                arrays[column.symbol] = array
        n = _samples(counts)
        self._computed.check(arrays, n)
        self._executables.admit(arrays)
        return arrays, n, one


def function(
    expressions: Any, inputs: Sequence[sp.Symbol], dtype: Any = "float64", target: str = "cpu"
) -> Function | UnsizedFunction:
    """A compiled function of symbols.

    expressions: one, or a list of them (then the function returns a list)
    inputs:      the symbols whose values are given, in their order: data, with the sample axis
                 (plain SymPy symbols are data, and random symbols are given like data),
                 parameters, hypers and `sg.step`, without it
    Raises ValueError where an expression reads a symbol that is not among the inputs.

    >>> import symgrad as sg
    >>> x, w = sg.data("x"), sg.parameter("w")
    >>> f = sg.function(w*x**2, [x, w], target="reference")
    >>> f([1, 2, 3], 10)
    array([10., 40., 90.])
    >>> f(2, 10).item()
    40.0
    """
    settings = check_settings("mean", dtype, target, seed=0)
    for s in (inputs := several(inputs, "sg.function: the inputs")):
        if not isinstance(s, sp.Symbol):
            raise TypeError(f"inputs are data, parameters and hypers; {s!r} is none")
    draws = {s: data(s.name, s.shape, s.dtype) for s in inputs if is_random(s)}
    single = not isinstance(expressions, list | tuple)
    given = [expressions] if single else list(expressions)
    if not given:
        raise ValueError("sg.function wants at least one expression")
    given = [substitute(e, draws) if draws else sympify(e) for e in given]
    symbols = [draws.get(s, s) for s in inputs]

    def make(given: list[sp.Expr], symbols: list[sp.Symbol]) -> Function:
        return Function(given, symbols, single, settings)

    if dims_of([*given, *(s for s in symbols if isinstance(s, sp.Symbol))]):
        return UnsizedFunction(given, symbols, make)
    return make(given, symbols)


def _one(column: Column, value: Any) -> Any:
    """A value without the sample axis, checked, with it."""
    array = array_of(value, f"the value of {column.name!r}")
    if array.shape != column.shape:
        raise ValueError(f"{column.name!r} has shape {array.shape}; expected {column.shape}")
    return column.accept(array[None])


def _samples(counts: dict[str, int]) -> int:
    """How many samples the data hold, which is equally many; 1 without data."""
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{k!r} {v}" for k, v in counts.items())
        raise ValueError(f"data hold different numbers of samples: {shown}")
    n = next(iter(counts.values()), 1)
    if not n:
        raise ValueError(f"the data are empty: {next(iter(counts))!r} holds 0 samples")
    return n


def _check_inputs(block: Block, inputs: list[sp.Symbol]) -> None:
    for s in inputs:
        if getattr(s, "role", "") in FIXED:
            raise TypeError(f"inputs are data, parameters and hypers; {s!r} is none")
    needed = [s for s in block.inputs if getattr(s, "role", "") not in FIXED]
    missing = [s.name for s in needed if s not in inputs]
    if missing:
        raise ValueError(
            f"the expressions read {', '.join(map(repr, missing))}, which are not among the inputs"
        )


def _column(symbol: sp.Symbol, dtype: np.dtype, size: Any) -> Column:
    precise = np.dtype(np.float64) if role_of(symbol, {}) == "hyper" else dtype
    return column_of(symbol, precise, size)
