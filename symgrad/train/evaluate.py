"""Runs a program on a whole input, in pieces where the result is the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import sympy as sp

from symgrad.calculus.block import Name
from symgrad.language.free_memory import check_free
from symgrad.language.symbols import batch_size
from symgrad.train.targets import Executable

KINDS = {"int": np.dtype(np.int64), "bool": np.dtype(bool)}  # float: the model's dtype


def evaluate(
    executable: Executable, arrays: Mapping[sp.Symbol, np.ndarray], n: int, size: int,
    outputs: Mapping[str, Name], dtype: np.dtype, between: Callable[[], None] = lambda: None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The outputs for n samples in pieces of `size`, at most the executable's batch size.

    Per sample: (n, *shape).  The others: (*shape), the mean over the pieces by their sizes; float64
    for rank 0.  The mini-batch's axis has n elements: there is one piece then.  `between` is called
    before each piece.
    """
    shapes = {label: _sizes(x.shape, n) for label, x in outputs.items()}
    sampled = {
        label: _room((n, *shapes[label]), x, dtype) for label, x in outputs.items() if x.per_sample
    }
    plain = {label: x for label, x in outputs.items() if not x.per_sample}
    means = {label: np.zeros(shapes[label]) for label, x in plain.items()}
    for first in range(0, n, size):
        last = min(first + size, n)
        part = {label: array[first:last] for label, array in sampled.items()}
        part |= {label: _room(shapes[label] or (1,), x, dtype) for label, x in plain.items()}
        between()
        executable.run(arrays, None, first, last, outputs=part)
        for label in plain:
            means[label] += part[label].reshape(shapes[label]) * ((last - first) / n)
    rounded = {label: means[label].astype(dtype) if x.shape else means[label]
               for label, x in plain.items()}  # fmt: skip
    return {label: (sampled | rounded)[label] for label in outputs}


def _sizes(shape: tuple, n: int) -> tuple[int, ...]:
    sizes = (s.subs(batch_size, n) if isinstance(s, sp.Expr) else s for s in shape)
    return tuple(map(int, sizes))


def _room(shape: tuple[int, ...], name: Name, dtype: np.dtype) -> np.ndarray:
    if not name.per_sample and not name.shape:
        return np.empty(shape)  # rank 0 comes as float64, one value for each mini-batch
    kind = KINDS.get(name.kind, dtype)
    check_free(math.prod(shape) * kind.itemsize, f"an output of shape {shape}")
    return np.empty(shape, kind)
