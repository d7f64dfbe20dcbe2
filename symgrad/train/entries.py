"""Data of varying length as kernels read them: flat values, and where each sample's begin.

Sparse matrices of every SciPy format, dense ones, (values, offsets) and lists of lists come in.
What a user gave is never changed; what is right already is not copied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgrad.language.ragged import entries_of, held_as, length, stored
from symgrad.train.intake import as_array, check_range, real_array

if TYPE_CHECKING:
    from symgrad.language.symbols import TensorSymbol


@dataclass(frozen=True, slots=True)
class Entries:
    """One data symbol's arrays: the flat ones, and the offsets under the symbol of their size."""

    arrays: dict[sp.Symbol, np.ndarray]
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1


def is_scipy_sparse(given: Any) -> bool:
    """Whether it is one of SciPy's sparse arrays; SciPy itself is not needed to say no."""
    return str(type(given).__module__).startswith("scipy.sparse")


# ---- sparse data


def sparse_entries(given: Any, symbol: TensorSymbol, dtype: np.dtype) -> Entries:
    """The non-zeros of sparse data, from a SciPy matrix or a dense array of shape (N, columns)."""
    name, columns = symbol.name, symbol.shape[0]
    matrix = given if is_scipy_sparse(given) else _from_dense(given, name, columns, dtype)
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise ValueError(
            f"data {name!r} has shape {matrix.shape}; expected (N, {columns}), the N samples first"
        )
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"data {name!r} holds {matrix.dtype}; expected real numbers")
    matrix = matrix.tocsr()
    if matrix.indices.dtype.kind not in "iu":
        raise TypeError(f"data {name!r}: its columns are {matrix.indices.dtype}, not integers")
    offsets = np.asarray(matrix.indptr, np.int64)
    _check_offsets(offsets, name, min(len(matrix.indices), len(matrix.data)))
    used = slice(0, int(offsets[-1]))
    _check_entries(matrix.indices[used], offsets, name, columns)
    if not _rises(matrix.indices[used], offsets):
        parts = (matrix.data[used], matrix.indices[used], offsets)
        matrix = type(matrix)(parts, shape=(len(offsets) - 1, columns), copy=True)
        matrix.sum_duplicates()
        offsets = np.asarray(matrix.indptr, np.int64)
        used = slice(0, int(offsets[-1]))
    values, indices = stored(symbol)
    numbers = _converted(matrix.data[used], offsets, name, dtype)
    kept = np.ascontiguousarray(matrix.indices[used], held_as(indices) or np.int64)
    offsets = np.ascontiguousarray(offsets)
    return Entries({values: numbers, indices: kept, length(symbol): offsets}, offsets)


def _from_dense(given: Any, name: str, columns: int, dtype: np.dtype) -> Any:
    if _is_pandas_sparse(given):
        raise TypeError(
            f"data {name!r} is a sparse pandas object; give its matrix: "
            f"frame.sparse.to_coo().tocsr() of a frame whose {columns} columns are the features"
        )
    from scipy.sparse import csr_array

    return csr_array(as_array(given, name, (columns,), dtype))


def _is_pandas_sparse(given: Any) -> bool:
    found: Any = getattr(given, "dtypes", None)
    kinds = found if hasattr(found, "__iter__") else [found]
    return any(type(kind).__name__ == "SparseDtype" for kind in kinds)


def _rises(indices: np.ndarray, offsets: np.ndarray) -> bool:
    """Whether the columns of every sample rise: SciPy remembers what it once found, and arrays
    change."""
    rises = indices[1:] > indices[:-1]
    starts = offsets[(offsets > 0) & (offsets < len(indices))]
    rises[starts - 1] = True
    return bool(rises.all())


def _check_entries(indices: np.ndarray, offsets: np.ndarray, name: str, columns: int) -> None:
    if not len(indices) or (indices.min() >= 0 and indices.max() < columns):
        return
    at = int(np.argmax((indices < 0) | (indices >= columns)))
    raise IndexError(
        f"data {name!r}: sample {sample_of(at, offsets)} has an entry in column {indices[at]}; "
        f"there are {columns}, 0 to {columns - 1}"
    )


def _converted(values: np.ndarray, offsets: np.ndarray, name: str, dtype: np.dtype) -> np.ndarray:
    try:
        with np.errstate(over="raise"):
            return np.require(values.astype(dtype, copy=False), None, ["C", "A"])
    except FloatingPointError:
        at = int(np.argmax(np.isfinite(values) & (np.abs(values) > np.finfo(dtype).max)))
        raise ValueError(
            f"data {name!r}: sample {sample_of(at, offsets)} holds {values[at]}, which {dtype} "
            "cannot hold; compile with dtype='float64'"
        ) from None


# ---- ragged data


def ragged_entries(
    given: Any, symbol: TensorSymbol, dtype: np.dtype, size: int | None = None
) -> Entries:
    """The entries of ragged data: from (values, offsets), a list of lists, or equal rows.

    size: how many entries the values index, None where they index nothing.
    """
    name, shape = symbol.name, symbol.shape[1:]
    if is_scipy_sparse(given):
        raise TypeError(
            f"data {name!r} is ragged: give (values, offsets), such as (A.indices, A.indptr) of a "
            "CSR matrix A, or declare it with sparse=True"
        )
    if isinstance(given, tuple) and len(given) == 2:
        flat, offsets = given[0], _given_offsets(given[1], name)
        values = as_array(flat, name, shape, dtype)
        _check_offsets(offsets, name, len(values))
        if offsets[-1] < len(values):
            raise ValueError(
                f"data {name!r}: offsets end at {offsets[-1]} and there are {len(values)} values; "
                "offsets has N + 1 numbers for N samples, the last one the number of values"
            )
    else:
        flat, offsets = _joined(given, name, shape)
        values = as_array(flat, name, shape, dtype)
    if size is not None:
        _check_in(values, offsets, name, size)
    entries = entries_of(symbol)
    assert entries is not None
    return Entries({symbol: values, entries: offsets}, offsets)


def _given_offsets(given: Any, name: str) -> np.ndarray:
    return as_array(given, f"{name} (its offsets)", (), np.dtype(np.int64))


def _joined(given: Any, name: str, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """One array of all the lists' elements, and the offsets."""
    if isinstance(given, np.ndarray) and given.dtype.kind != "O":
        lists: Any = given
        if given.ndim < 2:
            raise ValueError(
                f"data {name!r} is ragged and has shape {given.shape}: give (values, offsets), "
                "sample i holding values[offsets[i]:offsets[i + 1]], or a list for each sample"
            )
    elif not isinstance(given, Iterable):
        raise TypeError(
            f"data {name!r} is ragged: give (values, offsets) or a list for each sample, not "
            f"{type(given).__name__}"
        )
    else:
        lists = [_one_list(x, i, name, shape) for i, x in enumerate(given)]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    filled = [x for x in lists if len(x)]
    return (np.concatenate(filled) if filled else np.zeros((0, *shape))), offsets


def _one_list(given: Any, i: int, name: str, shape: tuple) -> np.ndarray:
    array = real_array(given, name)
    if array.size == 0:
        return np.zeros((0, *shape))
    if array.shape[1:] != shape or not array.ndim:
        raise ValueError(
            f"data {name!r}: sample {i} has shape {array.shape}; expected a list of "
            + (f"arrays of shape {shape}" if shape else "numbers")
        )
    return array


def _check_in(values: np.ndarray, offsets: np.ndarray, name: str, size: int) -> None:
    """Raise IndexError, naming the sample, unless every value is in 0 ... size - 1."""
    if not values.size or (values.min() >= 0 and values.max() < size):
        return
    wrong = ((values < 0) | (values >= size)).reshape(len(values), -1).any(axis=1)
    at = int(np.argmax(wrong))
    try:
        check_range(values[at : at + 1], name, size)
    except IndexError as error:
        text = str(error).replace("sample 0", f"sample {sample_of(at, offsets)}", 1)
        raise IndexError(text) from None


# ---- both


def _check_offsets(offsets: np.ndarray, name: str, entries: int) -> None:
    if not len(offsets):
        raise ValueError(f"data {name!r}: offsets has N + 1 numbers for N samples, and holds none")
    falls = offsets[1:] < offsets[:-1]  # no difference, which may overflow
    if offsets[0] != 0 or falls.any() or offsets[-1] > entries:
        at = int(np.argmax(falls))
        raise ValueError(
            f"data {name!r}: where the samples' entries begin must rise from 0 to at most the "
            f"{entries} entries that are given; it goes from {offsets[0]} to {offsets[-1]}"
            + (f", and falls to {offsets[at + 1]} after sample {at}" if falls.any() else "")
        )


def sample_of(entry: int, offsets: np.ndarray) -> int:
    """The sample to which an entry belongs."""
    return int(np.searchsorted(offsets, entry, side="right")) - 1
