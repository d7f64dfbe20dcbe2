"""A user's data as a model reads it: complete, of one length, by symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.arguments import array_of
from symgrad.language.ragged import entries_of, is_length, is_sparse
from symgrad.train.entries import Entries, is_scipy_sparse, ragged_entries, sparse_entries
from symgrad.train.indices import ComputedIndices
from symgrad.train.intake import as_array, check_range, real_array
from symgrad.train.names import UnknownName, unknown


@dataclass(frozen=True, slots=True)
class Column:
    """What a kernel expects of one data symbol.

    shape: one sample's.  size: how many entries the values index, None where they index nothing.
    """

    symbol: sp.Symbol
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    size: int | None = None

    def accept(self, given: Any) -> Any:
        """The given values, (N, *shape), checked; converted only where they must be."""
        array = self.unchecked(given)
        self.check_range(array)
        return array

    def unchecked(self, given: Any) -> Any:
        """The same before anybody has looked whether they index something."""
        if not (
            type(given) is np.ndarray
            and given.dtype == self.dtype
            and given.ndim == len(self.shape) + 1
            and given.shape[1:] == self.shape
            and (flags := given.flags).c_contiguous
            and flags.aligned
        ):
            if is_scipy_sparse(given):
                raise TypeError(
                    f"data {self.name!r} is a SciPy sparse matrix: declare the symbol with "
                    f"sg.data({self.name!r}, shape={self.shape}, sparse=True), or give .toarray()"
                )
            given = as_array(given, self.name, self.shape, self.dtype)
        return given

    def check_range(self, array: Any) -> None:
        """Raise IndexError where one of the values indexes nothing."""
        if self.size is not None:
            check_range(array, self.name, self.size)

    def is_one_sample(self, given: Any) -> bool:
        """Whether it lacks the sample axis."""
        return array_of(given, f"data {self.name!r}").ndim == len(self.shape)


class SparseColumn(Column):
    """Data of which the non-zeros are given."""

    def unchecked(self, given: Any) -> Entries:
        return sparse_entries(given, self.symbol, self.dtype)

    def is_one_sample(self, given: Any) -> bool:
        return not is_scipy_sparse(given) and np.ndim(given) == 1


class RaggedColumn(Column):
    """Data of another length for each sample."""

    def unchecked(self, given: Any) -> Entries:
        return ragged_entries(given, self.symbol, self.dtype, self.size)

    def check_range(self, array: Any) -> None:
        """Lists were looked through when they were joined."""

    def is_one_sample(self, given: Any) -> bool:
        return False


class Intake:
    """Checks a dict or DataFrame against the data symbols that a program reads."""

    def __init__(
        self, reads: Iterable[sp.Symbol], known: Iterable[sp.Symbol], dtype: np.dtype,
        sizes: Mapping[sp.Symbol, Any], computed: ComputedIndices | None = None,
        draws: bool = False,
    ) -> None:  # fmt: skip
        """reads: needed here; known: also allowed, and ignored; sizes: see Column.size; computed:
        checks the indices that are made of data; draws: whether the program draws for each sample,
        so that their number matters even where it reads none of the data."""
        self.computed, self.draws = computed, draws
        self.columns = tuple(column_of(s, dtype, sizes.get(s)) for s in reads)
        self.names = {c.name for c in self.columns} | {s.name for s in known}

    def __call__(self, data: Any) -> tuple[dict[sp.Symbol, np.ndarray], int]:
        """The arrays by symbol, and the number of samples (1 for a program without data)."""
        arrays, n = self.read(data)
        if n == 0:
            raise ValueError(f"the data are empty: {next(iter(data))!r} holds 0 samples")
        return arrays, n

    @property
    def plain(self) -> bool:
        """Whether each item of each array is a sample's."""
        return all(type(c) is Column for c in self.columns)

    def read(self, data: Any) -> tuple[dict[sp.Symbol, np.ndarray], int]:
        """The same, where there may be no samples."""
        arrays, n = self.unchecked(data)
        self.check_ranges(arrays, n)
        return arrays, n

    def unchecked(self, data: Any) -> tuple[dict[sp.Symbol, np.ndarray], int]:
        """The same before anybody has looked whether indices are in range."""
        data = self.named(data)
        arrays: dict[sp.Symbol, np.ndarray] = {}
        n = -1
        for column in self.columns:
            if column.name not in data:
                self._refuse_names(data)
            given = column.unchecked(data[column.name])
            if len(given) != n:
                if n >= 0:
                    self._refuse_sizes(data)
                n = len(given)
            if isinstance(given, Entries):
                join(arrays, column, given)
            else:
                arrays[column.symbol] = given
        if len(data) != len(self.columns):
            self._refuse_names(data)
        if n < 0 and self.draws and data:
            name, given = next(iter(data.items()))
            n = len(np.atleast_1d(real_array(given, name)))
        return arrays, 1 if n < 0 else n

    def check_ranges(self, arrays: Mapping[sp.Symbol, np.ndarray], samples: int) -> None:
        """Raise IndexError where an index in arrays by symbol is out of range."""
        for column in self.columns:
            if column.size is not None:
                column.check_range(arrays[column.symbol])
        if self.computed is not None and samples:
            self.computed.check(arrays, samples)

    def check_again(
        self, arrays: Mapping[sp.Symbol, np.ndarray], order: np.ndarray | None, first: int,
        last: int,
    ) -> None:  # fmt: skip
        """The same for the samples at these positions of an order, which were right once; lists and
        sparse data are `kept`."""
        if not self.plain:
            return
        computes = self.computed is not None and bool(self.computed.indices)
        read = [c.symbol for c in self.columns if computes or c.size is not None]
        rows = slice(first, last) if order is None else order[first:last]
        try:
            self.check_ranges({s: arrays[s][rows] for s in read}, last - first)
        except IndexError as error:
            raise IndexError(f"the data have changed since the fit began: {error}") from None

    def kept(self, arrays: Mapping[sp.Symbol, np.ndarray]) -> dict[sp.Symbol, np.ndarray]:
        """The arrays, lists and sparse data as copies: to look at those again takes long."""
        return {s: a.copy() if _is_of_entries(s) else a for s, a in arrays.items()}

    def check_indices(self, data: Mapping[str, Any]) -> None:
        """Raise IndexError where an index of these samples is out of range; other columns are read
        only where an index is computed from them."""
        if self.computed is not None and self.computed.indices:
            self.read(data)
        for column in self.columns:
            if column.size is not None:
                column.accept(data[column.name])

    def named(self, data: Any) -> dict[str, Any]:
        """Columns by name.  Those of a DataFrame that the model does not know do not matter."""
        if type(data) is dict and data.keys() <= self.names:
            return data
        if isinstance(data, Mapping):
            return {k.name if isinstance(k, sp.Symbol) else k: v for k, v in data.items()}
        if not hasattr(data, "columns"):
            raise TypeError(
                f"data are a dict or a DataFrame of arrays by name, not {type(data).__name__}"
                + (f"; expected {', '.join(sorted(self.names))}" if self.names else "")
            )
        return {name: data[name] for name in data.columns if name in self.names}

    def _refuse_names(self, data: Mapping[str, Any]) -> None:
        """Raise UnknownName if a name is missing, or one is given that the model does not have."""
        strangers = [k for k in data if k not in self.names]
        if strangers:
            raise UnknownName(unknown("data of this model", strangers[0], sorted(self.names)))
        missing = [c.name for c in self.columns if c.name not in data]
        if missing:
            raise UnknownName(
                f"data {', '.join(map(repr, missing))} missing; given "
                + (", ".join(map(repr, data)) or "none")
            )

    def _refuse_sizes(self, data: Mapping[str, Any]) -> None:
        counts = ", ".join(f"{c.name!r} {len(c.accept(data[c.name]))}" for c in self.columns)
        raise ValueError(f"data hold different numbers of samples: {counts}")


def _is_of_entries(symbol: sp.Symbol) -> bool:
    """Whether it holds entries of which samples have different numbers, or those numbers."""
    return is_length(symbol) or entries_of(symbol) is not None


def join(arrays: dict[sp.Symbol, np.ndarray], column: Column, given: Entries) -> None:
    """Add a column's arrays; columns that share a ragged axis must have the same lengths."""
    for symbol, array in given.arrays.items():
        other = arrays.setdefault(symbol, array)
        if other is not array and not np.array_equal(other, array):
            raise ValueError(
                f"data {column.name!r} is declared with the lengths of other data, {symbol}, and "
                "its lists have other lengths"
            )


def column_of(symbol: sp.Symbol, dtype: np.dtype, size: Any) -> Column:
    """What is expected of a symbol; dtype: that of floats; size: see Column."""
    kind = np.dtype(np.int64) if getattr(symbol, "dtype", "float") == "int" else dtype
    shape = getattr(symbol, "shape", ())
    ragged = entries_of(symbol) is not None
    column = SparseColumn if is_sparse(symbol) else RaggedColumn if ragged else Column
    return column(symbol, symbol.name, shape, kind, size if isinstance(size, int) else None)


def at_least_one(value: Any, name: str) -> int:
    """A count given by the user, checked."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is a whole number from 1, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} is {value}, and should be at least 1")
    return int(value)
