"""What a fuzzed program is: plain data, from which every target's text is printed and run.

    inputs   data (one row a sample), parameters, hypers, integer data below a limit, random draws
    steps    name = operation(operands, attributes), in order; every name has a shape and a kind

A shape may hold "B" in front: the mini-batch's values, stacked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LETTERS = "abcdefg"
WHOLE = ("integers", "categorical")
RANDOM = ("normal", "uniform", *WHOLE)
Shape = tuple[Any, ...]


@dataclass(frozen=True)
class Input:
    """limit: integers stay below it; None for floats."""

    name: str
    role: str  # data, parameter, hyper, or the distribution in sg.random
    shape: Shape
    limit: int | None = None

    @property
    def random(self) -> bool:
        return self.role in RANDOM

    @property
    def sampled(self) -> bool:
        """Whether every sample has its own value."""
        return self.role == "data" or self.random


@dataclass(frozen=True)
class Step:
    """let: the value gets a name in symgrad, which keeps SymPy from simplifying across it."""

    name: str
    operation: str
    operands: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shape: Shape = ()
    kind: str = "float"
    let: bool = False

    def text(self, template: str, operands: tuple[str, ...] | None = None) -> str:
        """A template with the operands' names (or others) and the attributes filled in."""
        names = self.operands if operands is None else operands
        places = dict(zip(LETTERS, names, strict=False))
        shown = {k: repr(v) for k, v in self.attributes.items()}
        return template.format(*names, **places, **shown, all=", ".join(names))


@dataclass(frozen=True)
class Program:
    """values: the inputs' arrays by name, (samples, *shape) for data and (*shape) for others."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    values: Mapping[str, np.ndarray]
    samples: int
    seed: Any = None

    @property
    def sinks(self) -> list[Step]:
        """The steps that no other step reads: the loss is made of them."""
        read = {x for s in self.steps for x in s.operands}
        return [s for s in self.steps if s.name not in read]

    @property
    def trained(self) -> list[Input]:
        """The inputs that gradients are taken for."""
        return [x for x in self.inputs if not x.sampled]

    @property
    def scalar(self) -> bool:
        return all(x.shape == () for x in (*self.inputs, *self.steps))

    def without_dead_steps(self) -> Program:
        """The program without inputs that no step reads."""
        read = {x for s in self.steps for x in s.operands}
        kept = tuple(x for x in self.inputs if x.name in read)
        return replace(self, inputs=kept, values={x.name: self.values[x.name] for x in kept})


def weights(shape: Shape) -> np.ndarray:
    """Fixed numbers of a shape, by which tensors are joined to a scalar."""
    return np.cos(1 + np.arange(int(np.prod(shape)))).reshape(shape)


def array_text(a: np.ndarray) -> str:
    """An array as Python that gives the same numbers again."""
    kind = ", dtype=np.int64" if a.dtype.kind == "i" else ""
    shape = f".reshape({a.shape})" if a.size == 0 else ""
    return f"np.array({a.tolist()!r}{kind}){shape}"


def value_lines(program: Program) -> Iterator[str]:
    for x in program.inputs:
        yield f"{x.name} = {array_text(program.values[x.name])}"
