"""Data of varying length: sizes that each sample has for itself, and what sparse data store.

The size of such an axis is a symbol, `len(bag)`, as the mini-batch's size is one; its value is a
number for each sample.  In memory the samples' entries stand one after the other, and the array of
the size's symbol says where: sample i has the entries offsets[i] ... offsets[i + 1] - 1.
"""

from __future__ import annotations

from typing import Any

from symgrad.language.digest import digest
from symgrad.language.symbols import SPARSE, TensorSymbol

NARROW = 2**31  # up to so many columns their numbers are kept as int32, as SciPy does


def length(symbol: TensorSymbol) -> TensorSymbol:
    """How many non-zeros a sample of sparse data has: the size of the axis of what is stored."""
    key = digest("length", symbol.structure)
    return TensorSymbol(f"nnz({symbol.name})", (), "int", "length", key, key)


def is_length(size: Any) -> bool:
    """Whether an axis' size is a number for each sample."""
    return isinstance(size, TensorSymbol) and size.role == "length"


def is_sparse(symbol: Any) -> bool:
    return isinstance(symbol, TensorSymbol) and symbol.role == "data" and symbol.payload == SPARSE


def stored(symbol: TensorSymbol) -> tuple[TensorSymbol, TensorSymbol]:
    """The values of sparse data that are not zero, and the columns in which they stand."""
    size = (length(symbol),)
    return _part(symbol, "values", size, "float"), _part(symbol, "columns", size, "int")


def _part(symbol: TensorSymbol, part: str, shape: tuple, kind: str) -> TensorSymbol:
    key = digest(part, symbol.structure)
    narrow = kind == "int" and symbol.shape[0] <= NARROW
    name = f"{part} of {symbol.name}"
    return TensorSymbol(name, shape, kind, "data", key, key, "int32" if narrow else None)


def entries_of(symbol: Any) -> TensorSymbol | None:
    """The size of the axis along which data hold one entry after the other; None for others."""
    shape = getattr(symbol, "shape", ())
    return shape[0] if shape and is_length(shape[0]) else None


def held_as(symbol: Any) -> str | None:
    """The dtype in memory of data for which their kind does not say it."""
    given = symbol.payload if isinstance(symbol, TensorSymbol) and symbol.role == "data" else None
    return given if given not in (None, SPARSE) else None
