"""How results leave: scaled, added to what is there, with bias and activation, through a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from symgrad.generate.micro_vectors import Vectors, when

Activation = Callable[[Vectors, ir.Value], ir.Value]


@dataclass(frozen=True)
class Finish:
    """c = activation(alpha * sum + beta * c + bias)

    scaled:  else alpha is 1 and beta 0
    beta:    0 or 1, or None for a number known when the code runs (0: c is not read)
    several: the sum comes in several panels; bias and activation belong to the last of them
    """

    scaled: bool = True
    beta: int | None = 0
    several: bool = False
    bias: bool = False
    activation: str | None = None


@dataclass(frozen=True)
class Part:
    """A vector of sums and where it goes; bias: the numbers to add."""

    value: ir.Value
    place: ir.Value
    mask: ir.Value | None
    bias: ir.Value | None


def relu(v: Vectors, x: ir.Value) -> ir.Value:
    """x or 0, NaN staying NaN."""
    zero = v.number(0.0)
    return v.builder.select(v.builder.fcmp_ordered("<", x, zero), zero, x)


ACTIVATIONS: dict[str, Activation] = {"relu": relu}


def put(v: Vectors, finish: Finish, parts: list[Part], given: dict[str, ir.Value]) -> None:
    """Store the parts; given: alpha, beta and finish (this is the last panel)."""
    values = _accumulated(v, finish, parts, given)
    if finish.bias or finish.activation:

        def change(values: list[ir.Value]) -> list[ir.Value]:
            return [_activated(v, finish, p, x) for p, x in zip(parts, values, strict=True)]

        last = given["finish"]
        values = when(v.builder, last, values, change) if finish.several else change(values)
    for part, value in zip(parts, values, strict=True):
        v.store(value, part.place, part.mask)


def _accumulated(
    v: Vectors, finish: Finish, parts: list[Part], given: dict[str, ir.Value]
) -> list[ir.Value]:
    """alpha * sum + beta * c"""
    if not finish.scaled:
        return [p.value for p in parts]
    alpha, beta = v.splat(given["alpha"]), given["beta"]
    if finish.beta == 1:
        return [v.fma(alpha, p.value, v.load(p.place, p.mask)) for p in parts]
    values = [v.builder.fmul(alpha, p.value) for p in parts]
    if finish.beta == 0:
        return values

    def change(values: list[ir.Value]) -> list[ir.Value]:
        factor = v.splat(beta)
        old = [v.load(p.place, p.mask) for p in parts]
        return [v.fma(factor, c, x) for c, x in zip(old, values, strict=True)]

    some = v.builder.fcmp_unordered("!=", beta, ir.Constant(beta.type, 0.0))
    return when(v.builder, some, values, change)


def _activated(v: Vectors, finish: Finish, part: Part, x: ir.Value) -> ir.Value:
    if part.bias is not None:
        x = v.builder.fadd(x, part.bias)
    return ACTIVATIONS[finish.activation](v, x) if finish.activation else x
