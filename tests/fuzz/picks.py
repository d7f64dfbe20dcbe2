"""How structured operations find their operands: (operands, attributes) from a drawing d, or None.

A drawing picks values by rank, kind and interval; what is not there may be made (a positive matrix,
the mini-batch's values, integer data).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

ANY, UNIT, POSITIVE, TAME = (-60, 60), (0.05, 0.95), (0.15, 6), (-3, 3)
MOST = 48  # elements of one sample's value


def _axes(d: Any, v: Any) -> Any:
    """None, one axis (negative ones too), or several."""
    rank = len(v.shape)
    kind = d.rng.integers(4)
    if kind == 0:
        return None
    if kind < 3 or rank < 2:
        return int(d.rng.integers(-rank, rank))
    chosen = d.rng.choice(rank, int(d.rng.integers(1, rank + 1)), replace=False)
    return tuple(int(a) for a in chosen)


def _axis(d: Any, v: Any) -> int:
    return int(d.rng.integers(-len(v.shape), len(v.shape)))


def _count(v: Any, axis: Any) -> int:
    axes = range(len(v.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return int(np.prod([v.shape[a] for a in axes]))


def reduced(d: Any, kind: str = "float", interval: Any = ANY) -> Any:
    v = d.pick(kind=kind, interval=interval, rank=(1, 3))
    if v is None:
        return None
    return [v], {"axis": _axes(d, v), "keepdims": bool(d.rng.integers(2))}


def spread(d: Any) -> Any:
    """var and std."""
    found = reduced(d)
    if found is None or _count(found[0][0], found[1]["axis"]) < 2:
        return None
    return found[0], {**found[1], "correction": int(d.rng.integers(2))}


def norm(d: Any) -> Any:
    found = reduced(d)
    return found and (found[0], {**found[1], "p": d.one([1, 2, 3, 1.5])})


def along(d: Any, interval: Any = ANY, **more: list) -> Any:
    v = d.pick(rank=(1, 3), interval=interval)
    return v and ([v], {"axis": _axis(d, v), **{k: d.one(x) for k, x in more.items()}})


def matrix(d: Any, **more: list) -> Any:
    v = d.pick(rank=(2, 2))
    return v and ([v], {k: d.one(x) for k, x in more.items()})


def product(d: Any) -> Any:
    """Two values that `@` joins: vectors, matrices, stacks of matrices."""
    a = d.pick(rank=(1, 3))
    b = a and d.pick(rank=(1, 3), fits=lambda v: _multiply(a.shape, v.shape))
    return b and ([a, b], {})


def _multiply(a: tuple, b: tuple) -> bool:
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        return False
    lead = a[:-2], b[:-2]
    return all(m == n or 1 in (m, n) for m, n in zip(lead[0][::-1], lead[1][::-1], strict=False))


def flat_product(d: Any) -> Any:
    a = d.pick(rank=(1, 2))
    b = a and d.pick(rank=(1, 2), fits=lambda v: _multiply(a.shape, v.shape))
    return b and ([a, b], {})


def vectors(d: Any) -> Any:
    a, b = d.pick(rank=(1, 1)), d.pick(rank=(1, 1))
    return a and b and ([a, b], {})


EINSUMS = [
    "ij->ji", "ij->i", "ij->", "i,i->i", "i,j->ij", "i,j->ji", "ij,j->i", "ij,i->j", "ij,ij->",
    "ij,jk", "ij,kj->ik", "ij,jk->ki", "ii->i", "ii", "ij,ij->ij", "ij,j->ij", "...j,j->...",
    "...ij->...ji", "i,ij,j->", "ij,jk,k->i", "ij,k->ijk", "ijk->ki", "ijk,k->ij", "ij,ik,il->jkl",
    "i->i", "ij,j,i->ij", "bij,bjk->bik",
]  # fmt: skip


def einsum(d: Any) -> Any:
    text = d.one(EINSUMS)
    operands: list = []
    for term in text.split("->")[0].split(","):
        rank = len(term.replace("...", ""))
        ranks = (rank, 3) if "..." in term else (rank, rank)
        v = d.pick(rank=ranks, fits=lambda v, t=term: _agrees(text, [*operands, v]))
        if v is None:
            return None
        operands.append(v)
    return operands, {"text": text}


def _agrees(text: str, operands: list) -> bool:
    sizes: dict[str, int] = {}
    for term, v in zip(text.split("->")[0].split(","), operands, strict=False):
        letters = term.replace("...", "")
        shape = v.shape[len(v.shape) - len(letters) :]
        if any(sizes.setdefault(c, s) != s for c, s in zip(letters, shape, strict=True)):
            return False
    return True


def tensordot(d: Any) -> Any:
    n = int(d.rng.integers(1, 3))
    a = d.pick(rank=(n, 3))
    b = a and d.pick(rank=(n, 3), fits=lambda v: v.shape[:n] == a.shape[len(a.shape) - n :])
    return b and ([a, b], {"axes": n})


def cross(d: Any) -> Any:
    a = d.pick(rank=(1, 2), fits=lambda v: 3 in v.shape)
    b = a and d.pick(fits=lambda v: v.shape == a.shape)
    return b and ([a, b], {"axis": a.shape.index(3)})


def square(d: Any, **more: list) -> Any:
    v = d.pick(rank=(2, 2), fits=lambda v: v.shape[0] == v.shape[1] and v.shape[0] > 0)
    return v and ([v], {k: d.one(x) for k, x in more.items()})


def spd(d: Any) -> Any:
    v = d.pick(rank=(2, 2), interval=TAME, fits=lambda v: v.shape[0] <= 4)
    return v and ([v], {"n": v.shape[0]})


def positive(d: Any) -> Any:
    """A symmetric positive matrix, made where there is none."""
    v = d.pick(rank=(2, 2), fits=lambda v: v.positive)
    if v is None:
        found = spd(d)
        v = found and d.apply("spd", *found)
    return v and ([v], {})


def system(d: Any, **more: list) -> Any:
    found = positive(d)
    a = found and found[0][0]
    b = a and d.pick(rank=(1, 2), fits=lambda v: v.shape[0] == a.shape[0])
    return b and ([a, b], {k: d.one(x) for k, x in more.items()})


def triangular(d: Any) -> Any:
    return system(d, lower=[True, False], transposed=[True, False])


def quadratic(d: Any) -> Any:
    a = d.pick(rank=(2, 2), fits=lambda v: v.shape[0] == v.shape[1])
    b = a and d.pick(rank=(1, 1), fits=lambda v: v.shape[0] == a.shape[0])
    return b and ([a, b], {})


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


def any_rank(d: Any) -> Any:
    v = d.pick(rank=(1, 3))
    return v and ([v], {})


def broadcast(d: Any) -> Any:
    v = d.pick()
    if v is None:
        return None
    wide = tuple(s if s != 1 else int(d.rng.integers(1, 4)) for s in v.shape)
    return [v], {"shape": (*d.one([(), (2,), (1,), (3, 1)]), *wide)}


def squeeze(d: Any) -> Any:
    v = d.pick(rank=(1, 3), fits=lambda v: 1 in v.shape) or d.pick(rank=(1, 3))
    return v and ([v], {"axis": d.one([None, _axis(d, v)])})


def unsqueeze(d: Any) -> Any:
    v = d.pick(rank=(0, 2))
    return v and ([v], {"axis": int(d.rng.integers(-len(v.shape) - 1, len(v.shape) + 1))})


def concatenate(d: Any) -> Any:
    a = d.pick(rank=(1, 3))
    if a is None:
        return None
    axis = _axis(d, a)
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


def one_hot(d: Any) -> Any:
    classes = int(d.rng.integers(2, 4))
    return [d.index(classes, rank=(0, 1))], {"classes": classes}


def gather(d: Any) -> Any:
    v = d.pick(rank=(1, 2), fits=lambda v: min(v.shape) > 0)
    if v is None:
        return None
    axis = _axis(d, v)
    shape = [s if k != axis % len(v.shape) else 2 for k, s in enumerate(v.shape)]
    n = v.shape[axis]
    return [v], {"index": d.rng.integers(0, n, shape).tolist(), "axis": axis}


def pair(d: Any, first: Any = ANY, second: Any = ANY, **more: list) -> Any:
    """Two values of one shape, as losses want them."""
    a = d.pick(interval=first, rank=(0, 2))
    b = a and d.pick(interval=second, fits=lambda v: v.shape == a.shape)
    return b and ([a, b], {k: d.one(x) for k, x in more.items()})


def gaussian(d: Any) -> Any:
    found = pair(d)
    v = found and d.pick(interval=(0.2, 6), fits=lambda v: v.shape == found[0][0].shape)
    return v and ([*found[0], v], {})


def labelled(d: Any, **more: Callable) -> Any:
    """A vector of scores and a label."""
    v = d.pick(rank=(1, 1), fits=lambda v: v.shape[0] > 1)
    return v and (
        [v, d.index(v.shape[0], rank=(0, 0))], {k: f(d, v.shape[0]) for k, f in more.items()}
    )  # fmt: skip


def probabilities(d: Any) -> Any:
    a = d.pick(rank=(1, 2))
    b = a and d.pick(interval=(0, 6), fits=lambda v: v.shape == a.shape)
    return b and ([a, b], {"axis": _axis(d, a)})


def angles(d: Any, **more: list) -> Any:
    a = d.pick(rank=(1, 2), interval=ANY)
    b = a and d.pick(fits=lambda v: v.shape == a.shape)
    return b and ([a, b], {k: d.one(x) for k, x in more.items()})


def cosine(d: Any) -> Any:
    found = angles(d)
    return found and (found[0], {"axis": _axis(d, found[0][0])})


def triplet(d: Any) -> Any:
    a = d.pick(rank=(1, 1))
    others = a and [d.pick(fits=lambda v: v.shape == a.shape) for _ in range(2)]
    return a and all(others) and ([a, *others], {"swap": bool(d.rng.integers(2))})


def sampled(d: Any) -> Any:
    v = d.pick(fits=lambda v: v.sampled and (not v.shape or v.shape[0] != "B"))
    return v and ([v], {})


def plain(d: Any) -> Any:
    v = d.pick()
    return v and ([v], {})


def batched(d: Any, rank: tuple[int, int] = (1, 3)) -> Any:
    """A value that stacks the mini-batch's; made where there is none."""
    v = d.pick(rank=rank, batched=True)
    if v is None:
        found = sampled(d)
        v = found and len(found[0][0].shape) < rank[1] and d.apply("batch", *found)
        v = v and len(v.shape) in range(rank[0], rank[1] + 1) and v
    return v and ([v], {})


def scores(d: Any) -> Any:
    found = batched(d, rank=(2, 2))
    b = found and d.pick(rank=(1, 1), fits=lambda v: v.shape[0] == found[0][0].shape[1])
    return b and ([found[0][0], b], {})


def _small(d: Any, v: Any) -> Any:
    """An input that v depends on, of few elements."""
    return d.source(v)


def derivative(d: Any, scalar: bool, most: int, shaped: str | None) -> Any:
    """A value and an input that it depends on; each sample's own derivative."""
    v = d.pick(rank=(0, 0) if scalar else (0, 2), fits=lambda v: not v.coupled)
    x = v and d.source(v, most)
    if x is None or not x:
        return None
    more = {"shape": (x if shaped == "x" else v).shape} if shaped else {}
    return [v, x], {"own": True, **more}


def gradient(d: Any) -> Any:
    if d.rng.random() < 0.7:
        return derivative(d, scalar=True, most=12, shaped=None)
    v = d.pick(rank=(0, 0), fits=lambda v: v.coupled and not v.sampled)
    x = v and d.source(v, 12, trained=True)
    return x and ([v, x], {"own": False})


def sliced_vector(d: Any) -> Any:
    v = d.pick(rank=(1, 1), fits=lambda v: v.shape[0] > 1)
    return v and ([v], {"spec": (slice(1, None),)})


def one_operand(d: Any, **more: list) -> Any:
    v = d.pick(rank=(0, 2))
    return v and ([v], {k: d.one(x) for k, x in more.items()})
