"""Derive: reverse accumulation over a block's equations by the rows' pull-backs.

Adjoints of per-sample names are scaled by the mini-batch's size, z' = B dL/dz; those of other
names are plain.  Then the pull-back of `E` is a broadcast, and the pull-back of using a name of
the whole batch in a sample is `E`.

A root that is per sample is differentiated as it stands, without an `E`: the adjoints of all
names are then this sample's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.builder import ZERO, Builder, Value
from symgrad.calculus.intervals import poles
from symgrad.language.row import TABLE, op
from symgrad.language.views import unbroadcast


def derive(block: Block, root: Name, wrt: Sequence[Name]) -> tuple[Block, list[Operand]]:
    """The block with the adjoint equations appended, and the gradient of root for each name."""
    builder = Builder.of(block)
    gradients = derive_into(builder, root, wrt)
    return builder.block(block.outputs, block.writes), gradients


def derive_into(builder: Builder, root: Name, wrt: Sequence[Name]) -> list[Operand]:
    """Append adjoint equations to a builder; return the gradient of root for each name."""
    if root.shape != ():
        raise ValueError(
            f"a gradient is taken of a scalar; {root} has shape {root.shape} (sg.sum adds it up)"
        )
    sweep = _Sweep(builder, root, wrt)
    for equation in sweep.equations:
        sweep.pull_back(equation)
    return [sweep.gradient(name) for name in wrt]


class _Sweep:
    """One backward sweep from a root."""

    def __init__(self, builder: Builder, root: Name, wrt: Sequence[Name]) -> None:
        self.builder = builder
        self.own_sample = root.per_sample  # the root is one sample's: nothing is averaged
        self.sums: dict[Name, list[Value]] = {root: [builder.value(1)]}
        self.zeroed: set[Name] = set()  # names whose adjoint may be 0 by a branch not taken
        self.steep: set[Name] = set()  # names whose adjoint may be infinite
        self.active = _depending(builder.equations, set(wrt))
        self.named = {e.name for e in builder.equations if e.name.label}
        self.poles = poles(builder.inputs, builder.equations)
        self.risky = _risky(builder.equations, self.poles)
        self.vanishing: set[Operand] = set()  # of the equations scanned so far
        self.scanned = 0
        self.equations = [e for e in reversed(builder.equations) if e.name in self.active]

    def gradient(self, name: Name) -> Operand:
        value = self._total(name)
        if value is None:
            return ZERO if name.shape == () else self._spread(self.builder.value(0), name)
        if value.shape != name.shape:
            return self._spread(value, name)
        return value.operand

    def _spread(self, value: Value, name: Name) -> Operand:
        return self.builder.apply("broadcast_to", value, shape=name.shape).operand

    def _total(self, name: Name) -> Value | None:
        parts = self.sums.get(name)
        if not parts:
            return None
        if len(parts) > 1:
            self.sums[name] = [self.builder.apply("add", *parts)]
        total = self.sums[name][0]
        if name in self.named and isinstance(total.operand, Name):
            total.operand.label = total.operand.label or f"{name.label}_bar"
        return total

    def pull_back(self, equation: Equation) -> None:
        """Add this equation's contributions to the adjoints of its operands."""
        adjoint = self._total(equation.name)
        if adjoint is None or _is_zero(adjoint):
            return
        row = TABLE[equation.operation]
        if row.kind == "level" and self.own_sample:
            raise ValueError(_OTHER_SAMPLES)
        if row.kind != "pointwise" and adjoint.shape != equation.name.shape:
            adjoint = self.builder.value(self._spread(adjoint, equation.name))
        operands = [self.builder.value(x) for x in equation.operands]
        for i, x in enumerate(equation.operands):
            rule = row.pull(i)
            if rule is not None and x in self.active:
                part = self._part(equation, operands, rule, adjoint, i)
                if part is not None:
                    self._add(equation, x, part)

    def _part(
        self, equation: Equation, operands: list[Value], rule: Any, adjoint: Value, i: int
    ) -> Value | None:
        """The contribution of one pull-back, to operand i.

        A branch not taken has the adjoint 0, and 0 times an infinite derivative must stay 0: see
        `_pulled`.
        """
        b, row = self.builder, TABLE[equation.operation]

        def pull(g: Value) -> Value | None:
            part = rule(g, b.value(equation.name), *operands, **dict(equation.attributes))
            return None if part is None else b.value(part)

        if row.kinked and row.kind == "pointwise" and equation.name in self.steep:
            adjoint = b.apply("masked", adjoint, pull(b.value(1)))  # what a branch drops stays out
        if equation.name not in self.zeroed:
            return pull(adjoint)
        if row.kind == "contraction":
            operands = self._reached(equation, adjoint, i)
            return pull(adjoint)
        if row.kind != "pointwise":
            part = pull(adjoint)
            nonlinear = row.kind in ("composite", "library") or row.guarded or row.kinked
            masks = nonlinear and part is not None and self._may_be_infinite(equation)
            return b.apply("masked", part, _any(adjoint)) if masks else part
        if _as_mask(b, adjoint) is None:
            part = pull(adjoint)
            return b.apply("masked", part, adjoint) if self._may_be_infinite(equation) else part
        return self._pulled(pull, adjoint, self._may_be_infinite(equation))

    def _pulled(self, pull: Any, adjoint: Value, guarded: bool) -> Value:
        """A pull-back with the mask of a `select` drawn outside; where a mask cannot be seen any
        more and the pull-back may be infinite, it is masked by the adjoint itself."""
        b, select = self.builder, _as_mask(self.builder, adjoint)
        if select is None:
            part = pull(adjoint)
            return b.apply("masked", part, adjoint) if self._may_vanish(adjoint.operand) else part
        condition, *branches = select
        inner = partial(self._pulled, pull, guarded=True) if guarded else pull
        parts = (0 if g == 0 else inner(b.value(g)) for g in branches)
        return b.apply("select", condition, *parts)

    def _reached(self, equation: Equation, adjoint: Value, i: int) -> list[Value]:
        """A contraction's operands, where infinite ones count as 0 if no adjoint reaches them.

        In the branch not taken all adjoints are 0, and 0 times infinity must not be added up.
        """
        terms, out = equation.attribute("subscripts").split("->")
        return [
            self.builder.apply("masked", x, _reach(adjoint, out, term))
            if k != i and x.operand in self.risky
            else x
            for k, (x, term) in enumerate(
                zip(map(self.builder.value, equation.operands), terms.split(","), strict=True)
            )
        ]

    def _may_vanish(self, x: Operand) -> bool:
        """Whether a value may be 0 by a branch not taken."""
        for e in self.builder.equations[self.scanned :]:
            if _vanishes(e, self.vanishing):
                self.vanishing.add(e.name)
        self.scanned = len(self.builder.equations)
        return x in self.vanishing

    def _may_be_infinite(self, equation: Equation) -> bool:
        return equation.name in self.risky or not self.risky.isdisjoint(equation.operands)

    def _add(self, equation: Equation, x: Name, part: Value) -> None:
        """Bring a contribution to the operand's shape and level, and add it."""
        row = TABLE[equation.operation]
        if row.kind == "pointwise":
            part = self._fit(part, equation.name, x)
        if row.kinked or equation.name in self.zeroed:
            self.zeroed.add(x)
        if equation.name in self.poles or equation.name in self.steep:
            self.steep.add(x)
        crosses = equation.name.per_sample and not x.per_sample and row.kind != "level"
        if crosses and not self.own_sample and _level(part):
            part = self.builder.apply("expectation", part)
        if not _is_zero(part):
            self.sums.setdefault(x, []).append(part)

    def _fit(self, part: Value, y: Name, x: Name) -> Value:
        """Sum a contribution over what was broadcast, from y's shape to x's."""
        if x.shape == y.shape:
            return part
        if part.shape != y.shape:
            part = self.builder.apply("broadcast_to", part, shape=y.shape)
        return unbroadcast(part, x.shape)


_OTHER_SAMPLES = (
    "this gradient is one sample's, and it reaches through sg.expectation or sg.batch into the "
    "other samples of the mini-batch: take the gradient of sg.expectation(loss), or hold the "
    "mini-batch's part independent with a let"
)


def _risky(equations: Sequence[Equation], poles: set[Name]) -> set[Operand]:
    """The names that may be infinite, or have an infinite derivative, at finite operands."""
    found: set[Operand] = set()
    for e in equations:
        if e.name in poles or not found.isdisjoint(e.operands):
            found.add(e.name)
    return found


def _as_mask(builder: Builder, adjoint: Value) -> tuple[Operand, ...] | None:
    """(condition, a, b) of an adjoint `select(condition, a, b)` with a 0 among a and b."""
    name = adjoint.operand
    e = builder.definition(name) if isinstance(name, Name) else None
    return e.operands if e is not None and _is_mask(e) else None


def _is_mask(e: Equation) -> bool:
    return e.operation == "select" and sp.S.Zero in e.operands[1:]


def _vanishes(e: Equation, vanishing: set[Operand]) -> bool:
    """Whether an equation makes zeros for a branch not taken, or passes them on."""
    if e.operation in ("indicator", "masked") or _is_mask(e):
        return True
    if e.operation == "add":
        return vanishing.issuperset(e.operands)
    passes = e.operation == "mul" or TABLE[e.operation].kind != "pointwise"
    return passes and not vanishing.isdisjoint(e.operands)


def _any(g: Value) -> Value:
    """Not 0 where any element is not."""
    found = op.indicator(op.ne(g, 0))
    axes = tuple(range(len(g.shape)))
    return op.sum(found, axes=axes, keepdims=False) if axes else found


def _reach(g: Value, out: str, term: str) -> Value:
    """Not 0 where an element of g, which has the axes `out`, meets one of a value with `term`."""
    met = "".join(c for c in dict.fromkeys(term) if c in out)
    found = op.einsum(op.indicator(op.ne(g, 0)), subscripts=f"{out}->{met}")
    sizes = dict(zip(met, found.shape, strict=True))
    return op.reshape(found, shape=tuple(sizes.get(c, 1) for c in term))


def _depending(equations: Sequence[Equation], sources: set[Name]) -> set[Operand]:
    """The names that depend on the sources, themselves included."""
    found: set[Operand] = set(sources)
    for e in equations:
        if not found.isdisjoint(e.operands):
            found.add(e.name)
    return found


def _is_number(value: Value) -> bool:
    return not isinstance(value.operand, Name)


def _is_zero(value: Value) -> bool:
    return _is_number(value) and value.operand == sp.S.Zero


def _level(value: Value) -> bool:
    return isinstance(value.operand, Name) and value.operand.per_sample
