"""How results leave: scaled, and added to what is there."""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from symgrad.generate.micro_vectors import Vectors, when


@dataclass(frozen=True)
class Finish:
    """c = alpha * sum + beta * c

    scaled:  else alpha is 1 and beta 0
    beta:    0 or 1, or None for a number known when the code runs (0: c is not read)
    """

    scaled: bool = True
    beta: int | None = 0


@dataclass(frozen=True)
class Part:
    """A vector of sums and where it goes."""

    value: ir.Value
    place: ir.Value
    mask: ir.Value | None


def put(v: Vectors, finish: Finish, parts: list[Part], given: dict[str, ir.Value]) -> None:
    """Store the parts; given: alpha and beta."""
    for part, value in zip(parts, _accumulated(v, finish, parts, given), strict=True):
        v.store(value, part.place, part.mask)


def _accumulated(
    v: Vectors, finish: Finish, parts: list[Part], given: dict[str, ir.Value]
) -> list[ir.Value]:
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
