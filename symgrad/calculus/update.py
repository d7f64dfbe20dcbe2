"""Appends an optimiser's rule to a block that computes gradients.

    gradients, rule -> Program

Everything reads values from before the step.  With accumulation the step only adds the gradient up,
and a second block applies the rule to the sum:

    step:    a <- a + g           update:  p <- rule(p, a),  a <- 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block, Name, Operand
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.capture import capture
from symgrad.calculus.program import Program
from symgrad.language.digest import digest
from symgrad.language.symbols import TensorSymbol, step
from symgrad.optimize.rule import Rule


@dataclass(frozen=True, eq=False)
class Applied:
    """A rule with its symbols, for the parameters that it trains.

    numbers:       name -> hyper or expression, as the rule's update sees it
    states:        parameter -> state name -> symbol
    accumulators:  parameter -> symbol of the sum of gradients under accumulation
    """

    rule: Rule
    parameters: tuple[sp.Symbol, ...]
    numbers: Mapping[str, sp.Expr]
    states: Mapping[sp.Symbol, Mapping[str, TensorSymbol]]
    accumulators: Mapping[sp.Symbol, TensorSymbol]
    captured: Mapping[sp.Symbol, tuple[Block, TensorSymbol]] = field(default_factory=dict)

    @property
    def initial(self) -> dict[TensorSymbol, float]:
        """Every state and accumulator with its initial value."""
        values = dict.fromkeys(self.accumulators.values(), 0.0)
        for p in self.parameters:
            values.update({s: self.rule.state[k] for k, s in self.states[p].items()})
        return values

    @property
    def hypers(self) -> list[sp.Symbol]:
        """The hypers that were made for the rule's numbers."""
        given = self.rule.numbers
        return [s for name, s in self.numbers.items() if not isinstance(given[name], sp.Expr)]

    @property
    def blocks(self) -> list[Block]:
        """The rule as captured for each parameter."""
        return [block for block, _ in self.captured.values()]


def apply_rule(rule: Rule, parameters: Sequence[sp.Symbol]) -> Applied:
    """Make the rule's symbols and capture its update, once for each parameter."""
    states = {p: {k: _state(f"{k} of {p.name}", p) for k in rule.state} for p in parameters}
    sums = {p: _state(f"sum of gradients of {p.name}", p) for p in parameters}
    numbers = rule.arguments()
    captured = {p: _captured(rule, p, states[p], numbers) for p in parameters}
    return Applied(rule, tuple(parameters), numbers, states, sums, captured)


def update(gradients: Block, wrt: Mapping[sp.Symbol, Operand], applied: Applied) -> Program:
    """Forward, gradient and update in one block; `wrt` maps each parameter to its gradient."""
    builder = Builder(gradients.inputs)
    builder.adopt(gradients.equations)
    writes = _rule_writes(builder, applied, {p: builder.value(wrt[p]) for p in applied.parameters})
    return Program(builder.block(gradients.outputs, writes))


def accumulate(gradients: Block, wrt: Mapping[sp.Symbol, Operand], applied: Applied) -> Program:
    """A block that adds gradients up, and one that applies the rule to the sum and clears it."""
    adding = Builder(gradients.inputs)
    adding.adopt(gradients.equations)
    sums = {
        a: shaped(adding, read(adding, a) + adding.value(wrt[p]), a)
        for p, a in applied.accumulators.items()
    }
    applying = Builder()
    given = {p: read(applying, a) for p, a in applied.accumulators.items()}
    writes = _rule_writes(applying, applied, given)
    for a in applied.accumulators.values():
        writes[a] = shaped(applying, applying.value(sp.Float(0)), a)
    return Program(adding.block(gradients.outputs, sums), applying.block({}, writes))


def read(builder: Builder, symbol: sp.Symbol) -> Value:
    """The value of an input, which the block gets where it does not read it yet."""
    if symbol not in builder.inputs:
        kind = getattr(symbol, "dtype", "float")
        builder.inputs[symbol] = Name(symbol.name, getattr(symbol, "shape", ()), kind)
    return builder.value(builder.inputs[symbol])


def splice(builder: Builder, block: Block, given: Mapping[sp.Symbol, Value]) -> dict[str, Value]:
    """Append a block's equations, its inputs bound to `given` or read; return its outputs."""
    values: dict[Name, Value] = {
        name: given[s] if s in given else read(builder, s) for s, name in block.inputs.items()
    }
    for e in block.equations:
        operands = [values[x] if isinstance(x, Name) else x for x in e.operands]
        values[e.name] = builder.apply(e.operation, *operands, **dict(e.attributes))
    return {label: values[name] for label, name in block.outputs.items()}


def _captured(
    rule: Rule, p: sp.Symbol, states: Mapping[str, TensorSymbol], numbers: Mapping[str, sp.Expr]
) -> tuple[Block, TensorSymbol]:
    """The rule for one parameter as a block, and the symbol that stands for the gradient."""
    g = _state(f"gradient of {p.name}", p)
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


def _rule_writes(
    builder: Builder, applied: Applied, gradients: Mapping[sp.Symbol, Value]
) -> dict[sp.Symbol, Name]:
    writes: dict[sp.Symbol, Name] = {}
    for p in applied.parameters:
        block, g = applied.captured[p]
        gradient = builder.value(shaped(builder, gradients[p], p))
        outputs = splice(builder, block, {g: gradient})
        for label, target in {"": p, **applied.states[p]}.items():
            read(builder, target)  # what is written is an input
            writes[target] = shaped(builder, outputs[label], target)
    read(builder, step)
    writes[step] = shaped(builder, read(builder, step) + 1, step)
    return writes


def shaped(builder: Builder, value: Value, target: sp.Symbol) -> Name:
    """A value as a name of the target's shape; numbers and smaller shapes are broadcast."""
    shape = getattr(target, "shape", ())
    operand: Any = value.operand
    if not isinstance(operand, Name) or operand.shape != shape:
        operand = builder.apply("broadcast_to", value, shape=shape).operand
    return operand


def _state(name: str, p: sp.Symbol) -> TensorSymbol:
    """A new state symbol of a parameter's shape."""
    shape = getattr(p, "shape", ())
    key = digest("state", name, shape)
    identity = digest(key, getattr(p, "identity", p.name))
    return TensorSymbol(name, shape, "float", "state", key, identity)
