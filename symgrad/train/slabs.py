"""Memory-mapped arrays that a kernel cannot read as they are, converted a part at a time.

`loss`, `gradients`, `predict` and the validation of a fit read arrays of the right dtype where they
stand.  Of a file of others, larger than memory perhaps, there is one slab in memory after the
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from symgrad.calculus.block import Name
from symgrad.train.batches import Intake
from symgrad.train.sources import is_mapped

BYTES = 2**25  # of a slab, as the kernel reads it
Outputs = dict[str, np.ndarray]


def slabs(data: Any, intake: Intake) -> list[slice]:
    """The parts in which data are to be read; none where they are read as they stand."""
    if not is_mapped(data) or intake.draws or not intake.plain:
        return []  # a draw depends on a sample's place among all
    arrays = [(c, data[c.name]) for c in intake.columns if c.name in data]
    if len(arrays) < len(data) or any(not isinstance(a, np.ndarray) for _, a in arrays):
        return []
    counts = {len(a) if a.ndim else 0 for _, a in arrays}
    if len(counts) != 1 or all(a.dtype == c.dtype and a.flags.c_contiguous for c, a in arrays):
        return []
    (n,) = counts
    each = sum(c.dtype.itemsize * int(np.prod(c.shape)) for c, _ in arrays)
    size = max(BYTES // max(each, 1), 1)
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def joined(
    data: Mapping[str, Any], parts: list[slice], outputs: Mapping[str, Name],
    evaluate: Callable[[dict[str, Any]], Outputs],
) -> Outputs:  # fmt: skip
    """The outputs for all data from those for the parts: values of samples, or means over them."""
    n, found = parts[-1].stop, dict[str, np.ndarray]()
    for part, values in _each(data, parts, evaluate):
        for label, value in values.items():
            if outputs[label].per_sample:
                whole = found.setdefault(label, np.empty((n, *value.shape[1:]), value.dtype))
                whole[part] = value
            else:
                share = value * ((part.stop - part.start) / n)
                found[label] = found[label] + share if label in found else share
    return {k: v if outputs[k].per_sample else v.astype(values[k].dtype) for k, v in found.items()}


def check(data: Mapping[str, Any], parts: list[slice], accept: Callable[[dict], Any]) -> None:
    """Raise what is wrong with the data, before anybody computes with a part of them."""
    for _ in _each(data, parts, accept):
        pass


def _each(
    data: Mapping[str, Any], parts: list[slice], evaluate: Callable[[dict[str, Any]], Any]
) -> Iterator[tuple[slice, Any]]:
    for part in parts:
        try:
            yield part, evaluate({name: array[part] for name, array in data.items()})
        except (IndexError, TypeError, ValueError) as error:
            if part.start:
                error.add_note(f"samples are counted from sample {part.start:,} of the data here")
            raise
