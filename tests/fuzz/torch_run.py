"""Runs a fuzzed program in torch: values, derivatives as operations, the loss and its gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch

from tests.fuzz.as_torch import SPACE, TEXT, WHOLE
from tests.fuzz.operations import POINTWISE
from tests.fuzz.programs import LETTERS, Program, Shape, Step, weights

# ---- derivatives as operations


def _grad(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(y, x, create_graph=True, allow_unused=True)[0] \
        if y.requires_grad else None  # fmt: skip
    return torch.zeros_like(x) if found is None else found


def _along(x: torch.Tensor) -> torch.Tensor:
    """The fixed direction, for every sample."""
    return torch.from_numpy(weights(tuple(x.shape[1:]))).expand_as(x)


def gradient(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return _grad(v.sum(), x)


def hvp(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return _grad((gradient(v, x) * _along(x)).sum(), x)


def vjp(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return _grad((v * _along(v)).sum(), x)


def jvp(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    u = torch.zeros_like(v, requires_grad=True)
    return _grad((_grad((v * u).sum(), x) * _along(x)).sum(), u)


def jacobian(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    rows = [_grad(row.sum(), x) for row in v.reshape(len(v), -1).unbind(1)]
    return torch.stack(rows, 1).reshape(*v.shape, *x.shape[1:])


def hessian(v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return jacobian(gradient(v, x), x)


DERIVATIVES: dict[str, Callable] = {
    f.__name__: f for f in (gradient, hvp, vjp, jvp, jacobian, hessian)
}


# ---- evaluation


@dataclass
class Evaluation:
    """Values by name, each (samples, *shape).

    noise: every value is multiplied by 1 + noise r, r from -1 to 1: what rounding does, enlarged.
    The adjoints are, too.
    zero: a step -> where its values become 0
    """

    samples: int
    noise: float = 0.0
    seed: int = 0
    zero: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, torch.Tensor] = field(default_factory=dict)
    leaves: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        if not self.noise or x.dtype != torch.float64:
            return x
        r = torch.rand(x.shape, generator=self.generator, dtype=x.dtype)
        return x * (1 + self.noise * (2 * r - 1))

    def give(self, name: str, array: np.ndarray, sampled: bool, whole: bool) -> torch.Tensor:
        """An input; what is not data is the same for every sample."""
        tensor = torch.tensor(array)
        if not whole:
            self.leaves[name] = tensor.requires_grad_(True)
        if not sampled:
            tensor = tensor.expand(self.samples, *tensor.shape)
        elif not whole:
            tensor = tensor * 1
        self.values[name] = self.rounded(tensor)
        return self.values[name]

    def apply(self, step: Step) -> torch.Tensor:
        """The step's value for every sample."""
        given = [self.values[x] for x in step.operands]
        if step.operation not in DERIVATIVES:
            given = [self.rounded(x) for x in given]  # anew: two reads of a value are two numbers
        with torch.enable_grad():
            value = self._apply(step, given)
            if step.name in self.zero:
                value = value - value.detach() * torch.from_numpy(self.zero[step.name])
            self.values[step.name] = self.rounded(value)
        return self.values[step.name]

    def _apply(self, step: Step, given: list[torch.Tensor]) -> torch.Tensor:
        if step.operation in DERIVATIVES:
            return self._derivative(step, given)
        f = compiled(step.text(TEXT[step.operation], tuple(LETTERS[: len(given)])), len(given))
        f = functools.partial(f, self.rounded)
        if step.operation in WHOLE:
            return f(*given)
        if step.operation in POINTWISE:
            rank = max(x.ndim for x in given)
            return f(*(x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in given))
        return torch.stack([f(*sample) for sample in zip(*given, strict=True)])

    def _derivative(self, step: Step, given: list[torch.Tensor]) -> torch.Tensor:
        f, x = DERIVATIVES[step.operation], step.operands[1]
        if step.attributes["own"]:  # each sample's own derivative
            return f(*given)
        leaf = self.leaves[x]  # of a value that is the same for every sample
        found = _over_samples(f, given[0], leaf)
        return found.expand(self.samples, *found.shape)


def _over_samples(f: Callable, v: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    """A derivative for a leaf without a sample axis, of a value that is the same for all."""
    if f is not gradient:
        raise ValueError(f"{f.__name__} of what joins the samples is not drawn")
    return _grad(v[0], leaf)


@functools.lru_cache(100_000)
def compiled(text: str, count: int) -> Callable[..., torch.Tensor]:
    return eval(f"lambda rounded, {', '.join(LETTERS[:count])}: {text}", dict(SPACE))


def joined(value: torch.Tensor, shape: Shape) -> torch.Tensor:
    """A number a sample, of a value's elements: what it adds to the loss."""
    if shape[:1] == ("B",):
        return value.flatten(1).mean(1)
    if not shape:
        return 0.7 * value
    return (value * torch.from_numpy(weights(shape))).flatten(1).sum(1)


@dataclass(frozen=True)
class Result:
    """values: (samples, *shape) by name; gradients: of the mean loss, by input."""

    values: dict[str, np.ndarray]
    loss: float
    gradients: dict[str, np.ndarray]


def run(
    program: Program, noise: float = 0.0, seed: int = 0,
    zero: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Result:  # fmt: skip
    """The program's values, its mean loss over the samples, and the loss's gradients."""
    e = Evaluation(program.samples, noise, seed, zero)
    for x in program.inputs:
        e.give(x.name, program.values[x.name], x.sampled, x.limit is not None)
    for step in program.steps:
        e.apply(step)
    floats = [s for s in program.sinks if s.kind == "float"]
    terms = [joined(e.values[s.name], s.shape) for s in floats]
    loss = sum(terms, torch.zeros(program.samples, dtype=torch.float64)).mean()
    wrt = [e.leaves[x.name] for x in program.trained]
    found = torch.autograd.grad(loss, wrt, allow_unused=True) if wrt and loss.requires_grad \
        else [None]*len(wrt)  # fmt: skip
    gradients = {
        x.name: np.zeros(x.shape) if g is None else g.numpy(force=True)
        for x, g in zip(program.trained, found, strict=True)
    }
    values = {k: v.detach().numpy(force=True) for k, v in e.values.items()}
    return Result(values, loss.item(), gradients)
