"""The options of `sg.compile` that are neither mathematics nor data, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.train.targets import check_target

DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Settings:
    """reduction: "mean" or "sum" over the mini-batch; dtype: of the model's arrays."""

    reduction: str
    dtype: np.dtype
    target: str
    seed: int


def check_settings(
    reduction: Any, dtype: Any, target: Any, seed: Any, updates: Any = None
) -> Settings:
    """The settings; ValueError or TypeError in prose where one is impossible."""
    check_target(target)
    if not isinstance(reduction, str) or reduction not in ("mean", "sum"):
        raise ValueError(f"reduction is 'mean' or 'sum', not {reduction!r}")
    if updates is not None and not (isinstance(updates, Mapping) and not updates):
        raise ValueError("updates assign sg.state symbols, which this version does not have yet")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed is a whole number from 0, not {seed!r}")
    if seed < 0:
        raise ValueError(f"seed is {seed}, and should be at least 0")
    return Settings(reduction, _dtype(dtype), target, int(seed))


def _dtype(given: Any) -> np.dtype:
    try:
        dtype = np.dtype(given)
    except Exception:  # whatever NumPy, or the `dtype` of what was given, says
        dtype = None
    if given is None or dtype is None or dtype.name not in DTYPES or not dtype.isnative:
        raise ValueError(f"dtype is 'float32' or 'float64', not {given!r}")
    return dtype
