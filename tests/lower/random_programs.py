"""Random programs over the structured operations: levels, views, contractions, rows, writes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import symgrad as sg
from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.program import Program
from symgrad.calculus.simplify import without_dead_code
from symgrad.lower.driver import lower
from tests.lower.programs import agree

SHAPES = [(), (3,), (2, 3), (3, 2), (3, 3), (1, 3)]
CONTRACTIONS = [
    "ij,j->i", "ij,jk->ik", "i,i->", "i,j->ij", "ij,i->j", "ij,ij->j", "ij,kj->ki", ",i->i",
]  # fmt: skip
LIMITS = {"u": 3, "w": 3, "us": 3}
LARGEST = 40  # elements of one value


def agree_at_random(
    count: int, size: int, seed: int, batches: tuple[int, ...],
    lowered: Callable[[np.random.Generator], Callable] = lambda rng: lower, **told: Any,
) -> list[str]:  # fmt: skip
    """Random programs that `agree`: their texts.  Samples come in an order for every other one.

    lowered: how a program is lowered, given the generator of its data
    """
    texts = []
    for k in range(count):
        print("program", seed + k)
        program = Programs(np.random.default_rng(seed + k), size).program()
        for batch in batches:
            rng = np.random.default_rng(seed + k)
            texts.append(agree(program, batch, rng, limits=LIMITS, ordered=k % 2 == 0,
                               tolerance=1e-7, lowered=lowered(rng), **told))  # fmt: skip
    return texts


class Programs:
    """Draws one program of about `size` equations."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.b = rng, Builder()
        self.pool: list[Value] = []
        self.parameters = []
        for i in range(3):
            self._input(sg.data(f"x{i}", shape=self._one(SHAPES)))
        for i in range(4):
            self._input(sg.parameter(f"p{i}", shape=self._one(SHAPES), init=0))
        self.table = self._input(sg.parameter("T", shape=(4, 3), init=0))
        self.hyper = self._input(sg.hyper("h", 0.3))
        index = [*sg.data("u w", dtype=int), sg.data("us", shape=2, dtype=int)]
        self.index = [self.b.value(self.b.input(s, s.shape, per_sample=True)) for s in index]
        moves = [getattr(self, m) for m in dir(self) if m.startswith("move_")]
        for _ in range(20 * size):
            if len(self.b.equations) >= size:
                break
            self._keep(moves[rng.integers(len(moves))](self._pick()))

    def program(self) -> Program:
        writes = {}
        for s in self.parameters:
            new = self._new_value(s)
            if self.rng.random() < 0.75 and isinstance(new.operand, Name):
                writes[s] = new.operand
        outputs = {f"o{i}": self._pick().operand for i in range(3)}
        return Program(without_dead_code(self.b.block(outputs, writes)))

    def _input(self, symbol) -> Value:
        sampled = symbol.role == "data"
        value = self.b.value(self.b.input(symbol, symbol.shape, sampled))
        self.pool.append(value)
        if symbol.role == "parameter":
            self.parameters.append(symbol)
        return value

    def _keep(self, value) -> None:
        if value is None or not isinstance(value.operand, Name) or value.operand.kind != "float":
            return
        if math.prod(s if isinstance(s, int) else 4 for s in value.shape) <= LARGEST:
            self.pool.append(value)

    def _one(self, choices):
        return choices[self.rng.integers(len(choices))]

    def _pick(self, wanted=lambda v: True):
        """A value, more likely a late one."""
        found = [v for v in self.pool if wanted(v)]
        if not found:
            return None
        late = len(found) - 1 - min(int(self.rng.exponential(5)), len(found) - 1)
        return found[late] if self.rng.random() < 0.7 else self._one(found)

    def _new_value(self, s) -> Value:
        v = self._pick(lambda v: v.shape in (s.shape, ()))
        if v.operand.per_sample:
            v = self.b.apply("expectation", v)
        old = self.b.value(self.b.inputs[s])
        new = self._one([old - 0.1 * v, old - 0.1 * v, v * 0.5, old * 0.9 + self.hyper * v, v])
        return new if new.shape == s.shape else self.b.apply("broadcast_to", new, shape=s.shape)

    # ---- moves: a value from a value, or None

    def move_together(self, v):
        w = self._pick()
        try:
            return self.b.apply(self._one(["add", "mul", "max", "add"]), v, w)
        except ValueError:
            return None

    def move_alone(self, v):
        return self.b.apply(self._one(["tanh", "sin", "relu", "sigmoid", "abs"]), v)

    def move_branch(self, v):
        return self.b.apply("select", self.b.apply("gt", v, 0.1), v, v * 0.5 + 1)

    def move_scaled(self, v):
        return (v * int(self.rng.integers(1, 4)) - 0.5) * self._one([0.3, self.hyper])

    def move_reduced(self, v):
        if not v.shape:
            return None
        n = self.rng.integers(1, len(v.shape) + 1)
        axes = sorted(self.rng.choice(len(v.shape), n, replace=False).tolist())
        kept, operation = bool(self.rng.integers(2)), self._one(["sum", "mean", "amax", "sum"])
        return self.b.apply(operation, v, axes=tuple(axes), keepdims=kept)

    def move_turned(self, v):
        if len(v.shape) != 2:
            return None
        if self.rng.random() < 0.5 or math.prod(v.shape) != 6:
            return self.b.apply("transpose", v, axes=(1, 0))
        return self.b.apply("reshape", v, shape=self._one([(6,), (3, 2), (2, 3), (1, 6)]))

    def move_sliced(self, v):
        if not v.shape:
            return None
        spec = tuple(
            self._one([("at", int(self.rng.integers(s))), ("range", 0, s, 1),
                       ("range", s - 1, -1, -1)])
            for s in v.shape
        )  # fmt: skip
        part = self.b.apply("slice", v, spec=spec)
        back = self.rng.random() < 0.4
        return self.b.apply("unslice", part, spec=spec, shape=v.shape) if back else part

    def move_joined(self, v):
        w = self._pick(lambda w: w.shape == v.shape)
        if not v.shape:
            return None
        return self.b.apply("concatenate", v, w, axis=int(self.rng.integers(len(v.shape))))

    def move_contracted(self, v):
        w = self._pick()
        for text in self.rng.permutation(CONTRACTIONS):
            left, right = str(text).split("->")[0].split(",")
            if (len(left), len(right)) == (len(v.shape), len(w.shape)):
                try:
                    return self.b.apply("einsum", v, w, subscripts=str(text))
                except ValueError:
                    continue
        return None

    def move_gathered(self, v):
        table = self._pick(lambda t: len(t.shape) == 2 and t.shape[0] >= 3) or self.table
        return self.b.apply("gather", table, self._one(self.index))

    def move_scattered(self, v):
        index = self._one(self.index)
        g = self._pick(lambda w: w.shape == (*index.shape, 3))
        return self.b.apply("scatter", g, index, shape=(4, 3)) if g else None

    def move_averaged(self, v):
        return self.b.apply("expectation", v) if v.operand.per_sample else v * self.b.batch_size

    def move_coupled(self, v):
        if not v.operand.per_sample:
            return None
        every = self.b.apply("batch", v)
        pairs = self.b.apply("tanh", every + 2 * v)
        seen = self.b.apply("converse", pairs)
        name = self._one(["sum", "amax", "mean"])
        return self._one([
            self.b.apply(name, self.b.apply("exp", seen - v), axes=(0,), keepdims=False),
            self.b.apply("sum", seen * pairs, axes=(0,), keepdims=False),
            self.b.apply("own", every * 0.5 + self.hyper),
            self.b.apply("sum", every, axes=(0,), keepdims=False),
            self.b.apply("mean", self.b.apply("tanh", every), keepdims=False,
                         axes=tuple(range(len(every.shape)))),
        ])  # fmt: skip
