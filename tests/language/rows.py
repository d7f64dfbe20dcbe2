"""Every row of the operation table as blocks: operands, shapes, attributes and levels to try.

Pointwise rows get their cases here by themselves; a structured row needs an entry in STRUCTURED.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Name
from symgrad.calculus.builder import Builder, Value
from symgrad.language.custom import Rule
from symgrad.language.row import TABLE, Row, op
from symgrad.language.symbols import TensorSymbol, batch_size, data, parameter

SAMPLES = 3
BOOLEAN = {"and": "all", "or": "all", "not": "all", "indicator": "all", "select": (0,)}
POINTWISE_SHAPES = (
    ((),), ((4,),), ((3, 1), (2,), (1,)), ((1,), (5,)), ((0, 2), (2,)), ((), (2, 3)),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One use of a row: the operands' shapes, its attributes, and the ranges of indices."""

    shapes: tuple[tuple[int, ...], ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    indices: dict[int, int] = field(default_factory=dict)  # operand -> size of the axis it selects


def _reductions(**more: Any) -> list[Case]:
    axes = (((4,), (0,)), ((2, 3), (1,)), ((2, 3, 2), (0, 2)), ((1, 3), (0,)), ((2, 2), (0, 1)))
    return [Case((s,), {"axes": a, **more}) for s, a in axes]


def _kept(keepdims: bool) -> list[Case]:
    return _reductions(keepdims=keepdims)


# fmt: off
STRUCTURED: dict[str, list[Case]] = {
    "einsum": [Case(s, {"subscripts": t}) for t, s in {
        "i,i->": ((3,), (3,)), "ij,j->i": ((2, 3), (3,)), "ij,jk->ik": ((2, 3), (3, 2)),
        "i,j->ij": ((2,), (3,)), "ij->": ((2, 3),), "ij->i": ((2, 3),), "ij->ji": ((2, 3),),
        "ij,ij,jk->k": ((2, 3), (2, 3), (3, 1)), "bij,bjk->bik": ((2, 1, 3), (2, 3, 2)),
        "ij,k->i": ((2, 3), (2,)), "ij,j->": ((0, 3), (3,)), ",i->i": ((), (3,)),
    }.items()],
    "sum": [*_kept(True), *_kept(False), Case(((0, 2),), {"axes": (0,), "keepdims": False})],
    "mean": [*_kept(True), *_kept(False)],
    "prod": [*_kept(True), *_kept(False)],
    "prod_others": [*_reductions(), Case(((7,),), {"axes": (0,)})],
    "cumsum": [Case((s,), {"axis": a, "reverse": r}) for r in (True, False) for s, a in (
        ((4,), 0), ((2, 5), 1), ((3, 1), 1), ((3, 2), 0))],
    "argmax": [Case((s,), {"axis": a}) for s, a in (((4,), 0), ((2, 3), 1), ((2, 1, 3), 0))],
    "argmin": [Case((s,), {"axis": a}) for s, a in (((4,), 0), ((2, 3), 1), ((2, 1, 3), 0))],
    **{name: [Case(((2, 2),)), Case(((3, 2, 2),)), Case(((1, 1),)), Case(((2, 5, 5),))]
       for name in (
        "inv", "det", "cofactor", "logdet", "cholesky", "eigvalsh", "eigenvectors")},
    "solve": [Case(((2, 2), (2, 1))), Case(((3, 2, 2), (3, 2, 4))), Case(((2, 5, 5), (2, 5, 3)))],
    "cofactor_along": [Case(((2, 2), (2, 2))), Case(((3, 5, 5), (3, 5, 5)))],
    "triangular_solve": [Case(((n, n), (n, 3)), {"lower": a, "transposed": b})
                         for n in (2, 6) for a in (True, False) for b in (True, False)],
    "custom": [Case(((2,), (2,)), {"rule": Rule("held", (), (None,))}),
               Case(((), (3,)), {"rule": Rule("held", (), (None,))})],
    "amax": [*_kept(True), *_kept(False)],
    "amin": [*_kept(True), *_kept(False)],
    "logsumexp": [*_kept(True), *_kept(False)],
    "softmax": _reductions(),
    "log_softmax": _reductions(),
    "broadcast_to": [Case((s,), {"shape": t}) for s, t in (
        ((), ()), ((), (2, 3)), ((3,), (2, 3)), ((2, 1), (4, 2, 3)), ((1,), (0,)))],
    "transpose": [Case(((2, 3),), {"axes": (1, 0)}), Case(((2, 3, 1),), {"axes": (2, 0, 1)})],
    "reshape": [Case(((2, 3),), {"shape": (6,)}), Case(((),), {"shape": (1, 1)}),
                Case(((0, 3),), {"shape": (3, 0)})],
    "slice": [Case(((5, 4),), {"spec": spec}) for spec in (
        (("at", 2), ("range", 0, 4, 1)), (("range", 1, 5, 2), ("at", 0)),
        (("range", 4, -1, -1), ("range", 3, 0, -2)), (("range", 2, 2, 1), ("range", 0, 4, 1)))],
    "unslice": [Case(((2,),), {"spec": (("range", 1, 5, 2), ("at", 1)), "shape": (5, 3)}),
                Case(((3,),), {"spec": (("range", 2, -1, -1),), "shape": (3,)})],
    "concatenate": [Case(((2, 3), (1, 3), (2, 3)), {"axis": 0}),
                    Case(((2, 3), (2, 0)), {"axis": 1})],
    "gather": [Case(((5, 2), ()), {}, {1: 5}), Case(((5, 2), (4,)), {}, {1: 5}),
               Case(((5, 4, 2), (3, 1), (2,)), {}, {1: 5, 2: 4}), Case(((3,), (0,)), {}, {1: 3})],
    "scatter": [Case(((2,), ()), {"shape": (5, 2)}, {1: 5}),
                Case(((6, 2), (6,)), {"shape": (3, 2)}, {1: 3}),
                Case(((3, 2), (3, 1), (2,)), {"shape": (4, 5)}, {1: 4, 2: 5})],
    **{name: [Case(((), ()), {}, {0: 2**62, 1: top}), Case(((4,), ()), {}, {0: 2**62, 1: top}),
              Case(((3, 1), (2,)), {}, {0: 2**62, 1: top}), Case(((0,), ()), {}, {0: 9, 1: top})]
       for name, top in {"mixed": 2**62, "below": 2**62, "whole_quotient": 99}.items()},
    "either": [Case(((), (), ()), {}, {0: 2**62, 1: 2**62, 2: 2**62}),
               Case(((3, 1), (), (2,)), {}, {0: 2**62, 1: 2**62, 2: 2**62})],
    "unit": [Case(((), ()), {}, {0: 2**62, 1: 53}), Case(((3, 1), (2,)), {}, {0: 2**62, 1: 53})],
    "expectation": [Case(((),)), Case(((2, 3),))],
    "batch": [Case(((),)), Case(((2,),))],
    "own": [Case(((),)), Case(((2,),))],
    "converse": [Case(((),)), Case(((2,),))],
}
# fmt: on


def arity(row: Row) -> int:
    return 3 if row.variadic else max(len(row.pullback), 1)


def cases(row: Row) -> list[Case]:
    if row.kind != "pointwise":
        return STRUCTURED[row.name]
    n = arity(row)
    return [Case(tuple(itertools.islice(itertools.cycle(s), n))) for s in POINTWISE_SHAPES]


def levels(row: Row) -> tuple[str, ...]:
    """Which operands are per sample: all, none, the even ones of several."""
    if row.kind == "level":
        return ("all",)
    several = any(len(case.shapes) > 1 for case in cases(row))
    return ("all", "none", "even") if several else ("all", "none")


@dataclass(frozen=True)
class Applied:
    """A block in which the row is applied once, with values for its inputs."""

    builder: Builder
    operands: tuple[TensorSymbol, ...]
    result: Value
    arrays: dict[sp.Symbol, np.ndarray]

    @property
    def floats(self) -> list[Name]:
        """The inputs that a derivative exists for."""
        return [self.builder.inputs[s] for s in self.operands if s.dtype == "float"]


def apply_row(row: Row, case: Case, level: str, rng: np.random.Generator) -> Applied:
    """The row applied to fresh inputs whose values lie in its domain."""
    builder, symbols, operands, arrays = Builder(), [], [], {}
    for k, shape in enumerate(case.shapes):
        per_sample = level == "all" or (level == "even" and k % 2 == 0)
        kind = int if k in case.indices else float
        make = data if per_sample or kind is int else parameter
        symbol = make(f"a{k}", shape=shape, **({"dtype": int} if kind is int else {}))
        full = ((SAMPLES,) if per_sample else ()) + shape
        if kind is int:
            arrays[symbol] = rng.integers(0, case.indices[k], full)
        else:
            arrays[symbol] = row.domain.sample(rng, k, full)
        value = builder.value(builder.input(symbol, shape, per_sample))
        symbols.append(symbol)
        operands.append(_adapted(row, k, value))
    arrays[batch_size] = np.float64(SAMPLES)
    result = builder.apply(row.name, *operands, **case.attributes)
    return Applied(builder, tuple(symbols), result, arrays)


def _adapted(row: Row, k: int, value: Value) -> Value:
    """What a row wants: conditions, the mini-batch's values for `own`, pairs for `converse`."""
    wanted = BOOLEAN.get(row.name, ())
    if wanted == "all" or k in wanted:
        return op.gt(value, 0)
    if row.name == "converse":
        return op.batch(value) + 2 * value
    return op.batch(value) if row.name == "own" else value


def projected(applied: Applied, value: Value, arrays: dict, rng: np.random.Generator) -> Name:
    """A scalar: the mini-batch's mean of the value times random weights."""
    b = applied.builder
    if not isinstance(value.operand, Name):
        value = b.value(b.constant(value.operand))
    shape = value.shape
    if batch_size in shape:  # of the whole mini-batch: weights for each sample, joined
        weights = data(f"weights{len(b.inputs)}", shape=shape[1:])
        arrays[weights] = rng.standard_normal(concrete(shape))
        product = value * op.batch(b.value(b.input(weights, shape[1:], per_sample=True)))
    else:
        weights = parameter(f"weights{len(b.inputs)}", shape=shape)
        arrays[weights] = rng.standard_normal(shape)
        product = value * b.value(b.input(weights, shape, per_sample=False))
    if shape:
        axes = tuple(range(len(shape)))
        product = b.apply("sum", product, axes=axes, keepdims=False)
    if product.operand.per_sample:
        product = b.apply("expectation", product)
    return product.operand


def concrete(shape: tuple) -> tuple[int, ...]:
    return tuple(SAMPLES if s == batch_size else s for s in shape)


def every_case() -> Iterator[tuple[str, int]]:
    """(row, number of the case) of everything there is to try, at each of the row's levels."""
    for row in TABLE.values():
        for k in range(len(cases(row)) if row.kind == "pointwise" or row.name in STRUCTURED else 0):
            yield row.name, k


def at_every_level(row: Row, case: Case, rng: np.random.Generator) -> Iterator[Applied]:
    for level in levels(row):
        print(f"level: {level}")  # pytest shows the last one where a test fails
        yield apply_row(row, case, level, rng)


def block_of(applied: Applied, **outputs: Name) -> Block:
    return applied.builder.block(outputs)
