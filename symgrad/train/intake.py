"""Turns what a user has into an array that a kernel can read, or says why not.

Lists, Series, other dtypes and byte orders, non-contiguous, read-only and memory-mapped arrays all
work.  An array that is right already is not copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.language.arguments import array_of
from symgrad.language.free_memory import check_free

PIECE = 2**20  # samples looked at together
UNSIGNED = np.dtype(np.uint64)
WRONG_KINDS = {
    "c": "complex numbers", "U": "strings", "S": "bytes", "M": "dates", "m": "time spans",
    "V": "records",
}  # fmt: skip


def as_array(given: Any, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The values of one data symbol: (N, *shape), C-contiguous, aligned, of the given dtype.

    Raises TypeError for what is not real numbers, ValueError for wrong shapes and for values that
    the dtype cannot hold; both name the symbol, and the sample where one is to blame.
    """
    array = real_array(given, name)
    _check_shape(array, name, shape)
    if array.dtype != dtype or not array.flags.c_contiguous:
        check_free(array.size * dtype.itemsize, f"data {name!r} as {dtype} in C order, a copy,")
    if array.dtype != dtype:
        array = _integers(array, name) if dtype.kind == "i" else _floats(array, name, dtype)
    return np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"])


def real_array(given: Any, name: str) -> np.ndarray:
    """Anything regular that holds real numbers, as an array."""
    if hasattr(given, "to_numpy") and not isinstance(
        getattr(given, "dtype", None), np.dtype | None
    ):
        given = _from_nullable(given)
    array = array_of(given, f"data {name!r}")
    if array.dtype.kind == "O":
        raise TypeError(f"data {name!r} holds {_culprit(array)}; expected real numbers")
    if array.dtype.kind not in "fiub":
        found = WRONG_KINDS.get(array.dtype.kind, "no numbers")
        raise TypeError(f"data {name!r} holds {found} ({array.dtype}); expected real numbers")
    return array


def _from_nullable(series: Any) -> Any:
    """A pandas column of an extension dtype: missing values become NaN."""
    if series.dtype.kind not in "fiub":
        return series.to_numpy(dtype=object)
    if series.isna().any():
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return series.to_numpy(dtype=np.dtype(series.dtype.kind + str(series.dtype.itemsize)))


def _culprit(array: np.ndarray) -> str:
    """What an object array holds that is not a number, and where."""
    for i, value in enumerate(array.flat):
        if not isinstance(value, int | float | np.number):
            kind = "None" if value is None else f"a {type(value).__name__}"
            return kind if array.ndim == 0 else f"{kind} (element {i}) in an array of objects"
    whole = all(isinstance(value, int | np.integer) for value in array.flat)
    if whole and not all(-(2**63) <= value < 2**63 for value in array.flat):
        return "whole numbers beyond 64 bits (dtype object; use .astype(float))"
    return f"Python objects (dtype object; use .astype({'int' if whole else 'float'}))"


def _check_shape(array: np.ndarray, name: str, shape: tuple[int, ...]) -> None:
    if array.ndim and array.shape[1:] == shape:
        return
    expected = "(" + ", ".join(["N", *map(str, shape)]) + ("," if not shape else "") + ")"
    hint = ""
    if array.shape == shape:
        hint = f"; one sample is {name}[None]"
    elif array.ndim == len(shape) + 2 and array.shape[1] == 1 and array.shape[2:] == shape:
        hint = f"; {name}[:, 0] has it"
    elif array.ndim and array.size == array.shape[0] * int(np.prod(shape)):
        hint = f"; {name}.reshape({', '.join(['-1', *map(str, shape)])}) has it"
    raise ValueError(
        f"data {name!r} has shape {array.shape}; expected {expected}, the N samples first{hint}"
    )


def _floats(array: np.ndarray, name: str, dtype: np.dtype) -> np.ndarray:
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype)
    except FloatingPointError:
        i = _first_sample(np.isfinite(array) & (np.abs(array) > np.finfo(dtype).max))
        raise ValueError(
            f"data {name!r}: sample {i} holds {_largest(array[i])}, which {dtype} cannot hold"
            + ("; compile with dtype='float64'" if dtype == np.float32 else "")
        ) from None


def _integers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind == "f":
        wrong = (
            ~np.isfinite(array) | (array != np.rint(array)) | (np.abs(array) >= np.float64(2**63))
        )
    elif array.dtype.kind == "u":
        wrong = array > np.iinfo(np.int64).max
    else:
        wrong = np.zeros(array.shape, bool)
    if wrong.any():
        i = _first_sample(wrong)
        value = array[i][wrong[i]].flat[0] if array.ndim > 1 else array[i]
        raise ValueError(
            f"data {name!r} is declared dtype=int, and sample {i} holds {value.item()}, "
            "which is no 64-bit integer"
        )
    return array.astype(np.int64)


def check_range(array: np.ndarray, name: str, size: int) -> None:
    """Raise IndexError unless every index is in 0 ... size - 1."""
    if array.size == 0:
        return
    unsigned = array.view(UNSIGNED)  # negative ones are large there
    if unsigned.item(unsigned.argmax()) < size:  # of few numbers in a fourth of the time of max()
        return
    i = _first_outside(array, size)
    value = array[i][(array[i] < 0) | (array[i] >= size)].flat[0]
    raise IndexError(
        f"data {name!r}: sample {i} holds {value}, which is out of range: it indexes "
        f"{size} entries, 0 to {size - 1}" + (" (negative indices do not wrap)" * bool(value < 0))
    )


def _first_outside(array: np.ndarray, size: int) -> int:
    """The first sample with an index out of range; no copy of all of them is made."""
    for first in range(0, len(array), PIECE):
        part = array[first : first + PIECE]
        wrong = (part < 0) | (part >= size)
        if wrong.any():
            return first + _first_sample(wrong)
    raise AssertionError("every index is in range")


def _first_sample(wrong: np.ndarray) -> int:
    return int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))


def _largest(values: np.ndarray) -> float:
    finite = np.where(np.isfinite(values), np.abs(values), 0)
    return float(finite.max())
