"""How views and indexing find their operands: see `picks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fuzz.picks import axis_of
from tests.fuzz.programs import WHOLE


def reshape(d: Any) -> Any:
    v = d.pick(rank=(1, 3))
    if v is None:
        return None
    n = int(np.prod(v.shape))
    shapes = [(n,), (-1,), (1, n), (n, 1), *((k, n // k) for k in (2, 3, 4) if n % k == 0)]
    return [v], {"shape": d.one([*shapes, (2, -1)] if n and n % 2 == 0 else shapes)}


def permuted(d: Any) -> Any:
    v = d.pick(rank=(2, 3))
    return v and ([v], {"axes": tuple(int(a) for a in d.rng.permutation(len(v.shape)))})


def broadcast(d: Any) -> Any:
    v = d.pick()
    if v is None:
        return None
    wide = tuple(s if s != 1 else int(d.rng.integers(1, 4)) for s in v.shape)
    return [v], {"shape": (*d.one([(), (2,), (1,), (3, 1)]), *wide)}


def squeeze(d: Any) -> Any:
    v = d.pick(rank=(1, 3), fits=lambda v: 1 in v.shape) or d.pick(rank=(1, 3))
    return v and ([v], {"axis": d.one([None, axis_of(d, v)])})


def unsqueeze(d: Any) -> Any:
    v = d.pick(rank=(0, 2))
    return v and ([v], {"axis": int(d.rng.integers(-len(v.shape) - 1, len(v.shape) + 1))})


def concatenate(d: Any) -> Any:
    a = d.pick(rank=(1, 3))
    if a is None:
        return None
    axis = axis_of(d, a)
    k = axis % len(a.shape)
    fits = lambda v: len(v.shape) == len(a.shape) and (  # noqa: E731
        v.shape[:k] + v.shape[k + 1 :] == a.shape[:k] + a.shape[k + 1 :])  # fmt: skip
    return [a, *(d.pick(fits=fits) for _ in range(int(d.rng.integers(1, 3))))], {"axis": axis}


def stack(d: Any) -> Any:
    a = d.pick(rank=(0, 2))
    if a is None:
        return None
    others = [d.pick(fits=lambda v: v.shape == a.shape) for _ in range(int(d.rng.integers(1, 3)))]
    return [a, *others], {"axis": int(d.rng.integers(-len(a.shape) - 1, len(a.shape) + 1))}


def split(d: Any) -> Any:
    v = d.pick(rank=(1, 3), fits=lambda v: max(v.shape) > 1)
    if v is None:
        return None
    axis = v.shape.index(max(v.shape))
    n = v.shape[axis]
    cut = int(d.rng.integers(1, n))
    sizes = d.one([cut, [cut, n - cut]])
    pieces = 2 if isinstance(sizes, list) else -(-n // cut)
    return [v], {"sizes": sizes, "axis": axis, "at": int(d.rng.integers(pieces))}


def flip(d: Any) -> Any:
    v = d.pick(rank=(1, 3))
    axes = v and d.rng.choice(len(v.shape), int(d.rng.integers(1, len(v.shape) + 1)), replace=False)
    return v and ([v], {"axis": tuple(int(a) for a in axes)})


def pad(d: Any) -> Any:
    v = d.pick(rank=(1, 2), fits=lambda v: int(np.prod(v.shape)) <= 12)
    widths = v and [tuple(int(n) for n in d.rng.integers(0, 3, 2)) for _ in v.shape]
    return v and ([v], {"width": widths, "value": d.one([0, 1.5])})


def pad_mode(d: Any) -> Any:
    v = d.pick(rank=(1, 2), fits=lambda v: min(v.shape) > 1 and int(np.prod(v.shape)) <= 12)
    widths = v and [tuple(int(n) for n in d.rng.integers(0, 2, 2)) for _ in v.shape]
    return v and ([v], {"width": widths, "mode": d.one(["reflect", "replicate", "circular"])})


def tile(d: Any) -> Any:
    v = d.pick(rank=(1, 2), fits=lambda v: int(np.prod(v.shape)) <= 8)
    return v and ([v], {"repeats": tuple(int(n) for n in d.rng.integers(1, 3, len(v.shape)))})


def vector_or_square(d: Any) -> Any:
    v = d.pick(rank=(1, 2), fits=lambda v: 1 < v.shape[-1] <= 4 and 1 < v.shape[0] <= 4)
    return v and ([v], {"k": d.one([0, 1, -1])})


def diagonal(d: Any) -> Any:
    v = d.pick(rank=(2, 2), fits=lambda v: min(v.shape) > 1)
    return v and ([v], {"k": d.one([0, 1, -1])})


def _entry(d: Any, size: int) -> Any:
    start = int(d.rng.integers(size))
    return d.one([
        int(d.rng.integers(-size, size)), slice(None), slice(start, None), slice(None, start + 1),
        slice(None, None, -1), slice(None, None, 2), slice(start, None, -2),
        slice(-size, start + 1),
    ])  # fmt: skip


def take(d: Any) -> Any:
    v = d.pick(rank=(1, 3), fits=lambda v: min(v.shape) > 0)
    if v is None:
        return None
    spec: list = [_entry(d, s) for s in v.shape[: int(d.rng.integers(1, len(v.shape) + 1))]]
    if d.rng.random() < 0.3:
        spec.insert(int(d.rng.integers(len(spec) + 1)), d.one([None, ...]))
    return [v], {"spec": tuple(spec)}


def take_array(d: Any) -> Any:
    v = d.pick(rank=(1, 3), fits=lambda v: v.shape[0] > 0)
    shape = d.one([(2,), (3,), (2, 2)])
    return v and ([v], {"index": d.rng.integers(-v.shape[0], v.shape[0], shape).tolist()})


def scalar_at(d: Any) -> Any:
    v = d.pick(rank=(1, 3), fits=lambda v: min(v.shape) > 0)
    return v and ([v], {"spec": tuple(int(d.rng.integers(-s, s)) for s in v.shape)})


def take_at(d: Any, axes: int = 1, column: bool = False) -> Any:
    """Rows at integer data, or at computed places."""
    v = d.pick(rank=(max(axes, 1 + column), 3), fits=lambda v: min(v.shape) > 0)
    if v is None:
        return None
    sizes = v.shape[1:2] if column else v.shape[:axes]
    return [v, *(d.index(s) for s in sizes)], {}


def lookup(d: Any) -> Any:
    """Rows of a table that nothing else reads, at data or at draws: a step updates these alone."""
    n = int(d.rng.integers(3, 8))
    table = d.one(d.tables) if d.tables and d.rng.random() < 0.5 else d.table((n, d.one([1, 2, 3])))
    if d.rng.random() < 0.3:
        return [table, d.draw(d.one(WHOLE), d.one([(), (2,)]), table.shape[0])], {}
    return [table, d.index(table.shape[0])], {}


def one_hot(d: Any) -> Any:
    classes = int(d.rng.integers(2, 4))
    return [d.index(classes, rank=(0, 1))], {"classes": classes}


def gather(d: Any) -> Any:
    v = d.pick(rank=(1, 2), fits=lambda v: min(v.shape) > 0)
    if v is None:
        return None
    axis = axis_of(d, v)
    shape = [s if k != axis % len(v.shape) else 2 for k, s in enumerate(v.shape)]
    n = v.shape[axis]
    return [v], {"index": d.rng.integers(0, n, shape).tolist(), "axis": axis}


def sliced_vector(d: Any) -> Any:
    v = d.pick(rank=(1, 1), fits=lambda v: v.shape[0] > 1)
    return v and ([v], {"spec": (slice(1, None),)})
