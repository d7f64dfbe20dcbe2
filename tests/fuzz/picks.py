"""How operations find their operands: (operands, attributes) from a drawing d, or None.

A drawing picks values by rank, kind and interval; what is not there may be made (a positive matrix,
the mini-batch's values, integer data).
"""

from __future__ import annotations

from typing import Any

import numpy as np

ANY, UNIT, POSITIVE, TAME = (-60, 60), (0.05, 0.95), (0.15, 6), (-3, 3)
MOST = 48  # elements of one sample's value


def axes_of(d: Any, v: Any) -> Any:
    """None, one axis (negative ones too), or several."""
    rank = len(v.shape)
    kind = d.rng.integers(4)
    if kind == 0:
        return None
    if kind < 3 or rank < 2:
        return int(d.rng.integers(-rank, rank))
    chosen = d.rng.choice(rank, int(d.rng.integers(1, rank + 1)), replace=False)
    return tuple(int(a) for a in chosen)


def axis_of(d: Any, v: Any) -> int:
    return int(d.rng.integers(-len(v.shape), len(v.shape)))


def count(v: Any, axis: Any) -> int:
    axes = range(len(v.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return int(np.prod([v.shape[a] for a in axes]))


def reduced(d: Any, kind: str = "float", interval: Any = ANY) -> Any:
    v = d.pick(kind=kind, interval=interval, rank=(1, 3))
    if v is None:
        return None
    return [v], {"axis": axes_of(d, v), "keepdims": bool(d.rng.integers(2))}


def spread(d: Any) -> Any:
    """var and std."""
    found = reduced(d)
    if found is None or count(found[0][0], found[1]["axis"]) < 2:
        return None
    return found[0], {**found[1], "correction": int(d.rng.integers(2))}


def norm(d: Any) -> Any:
    found = reduced(d)
    return found and (found[0], {**found[1], "p": d.one([1, 2, 3, 1.5])})


def along(d: Any, interval: Any = ANY, **more: list) -> Any:
    v = d.pick(rank=(1, 3), interval=interval)
    return v and ([v], {"axis": axis_of(d, v), **{k: d.one(x) for k, x in more.items()}})


def matrix(d: Any, **more: list) -> Any:
    v = d.pick(rank=(2, 2))
    return v and ([v], {k: d.one(x) for k, x in more.items()})


def plain(d: Any) -> Any:
    v = d.pick()
    return v and ([v], {})


def noisy(d: Any) -> Any:
    """A value and random numbers of its shape, one draw in two a new one."""
    v = d.pick(rank=(0, 2))
    if v is None:
        return None
    known = [r for r in d.pool if r.name in d.drawn and r.shape == v.shape and r.kind == "float"]
    new = not known or d.rng.random() < 0.5
    return [v, d.draw(d.one(["normal", "uniform"]), v.shape) if new else d.one(known)], {}


def one_operand(d: Any, **more: list) -> Any:
    v = d.pick(rank=(0, 2))
    return v and ([v], {k: d.one(x) for k, x in more.items()})


def any_rank(d: Any) -> Any:
    v = d.pick(rank=(1, 3))
    return v and ([v], {})
