"""How losses, words of the mini-batch and derivatives find their operands: see `picks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fuzz.picks import ANY, axis_of


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
    return b and ([a, b], {"axis": axis_of(d, a)})


def angles(d: Any, **more: list) -> Any:
    """Two values whose angle is not always 0 or 180 degrees: else derivatives are rounding only."""
    a = d.pick(rank=(1, 2), interval=ANY, fits=lambda v: min(v.shape) > 1)
    b = a and d.pick(fits=lambda v: v.shape == a.shape and v.name != a.name)
    return b and ([a, b], {k: d.one(x) for k, x in more.items()})


def cosine(d: Any) -> Any:
    found = angles(d)
    return found and (found[0], {"axis": axis_of(d, found[0][0])})


def triplet(d: Any) -> Any:
    a = d.pick(rank=(1, 1))
    others = a and [d.pick(fits=lambda v: v.shape == a.shape) for _ in range(2)]
    return a and all(others) and ([a, *others], {"swap": bool(d.rng.integers(2))})


def sampled(d: Any) -> Any:
    v = d.pick(fits=lambda v: v.sampled and (not v.shape or v.shape[0] != "B"))
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
