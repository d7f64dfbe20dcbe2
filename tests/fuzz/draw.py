"""Draws a program by running it: every step is evaluated by torch as it is drawn, and is kept where
its values are finite and of moderate size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tests.fuzz import as_mpmath, draws
from tests.fuzz.operations import OPERATIONS, POINTWISE, RESULTS, STRUCTURED
from tests.fuzz.picks import ANY, MOST
from tests.fuzz.programs import RANDOM, Input, Program, Shape, Step
from tests.fuzz.torch_run import Evaluation

SHAPES = [(), (), (3,), (3,), (2,), (2, 3), (3, 2), (3, 3), (2, 2), (1, 3), (4,), (2, 1, 3), (1,)]
LARGEST = 1e3  # of a value that is kept
LONGEST = 24  # nodes of a value before it gets a name, for SymPy's sake
NAMED = 0.35  # of the values get one anyway
OFTEN = ("lookup", "noisy")  # tables and random draws


@dataclass(frozen=True, eq=False)
class Value:
    """What drawing knows of a name.

    coupled: it depends on other samples too.  sources: the inputs that it depends on.
    positive: a symmetric matrix with eigenvalues from 1.  nodes: of its expression.
    """

    name: str
    shape: Shape
    kind: str = "float"
    limit: int | None = None
    sampled: bool = False
    coupled: bool = False
    positive: bool = False
    nodes: int = 1
    low: float = 0.0
    high: float = 0.0
    sources: frozenset[str] = frozenset()

    @property
    def batched(self) -> bool:
        return self.shape[:1] == ("B",)


class Drawing:
    """Draws inputs and steps; `program()` is what came of it."""

    def __init__(self, rng: np.random.Generator, samples: int, scalar: bool) -> None:
        self.rng, self.samples, self.scalar = rng, samples, scalar
        self.inputs: list[Input] = []
        self.steps: list[Step] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.pool: list[Value] = []
        self.tables: list[Value] = []
        self.drawn: set[str] = set()
        self.evaluation = Evaluation(samples)
        for role in ("parameter", "parameter", "data", "data", self.one(["data", "hyper"])):
            self.input(role, () if scalar else self.one(SHAPES))

    def one(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    # ---- inputs

    def input(self, role: str, shape: Shape, limit: int | None = None) -> Value:
        value = self._input(role, shape, limit)
        self.pool.append(value)
        return value

    def table(self, shape: Shape) -> Value:
        """A parameter that only `lookup` reads."""
        self.tables.append(self._input("parameter", shape))
        return self.tables[-1]

    def draw(self, distribution: str, shape: Shape, limit: int | None = None) -> Value:
        """New random numbers."""
        value = self.input(distribution, shape, limit)
        self.drawn.add(value.name)
        return value

    def _input(self, role: str, shape: Shape, limit: int | None = None) -> Value:
        name = f"{role[0] if limit is None else 'i'}{len(self.inputs)}"
        lead = (self.samples,) if role == "data" else ()
        if role in RANDOM:  # a name of this program alone: a chunk's draws of one name are equal
            x = Input(f"{name}_{self.rng.integers(10**9)}", role, shape, limit)
            array = draws.values(x, self.samples)
        elif limit is None:
            x, array = Input(name, role, shape), self.rng.uniform(-2, 2, lead + shape)
        else:
            x = Input(name, role, shape, limit)
            array = self.rng.integers(0, limit, lead + shape)
        self.inputs.append(x)
        self.arrays[x.name] = array
        self.evaluation.give(x.name, array, x.sampled, limit is not None)
        kind, size = "float" if limit is None else "int", 2.0 if role not in RANDOM else 6.0
        return Value(x.name, shape, kind, limit, x.sampled, low=-size, high=size,
                     sources=frozenset([x.name]))  # fmt: skip

    def index(self, size: int, rank: tuple[int, int] = (0, 1)) -> Value:
        """Integers below a size: data, or places that an argmax found."""
        known = [v for v in self.pool if v.kind == "int" and v.limit and v.limit <= size
                 and rank[0] <= len(v.shape) <= rank[1]]  # fmt: skip
        if known and self.rng.random() < 0.7:
            return self.one(known)
        return self.input("data", () if rank[1] == 0 else self.one([(), (2,)]), size)

    def source(self, v: Value, most: int = MOST, trained: bool = False) -> Value | None:
        """An input that v depends on, of at most so many elements."""
        known = [x for x in self.pool if x.name in v.sources and x.kind == "float"
                 and np.prod(x.shape) <= most and not (trained and x.sampled)]  # fmt: skip
        return self.one(known) if known else None

    # ---- picking

    def pick(
        self, kind: str = "float", interval: Any = ANY, rank: tuple[int, int] = (0, 3),
        fits: Callable[[Value], bool] = lambda v: True, batched: bool = False,
    ) -> Value | None:  # fmt: skip
        """A value, more likely a late one; brought into the interval where none lies in it."""
        found = [v for v in self.pool if v.kind == kind and v.batched == batched
                 and rank[0] <= len(v.shape) <= rank[1] and fits(v)]  # fmt: skip
        if kind != "float":
            return self._late(found)
        inside = [v for v in found if interval[0] <= v.low and v.high <= interval[1]]
        if inside and (self.rng.random() < 0.8 or interval == ANY):
            return self._late(inside)
        v = self._late(found)
        return v and self.squashed(v, interval)

    def _late(self, found: list[Value]) -> Value | None:
        if not found:
            return None
        last = len(found) - 1
        return found[last - min(int(self.rng.exponential(4)), last)] \
            if self.rng.random() < 0.75 else self.one(found)  # fmt: skip

    def squashed(self, v: Value, interval: Any) -> Value | None:
        low, high = (round(float(x), 3) for x in interval)
        if high - low > 8:
            high = low + 8 if low > -8 else 4.0
            low = max(low, -4.0)
        return self.apply("squash", [v], {"low": low, "width": round(high - low, 3)})

    # ---- steps

    def step(self, name: str = "") -> None:
        """Draw one operation (or the named one), if operands for it are found."""
        often = not self.scalar and self.rng.random() < 0.06
        name = name or self.one(OFTEN if often else SCALAR if self.scalar else OPERATIONS)
        if name not in POINTWISE:
            found = STRUCTURED[name](self)
        else:
            found = self._pointwise(*POINTWISE[name])
        if found and all(x is not None for x in found[0]):
            self.apply(name, *found)

    def _pointwise(self, intervals: tuple, choices: dict[str, list]) -> Any:
        operands: list = []
        for interval in intervals:
            v = self._operand(interval, operands)
            if v is None:
                return None
            operands.append(v)
        return operands, {k: self.one(x) for k, x in choices.items()}

    def _operand(self, interval: Any, before: list[Value]) -> Value | None:
        fits = lambda v: broadcast([*before, v]) is not None  # noqa: E731
        stacked = self.rng.random() < 0.15 and any(v.batched for v in self.pool)
        if interval == "bool":
            known = self.pick("bool", fits=fits) if self.rng.random() < 0.6 else None
            return known or self._condition(fits)
        if interval == "int":
            v = self.pick("int", fits=fits)
            return v if v or self.scalar else self.index(3, (0, 0))
        if interval == "scalar":
            return self.pick(rank=(0, 0))
        return self.pick(interval=interval, fits=fits, batched=stacked) or self.pick(
            interval=interval, fits=fits
        )

    def _condition(self, fits: Callable[[Value], bool]) -> Value | None:
        a = self.pick(fits=fits)
        b = a and self.pick(fits=lambda v: v.shape in ((), a.shape))
        return b and self.apply(self.one(["lt", "gt"]), [a, b], {})

    def apply(self, operation: str, operands: list[Value], attributes: dict) -> Value | None:
        """Append the step, unless its values are not finite, too large or too many."""
        name = f"v{len(self.steps)}"
        kind, shape = RESULTS.get(operation, "float"), self._shape(operation, operands)
        names = tuple(v.name for v in operands)
        step = Step(name, operation, names, attributes, (), kind)
        try:
            tensor = self.evaluation.apply(step).detach()
        except (RuntimeError, IndexError, ValueError):
            return None  # torch has no such operation for these shapes
        shape = tuple(tensor.shape[1:]) if shape is None else shape
        values = tensor.double()
        large = not torch.isfinite(values).all() or (values.abs() > LARGEST).any()
        if large or not values.numel() or np.prod([s for s in shape if s != "B"]) > MOST:
            return None
        nodes = sum(v.nodes for v in operands) + 1
        heavy = operation not in POINTWISE or len(operands) > 3
        let = nodes > LONGEST or self.rng.random() < NAMED
        self.steps.append(Step(name, operation, names, attributes, shape, kind, let))
        value = Value(
            name, shape, kind, self._limit(operation, operands, attributes, tensor),
            self._is_sampled(operation, operands),
            operation in COUPLING or any(v.coupled for v in operands),
            operation == "spd", 1 if let else nodes + 3 * heavy, values.min().item(),
            values.max().item(), frozenset().union(*(v.sources for v in operands)),
        )  # fmt: skip
        self.pool.append(value)
        return value

    def _shape(self, operation: str, operands: list[Value]) -> Shape | None:
        """The shape where the mini-batch's axis may occur in it; None where torch's is it."""
        first = operands[0]
        if operation == "batch":
            return ("B", *first.shape)
        if operation in STACKED:
            return () if operation == "batch_total" else first.shape[1:]
        if operation == "batch_scores":
            return ("B",)
        if any(v.batched for v in operands):
            return broadcast(operands)
        return None

    def _is_sampled(self, operation: str, operands: list[Value]) -> bool:
        if operation in ("expectation", "batch"):
            return False
        return any(v.sampled for v in operands)

    def _limit(self, operation: str, operands: list[Value], attributes: dict, t: Any) -> int | None:
        if operation not in ("argmax", "argmin"):
            return None
        return operands[0].shape[attributes["axis"]]

    def program(self) -> Program:
        return Program(
            tuple(self.inputs), tuple(self.steps), self.arrays, self.samples
        ).without_dead_steps()


STACKED = ("batch_sum", "batch_mean", "batch_max", "batch_logsumexp", "batch_total")
COUPLING = ("expectation", "batch", "normalized", "cross_entropy_weighted",
            "cross_entropy_ignoring", "times_batch_size", "over_batch_size")  # fmt: skip
SCALAR = tuple(name for name in OPERATIONS if name in as_mpmath.TEXT)


def broadcast(operands: list[Value]) -> Shape | None:
    """NumPy's broadcasting; None where the shapes do not fit."""
    rank = max(len(v.shape) for v in operands)
    result: list = []
    for sizes in zip(*((1,) * (rank - len(v.shape)) + v.shape for v in operands), strict=True):
        wide = {s for s in sizes if s != 1}
        if len(wide) > 1:
            return None
        result.append(wide.pop() if wide else 1)
    return tuple(result) if result[1:].count("B") == 0 else None


def size(rng: np.random.Generator) -> int:
    """How many steps: from 5 to 60, most of them fewer than 20."""
    return min(5 + int(rng.exponential(8)), 60)


def draw(seed: tuple[int, ...], samples: int) -> Program:
    """The program of this seed; every fifth is scalar."""
    rng = np.random.default_rng(seed)
    drawing = Drawing(rng, samples, scalar=rng.random() < 0.2)
    wanted = size(rng)
    for _ in range(20 * wanted):
        if len(drawing.steps) >= wanted:
            break
        drawing.step()
    return replace(drawing.program(), seed=seed)
