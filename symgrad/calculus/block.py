"""The mathematical intermediate representation.

    Block    = inputs, equations, outputs, writes
    Equation = name = operation(operand, ...) {attributes}
    operand  = Name | number

Every name is defined once, before it is used.  A name has a shape (one sample's, when it is per
sample), a kind ("float", "int" or "bool") and a level: per sample, or one value for the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sympy as sp

Size: TypeAlias = int | sp.Symbol  # `sg.batch_size`, or a number for each sample: `len(bag)`
Shape: TypeAlias = tuple[Size, ...]
Attributes: TypeAlias = tuple[tuple[str, Any], ...]  # sorted (keyword, hashable value) pairs


@dataclass(eq=False, slots=True)
class Name:
    """A value in a block.  Compared by identity; the label, only for people, may come later."""

    label: str
    shape: Shape
    kind: str = "float"
    per_sample: bool = False

    def __repr__(self) -> str:
        return self.label or "_"


Operand: TypeAlias = Name | sp.Expr  # an expression here is always a number
# Of each list of indices, an index for an axis: P[u, v] has (u, v), P[:, i] has (None, i).
Lists: TypeAlias = tuple[tuple[Operand | None, ...], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Equation:
    """`name = operation(*operands)`; the left-hand shape is authoritative."""

    name: Name
    operation: str
    operands: tuple[Operand, ...]
    attributes: Attributes = ()

    @property
    def names(self) -> tuple[Name, ...]:
        return tuple(x for x in self.operands if isinstance(x, Name))

    def attribute(self, key: str) -> Any:
        return dict(self.attributes)[key]


@dataclass(frozen=True, eq=False)
class Block:
    """A program: what it reads, what it computes, what it gives, and what it assigns.

    `inputs` maps a language symbol to the name that holds its value, `outputs` a label to a name;
    `writes` maps a parameter's or state's symbol to the name of its new value.  All reads see old
    values: the writes happen together, after everything is computed.

    `rows` says of a written symbol that it changes only where lists of indices point to, which may
    name a row many times: there it gets its new value, and keeps its old one everywhere else.
    """

    inputs: Mapping[sp.Symbol, Name]
    equations: tuple[Equation, ...]
    outputs: Mapping[str, Name]
    writes: Mapping[sp.Symbol, Name] = field(default_factory=dict)
    rows: Mapping[sp.Symbol, Lists] = field(default_factory=dict)

    @property
    def row_names(self) -> list[Name]:
        """The indices of the rows that are written."""
        return [x for s in self.rows.values() for r in s for x in r if isinstance(x, Name)]

    def check(self) -> Block:
        """Raise AssertionError unless the block is well formed; return it."""
        from symgrad.language.row import TABLE

        known = set(self.inputs.values())
        for equation in self.equations:
            row = TABLE.get(equation.operation)
            assert row is not None, f"no operation {equation.operation!r}"
            for name in equation.names:
                assert name in known, f"{equation.name} uses {name} before its definition"
            assert equation.name not in known, f"{equation.name} is defined twice"
            shape, kind = row.infer(equation.operands, dict(equation.attributes))
            assert shape == equation.name.shape, f"{equation}: {shape} is not {equation.name.shape}"
            assert kind == equation.name.kind, f"{equation}: {kind} is not {equation.name.kind}"
            known.add(equation.name)
        for target in (*self.outputs.values(), *self.writes.values(), *self.row_names):
            assert target in known, f"{target} is used and not defined"
        for symbol, name in self.writes.items():
            assert name.shape == self.inputs[symbol].shape, f"{symbol} changes its shape"
            assert not name.per_sample, f"{symbol} would get a value for each sample"
        assert set(self.rows) <= set(self.writes), "rows of what is not written"
        for name in self.row_names:
            assert name.kind == "int", f"{name} selects rows and is {name.kind}"
        return self
