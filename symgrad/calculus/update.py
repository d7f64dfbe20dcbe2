"""Appends an optimiser's rule to a block that computes gradients.

    gradients, rule -> Program

Everything reads values from before the step.  With accumulation the step only adds the gradient up,
and a second block applies the rule to the sum:

    step:    a <- a + g           update:  p <- rule(p, a),  a <- 0

The sum of a sparse gradient is held, and updates, in the rows that were touched (see `groups`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sympy as sp

from symgrad.calculus.asleep import LAST, Asleep, made_up, read_awake
from symgrad.calculus.block import Block, Lists, Name, Operand
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.capture import capture
from symgrad.calculus.groups import Group, groups_of, kept, sum_of
from symgrad.calculus.inline import read as read
from symgrad.calculus.inline import shaped as shaped
from symgrad.calculus.inline import splice as splice
from symgrad.calculus.program import Program
from symgrad.calculus.touched import selected, touched_rows
from symgrad.language.row import TABLE
from symgrad.language.symbols import TensorSymbol, step
from symgrad.optimize.asleep import is_row_local
from symgrad.optimize.rule import Rule


@dataclass(frozen=True, eq=False)
class Applied:
    """A rule with its symbols, for the parameters that it trains.

    numbers:       name -> hyper or expression, as the rule's update sees it
    states:        parameter -> state name -> symbol
    accumulators:  parameter -> symbol of the sum of gradients under accumulation
    captured:      parameter -> the rule for it, and the symbol that stands for the gradient
    sparse:        the parameters of which a step changes the rows that it touches, and no others
    groups:        sparse parameter -> the rows in which its gradients are summed
    asleep:        what rows of tables missed, where they are caught up: such a parameter has the
                   state LAST besides its own
    """

    rule: Rule
    parameters: tuple[sp.Symbol, ...]
    numbers: Mapping[str, sp.Expr]
    states: Mapping[sp.Symbol, Mapping[str, TensorSymbol]]
    accumulators: Mapping[sp.Symbol, TensorSymbol]
    captured: Mapping[sp.Symbol, tuple[Block, TensorSymbol]] = field(default_factory=dict)
    sparse: frozenset[sp.Symbol] = frozenset()
    groups: Mapping[sp.Symbol, Group] = field(default_factory=dict)
    asleep: Asleep | None = None

    @property
    def initial(self) -> dict[TensorSymbol, float]:
        """Every state with its initial value."""
        first = self.rule.state
        return {s: first.get(k, 0.0) for states in self.states.values() for k, s in states.items()}

    @cached_property
    def sleepers(self) -> list[sp.Symbol]:
        """The parameters whose rows are caught up when they are touched."""
        return [p for p in self.parameters if LAST in self.states[p]]

    @property
    def sums(self) -> list[TensorSymbol]:
        """What only training with accumulation has, and what starts at 0 in every group."""
        rows = [s for group in self.groups.values() for s in group.symbols]
        return list(dict.fromkeys([*self.accumulators.values(), *rows]))

    @property
    def hypers(self) -> list[sp.Symbol]:
        """The hypers that were made for the rule's numbers."""
        given = self.rule.numbers
        return [s for name, s in self.numbers.items() if not isinstance(given[name], sp.Expr)]

    @property
    def blocks(self) -> list[Block]:
        """The rule as captured for each parameter."""
        return [block for block, _ in self.captured.values()]


def apply_rule(
    rule: Rule, parameters: Sequence[sp.Symbol], touched: Mapping[sp.Symbol, Lists] | None = None
) -> Applied:
    """Make the rule's symbols and capture its update, once for each parameter.

    touched: parameter -> the rows that its gradient has, where it is sparse
    """
    states = {p: {k: _state(f"{k} of {p.name}", p) for k in rule.state} for p in parameters}
    numbers = rule.arguments()
    captured = _all_captured(rule, states, numbers)
    sparse = {p for p in touched or () if is_elementwise(captured[p][0], p)}
    asleep = None
    if sparse and not is_row_local(rule, numbers):
        sparse = sparse if rule.lazy else set()
        asleep = made_up(rule, numbers) if sparse and rule.lazy == "catch_up" else None
    for p in sparse if asleep else ():
        shape = _row_shape(p, touched or {})
        states[p][LAST] = kept(f"{LAST} of {p.name}", p, shape, "int")
    groups = groups_of([p for p in parameters if p in sparse], touched or {})
    sums = {p: sum_of(p, groups.get(p)) for p in parameters}
    return Applied(rule, tuple(parameters), numbers, states, sums, captured,
                   frozenset(sparse), groups, asleep)  # fmt: skip


def is_elementwise(block: Block, p: sp.Symbol) -> bool:
    """Whether a captured rule gives each element of p its value from that element's gradient."""
    return all(
        TABLE[e.operation].kind == "pointwise" or e.operation == "broadcast_to"
        for e in block.equations
        if any(x.shape for x in (e.name, *e.names))
    )


def update(gradients: Block, wrt: Mapping[sp.Symbol, Operand], applied: Applied) -> Program:
    """Forward, gradient and update in one block; `wrt` maps each parameter to its gradient."""
    builder, outputs, wrt = _begun(gradients, wrt, applied)
    writes = _rule_writes(builder, applied, {p: builder.value(wrt[p]) for p in applied.parameters})
    rows = {}
    for p in applied.parameters:
        lists = touched_rows(builder, wrt[p]) if p in applied.sparse else None
        if lists is not None:
            rows.update(dict.fromkeys((p, *applied.states[p].values()), lists))
    return Program(builder.block(outputs, writes, rows))


def _begun(
    gradients: Block, wrt: Mapping[sp.Symbol, Operand], applied: Applied
) -> tuple[Builder, Mapping[str, Name], Mapping[sp.Symbol, Operand]]:
    """The gradients in a new builder, with rows that slept caught up before they are read."""
    builder = Builder(gradients.inputs)
    if applied.asleep is None:
        builder.adopt(gradients.equations)
        return builder, gradients.outputs, wrt
    tables = {p: applied.states[p] for p in applied.sleepers}
    new = read_awake(builder, gradients, applied.asleep, tables)
    outputs = {k: new[x] for k, x in gradients.outputs.items()}
    return builder, outputs, {p: new.get(g, g) for p, g in wrt.items()}


def accumulate(gradients: Block, wrt: Mapping[sp.Symbol, Operand], applied: Applied) -> Program:
    """A block that adds gradients up, and one that applies the rule to the sum and clears it."""
    adding, outputs, wrt = _begun(gradients, wrt, applied)
    sums, rows = {}, {}
    for p, a in applied.accumulators.items():
        if p in applied.groups:
            adding.input(a, p.shape, per_sample=False)
            sums[a], rows[a] = shaped(adding, adding.value(wrt[p]), p), touched_rows(adding, wrt[p])
        else:
            sums[a] = shaped(adding, read(adding, a) + adding.value(wrt[p]), a)
    applying = Builder()
    given = {
        p: applying.value(applying.input(a, getattr(p, "shape", ()), per_sample=False))
        for p, a in applied.accumulators.items()
    }
    writes = _rule_writes(applying, applied, given)
    groups = {}
    for p, a in applied.accumulators.items():
        if p in applied.groups:
            groups.update(dict.fromkeys((a, p, *applied.states[p].values()), applied.groups[p]))
        else:
            writes[a] = shaped(applying, applying.value(sp.Float(0)), a)
    return Program(adding.block(outputs, sums, rows), applying.block({}, writes), groups)


def settle(applied: Applied) -> Program:
    """A block that brings every row of the tables up to the step that were left behind."""
    assert applied.asleep is not None
    builder, writes = Builder(), {}
    for p in applied.sleepers:
        states = applied.states[p]
        for target, value in applied.asleep.values(builder, p, states).items():
            writes[target] = shaped(builder, value, target)
        writes[states[LAST]] = shaped(builder, read(builder, step), states[LAST])
    return Program(builder.block({}, writes))


def _all_captured(
    rule: Rule, states: Mapping[sp.Symbol, Mapping[str, TensorSymbol]],
    numbers: Mapping[str, sp.Expr],
) -> dict[sp.Symbol, tuple[Block, TensorSymbol]]:  # fmt: skip
    """The rule for every parameter; where it says so, captured once for each shape."""
    captured: dict[sp.Symbol, tuple[Block, TensorSymbol]] = {}
    first: dict[Any, sp.Symbol] = {}  # shape -> the parameter for which the rule was captured
    for p in states:
        like = first.setdefault(p.shape, p) if rule.alike and isinstance(p, TensorSymbol) else p
        if like is p:
            captured[p] = _captured(rule, p, states[p], numbers)
            continue
        block, g = captured[like]
        own = {like: p, g: _gradient(p)}
        own |= {s: states[p][k] for k, s in states[like].items()}
        inputs = {own.get(s, s): name for s, name in block.inputs.items()}
        captured[p] = replace(block, inputs=inputs), own[g]
    return captured


def _captured(
    rule: Rule, p: sp.Symbol, states: Mapping[str, TensorSymbol], numbers: Mapping[str, sp.Expr]
) -> tuple[Block, TensorSymbol]:
    """The rule for one parameter as a block, and the symbol that stands for the gradient."""
    g = _gradient(p)
    value, new_states = rule.new_values(p, g, states, numbers)
    roles = {} if isinstance(p, TensorSymbol) else {p: "parameter"}
    block = capture({"": value, **new_states}, roles)
    for symbol, name in block.inputs.items():
        if name.per_sample:
            raise ValueError(
                f"{rule.name}: the update of {p.name} reads the data {symbol.name}; a rule may "
                "use the parameter, its gradient, states, hypers and sg.step"
            )
    return block, g


def _row_shape(p: Any, touched: Mapping[sp.Symbol, Lists]) -> tuple:
    """The shape of one number for each row: the sizes of the axes that select it, 1 for others."""
    axes = selected(touched[p])
    return tuple(size if a in axes else 1 for a, size in enumerate(p.shape))


def _rule_writes(
    builder: Builder, applied: Applied, gradients: Mapping[sp.Symbol, Value]
) -> dict[sp.Symbol, Name]:
    writes: dict[sp.Symbol, Name] = {}
    for p in applied.parameters:
        block, g = applied.captured[p]
        gradient = builder.value(shaped(builder, gradients[p], p))
        states, given = applied.states[p], {g: gradient}
        if LAST in states and applied.asleep:
            given |= applied.asleep.values(builder, p, states)
        outputs = splice(builder, block, given)
        if LAST in states:
            outputs[LAST] = read(builder, step) + 1
        for label, target in {"": p, **states}.items():
            read(builder, target)  # what is written is an input
            writes[target] = shaped(builder, outputs[label], target)
    read(builder, step)
    writes[step] = shaped(builder, read(builder, step) + 1, step)
    return writes


def _gradient(p: sp.Symbol) -> TensorSymbol:
    return _state(f"gradient of {p.name}", p)


def _state(name: str, p: sp.Symbol) -> TensorSymbol:
    """A new state symbol of a parameter's shape."""
    return kept(name, p, getattr(p, "shape", ()))
