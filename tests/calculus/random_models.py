"""Random models of ten and more operations, drawn as expressions and torch closures at once.

Torch holds every value with the samples along the first axis, so that what is per sample and what
is not makes no difference to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import numpy as np
import sympy as sp
import torch

import symgrad as sg

N = 4
SHAPES = [(), (3,), (2, 3), (3, 2), (1, 3), (2, 2)]
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Both:
    """An expression, and torch's value of it: (N, *shape)."""

    ours: sp.Expr
    theirs: Callable[[Tensors], torch.Tensor]

    @property
    def shape(self) -> tuple[int, ...]:
        return sg.shape(self.ours)


@dataclass
class Drawn:
    """A model: its loss, its inputs' values and torch's loss."""

    loss: Both
    data: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)


UNARY: dict[str, tuple[Callable, Callable]] = {
    "tanh": (sp.tanh, torch.tanh), "sin": (sp.sin, torch.sin),
    "sigmoid": (sg.sigmoid, torch.sigmoid),
    "exp": (lambda x: sp.exp(sp.tanh(x)), lambda x: torch.exp(torch.tanh(x))),
    "log": (lambda x: sp.log(1 + x**2), lambda x: torch.log(1 + x**2)),
    "sqrt": (lambda x: sp.sqrt(0.5 + x**2), lambda x: torch.sqrt(0.5 + x**2)),
    "relu": (sg.relu, torch.relu), "abs": (sp.Abs, torch.abs),
    "softplus": (sg.softplus, torch.nn.functional.softplus),
    "negative": (lambda x: -x / 2, lambda x: -x / 2), "atan": (sp.atan, torch.atan),
    "reciprocal": (lambda x: 1 / (2 + sp.cos(x)), lambda x: 1 / (2 + torch.cos(x))),
    "where": (lambda x: sg.where(x > 0.1, sp.log(x), x),
              lambda x: torch.where(x > 0.1, torch.log(torch.where(x > 0.1, x, 1.0)), x)),
    "clip": (lambda x: sp.Min(sp.Max(x, -1), 1.5), lambda x: torch.clamp(x, -1, 1.5)),
}  # fmt: skip
BINARY: dict[str, tuple[Callable, Callable]] = {
    "add": (lambda a, b: a + b, torch.add), "sub": (lambda a, b: a - 2 * b, lambda a, b: a - 2 * b),
    "mul": (lambda a, b: sp.tanh(a) * b, lambda a, b: torch.tanh(a) * b),
    "div": (lambda a, b: a / (1 + b**2), lambda a, b: a / (1 + b**2)),
    "max": (sp.Max, torch.maximum), "min": (lambda a, b: sp.Min(a, b), torch.minimum),
    "select": (lambda a, b: sg.where(a > b, a**2 / 4, b),
               lambda a, b: torch.where(a > b, a**2 / 4, b)),
}  # fmt: skip
REDUCTIONS = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "logsumexp": torch.logsumexp}


class Drawing:
    """Draws operations from hypothesis, and keeps every value for later ones."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.model = Drawn(Both(sp.Integer(0), lambda t: torch.tensor(0.0)))
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.pool = [self.parameter(draw(st.sampled_from(SHAPES)))]
        self.pool += [self.data(draw(st.sampled_from(SHAPES))) for _ in range(2)]

    def data(self, shape: tuple[int, ...]) -> Both:
        name = f"x{len(self.model.data)}"
        self.model.data[name] = self.rng.standard_normal((N, *shape))
        return Both(sg.data(name, shape=shape), lambda t: t[name])

    def parameter(self, shape: tuple[int, ...]) -> Both:
        name = f"p{len(self.model.values)}"
        self.model.values[name] = self.rng.standard_normal(shape) / 2
        symbol = sg.parameter(name, shape=shape, init=0)
        return Both(symbol, lambda t: t[name].expand(N, *shape))

    def labels(self, size: int) -> Both:
        name = f"u{len(self.model.data)}"
        self.model.data[name] = self.rng.integers(0, size, N)
        return Both(sg.data(name, dtype=int), lambda t: t[name])

    def pick(self, rank: int | None = None) -> Both:
        fitting = [v for v in self.pool if rank is None or len(v.shape) == rank]
        if not fitting:
            fitting = [self.parameter(self.draw(st.sampled_from(
                [s for s in SHAPES if rank is None or len(s) == rank])))]  # fmt: skip
        return self.draw(st.sampled_from(fitting))

    def step(self) -> None:
        moves = [getattr(self, name) for name in dir(self) if name.startswith("move_")]
        self.pool.append(self.draw(st.sampled_from(moves))())

    # ---- moves

    def move_unary(self) -> Both:
        z, (ours, theirs) = self.pick(), UNARY[self.draw(st.sampled_from(sorted(UNARY)))]
        return Both(ours(z.ours), lambda t: theirs(z.theirs(t)))

    def move_binary(self) -> Both:
        a, (ours, theirs) = self.pick(), BINARY[self.draw(st.sampled_from(sorted(BINARY)))]
        fitting = [v for v in self.pool if _broadcasts(a.shape, v.shape)]
        b = self.draw(st.sampled_from(fitting))
        rank = max(len(a.shape), len(b.shape))
        return Both(ours(a.ours, b.ours), lambda t: theirs(_wide(a, t, rank), _wide(b, t, rank)))

    def move_product(self) -> Both:
        z = self.pick(1)
        W = self.parameter((self.draw(st.sampled_from([2, 3])), z.shape[0]))
        return Both(W.ours @ z.ours, lambda t: torch.einsum("bij,bj->bi", W.theirs(t), z.theirs(t)))

    def move_matrices(self) -> Both:
        a = self.pick(2)
        b = self.parameter((a.shape[1], 2))
        return Both(a.ours @ b.ours, lambda t: a.theirs(t) @ b.theirs(t))

    def move_gram(self) -> Both:
        a = self.pick(2)
        x = a.ours
        gram = x @ x.T if hasattr(x, "T") else sg.matmul(x, sg.transpose(x))
        return Both(gram, lambda t: a.theirs(t) @ a.theirs(t).transpose(1, 2))

    def move_reduce(self) -> Both:
        z = self.pick(self.draw(st.sampled_from([1, 2])))
        name = self.draw(st.sampled_from(sorted(REDUCTIONS)))
        axis = self.draw(st.sampled_from(range(len(z.shape))))
        keep = self.draw(st.booleans())
        ours, theirs = getattr(sg, name), REDUCTIONS[name]
        return Both(ours(z.ours, axis=axis, keepdims=keep),
                    lambda t: theirs(z.theirs(t), dim=axis + 1, keepdim=keep))  # fmt: skip

    def move_softmax(self) -> Both:
        z = self.pick(self.draw(st.sampled_from([1, 2])))
        return Both(sg.softmax(z.ours), lambda t: torch.softmax(z.theirs(t), -1))

    def move_view(self) -> Both:
        z = self.pick(2)
        kind = self.draw(st.sampled_from(["transpose", "flat", "row", "reverse", "join"]))
        ours, theirs = {
            "transpose": (sg.transpose, lambda a: a.transpose(1, 2)),
            "flat": (lambda a: sg.reshape(a, -1)[:3], lambda a: a.reshape(N, -1)[:, :3]),
            "row": (lambda a: sg.take(a, -1), lambda a: a[:, -1]),
            "reverse": (lambda a: sg.take(a, (slice(None), slice(None, None, -1))),
                        lambda a: a.flip(2)),
            "join": (lambda a: sg.concatenate([a, 2 * a])[:2],
                     lambda a: torch.cat([a, 2 * a], 1)[:, :2]),
        }[kind]  # fmt: skip
        return Both(ours(z.ours), lambda t: theirs(z.theirs(t)))

    def move_rows(self) -> Both:
        z = self.pick(2)
        u = self.labels(z.shape[0])
        return Both(sg.take(z.ours, u.ours), lambda t: z.theirs(t)[torch.arange(N), u.theirs(t)])

    def move_mean(self) -> Both:
        z = self.pick()
        return Both(sg.expectation(z.ours), lambda t: _repeated(z.theirs(t).mean(0)))

    def move_batch(self) -> Both:
        z = self.pick(1)
        q = self.data(z.shape)  # what is the same for all samples cannot be stacked
        return Both(
            sg.logsumexp(sg.batch(q.ours + z.ours) @ z.ours),
            lambda t: torch.logsumexp((q.theirs(t) + z.theirs(t)) @ z.theirs(t).T, 0),
        )

    def move_let(self) -> Both:
        z = self.pick()
        return Both(sg.let(self.draw(st.sampled_from(["h", "z", "h1"])), z.ours), z.theirs)


def _broadcasts(a: tuple, b: tuple) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(a[::-1], b[::-1], strict=False))


def _wide(v: Both, t: Tensors, rank: int) -> torch.Tensor:
    """Torch's value with axes of size 1 behind the sample axis."""
    value = v.theirs(t)
    return value.reshape(N, *(1,) * (rank - len(v.shape)), *v.shape)


def _repeated(mean: torch.Tensor) -> torch.Tensor:
    return mean.expand(N, *mean.shape)


@st.composite
def models(draw: Any, size: int = 12) -> Drawn:
    """A model whose loss joins all values that were drawn, through a bounded function."""
    drawing = Drawing(draw)
    for _ in range(draw(st.integers(10, size))):
        drawing.step()
    pool = drawing.pool
    total = sum(
        (sg.sum(sp.tanh(v.ours)) if v.shape else sp.tanh(v.ours) for v in pool), sp.Integer(0)
    )

    def theirs(t: Tensors) -> torch.Tensor:
        return sum(torch.tanh(v.theirs(t)).reshape(N, -1).sum(1) for v in pool).mean()

    drawing.model.loss = Both(sg.expectation(total), theirs)
    return drawing.model
