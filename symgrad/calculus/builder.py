"""Builds blocks equation by equation, with value numbering and the identities of arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.magnitude import apart, is_moderate
from symgrad.language.ragged import is_length
from symgrad.language.row import TABLE

ZERO, ONE = sp.Integer(0), sp.Integer(1)


class Value:
    """An operand with arithmetic: what pull-backs and expansions compute with."""

    __slots__ = ("builder", "operand")
    __array_ufunc__ = None

    def __init__(self, builder: Builder, operand: Operand) -> None:
        self.builder = builder
        self.operand = operand

    @property
    def shape(self) -> tuple:
        return getattr(self.operand, "shape", ())

    def __add__(self, other: Any) -> Value:
        return self.builder.apply("add", self, other)

    def __mul__(self, other: Any) -> Value:
        return self.builder.apply("mul", self, other)

    def __pow__(self, other: Any) -> Value:
        return self.builder.apply("pow", self, other)

    def __neg__(self) -> Value:
        return self.builder.apply("mul", -1, self)

    def __sub__(self, other: Any) -> Value:
        return self + self.builder.apply("mul", -1, other)

    def __rsub__(self, other: Any) -> Value:
        return self.builder.apply("add", other, -self)

    def __truediv__(self, other: Any) -> Value:
        return self * self.builder.apply("pow", other, -1)

    def __rtruediv__(self, other: Any) -> Value:
        return self.builder.apply("mul", other, self**-1)

    __radd__ = __add__

    def __rmul__(self, other: Any) -> Value:
        return self.builder.apply("mul", other, self)

    def __repr__(self) -> str:
        return repr(self.operand)


class Builder:
    """Collects equations.  Equal operations on equal operands become one equation."""

    def __init__(self, inputs: Mapping[sp.Symbol, Name] | None = None) -> None:
        self.inputs: dict[sp.Symbol, Name] = dict(inputs or {})
        self.equations: list[Equation] = []
        self.lets: dict[Name, sp.Symbol] = {}  # the user's names for values
        self._numbered: dict[tuple, Name] = {}
        self._definitions: dict[Name, Equation] = {}

    @classmethod
    def of(cls, block: Block) -> Builder:
        """A builder that goes on where a block ends."""
        builder = cls(block.inputs)
        builder.adopt(block.equations)
        return builder

    def input(self, symbol: sp.Symbol, shape: tuple, per_sample: bool) -> Name:
        """The name that holds a symbol's value."""
        known = self.inputs.get(symbol)
        if known is None:
            kind = getattr(symbol, "dtype", "float")
            known = self.inputs[symbol] = Name(symbol.name, tuple(shape), kind, per_sample)
        return known

    @property
    def batch_size(self) -> Value:
        """The number of samples in the mini-batch, as a value."""
        from symgrad.language.symbols import batch_size

        return Value(self, self.input(batch_size, (), per_sample=False))

    def size(self, size: Any) -> Any:
        """A size, which may be symbolic, as a number or value: one for each sample for lists."""
        if isinstance(size, sp.Symbol):
            return Value(self, self.input(size, (), per_sample=is_length(size)))
        if isinstance(size, sp.Add | sp.Mul):
            parts = [self.size(part) for part in size.args]
            return self.apply("add" if size.is_Add else "mul", *parts)
        return size

    def array(self, values: np.ndarray) -> Value:
        """A fixed array of rank 1 or more as a value."""
        from symgrad.language.symbols import constant

        symbol = constant(values)
        return Value(self, self.input(symbol, symbol.shape, per_sample=False))

    def definition(self, name: Name) -> Equation | None:
        return self._definitions.get(name)

    def constant(self, number: sp.Expr) -> Name:
        """A number as a name of rank 0."""
        return self.apply("broadcast_to", number, shape=()).operand

    def adopt(self, equations: Iterable[Equation]) -> None:
        """Take over equations that exist already."""
        for e in equations:
            self.equations.append(e)
            self._definitions[e.name] = e
            self._numbered.setdefault((e.operation, e.operands, e.attributes), e.name)

    def value(self, operand: Any) -> Value:
        if isinstance(operand, Value):
            return operand
        return Value(self, operand if isinstance(operand, Name) else number(operand))

    def apply(self, operation: str, *values: Any, **attributes: Any) -> Value:
        """The value `operation(*values)`, by an equation that exists already where one does."""
        operands = tuple(self.value(v).operand for v in values)
        if operation == "batch" and not getattr(operands[0], "per_sample", False):
            return self._repeat(operands[0])
        if operation in LINEAR and operands[0] == ZERO:
            return Value(self, ZERO)  # 0 x = 0 has left no shape to sum over
        if operation == "reshape" and is_number(operands[0]):
            operation = "broadcast_to"  # structured operations read shapes, and numbers have none
        known = _identity(self, operation, operands)
        if known is not None:
            return known
        shape, kind = TABLE[operation].infer(operands, attributes)
        key = (operation, operands, tuple(sorted(attributes.items())))
        name = self._numbered.get(key)
        if name is None:
            sampled = any(isinstance(x, Name) and x.per_sample for x in operands) or any(
                map(is_length, shape)
            )
            name = Name("", shape, kind, LEVELS.get(operation, sampled))
            equation = Equation(name, *key)
            self.equations.append(equation)
            self._definitions[name] = equation
            self._numbered[key] = name
        return Value(self, name)

    def _repeat(self, operand: Operand) -> Value:
        """batch(z) of a z that is the same for every sample."""
        from symgrad.language.symbols import batch_size

        shape = (batch_size, *getattr(operand, "shape", ()))
        return self.apply("broadcast_to", operand, shape=shape)

    def block(
        self, outputs: Mapping[str, Name], writes: Mapping | None = None,
        rows: Mapping | None = None,
    ) -> Block:  # fmt: skip
        return Block(
            self.inputs, tuple(self.equations), dict(outputs), dict(writes or {}), dict(rows or {})
        )


LINEAR = frozenset({"sum", "mean", "cumsum", "transpose", "slice", "unslice"})
LEVELS = {"expectation": False, "batch": False, "own": True}  # the others: as their operands


def number(x: Any) -> sp.Expr:
    """A Python, NumPy or SymPy number as an exact SymPy number."""
    if isinstance(x, np.generic):
        x = x.item()
    return x if isinstance(x, sp.Expr) else sp.sympify(x)


def is_number(x: Any) -> bool:
    return not isinstance(x, Name)


def _identity(builder: Builder, operation: str, operands: tuple[Operand, ...]) -> Value | None:
    """A simpler value equal to the operation, for the identities that always hold."""
    rule = IDENTITIES.get(operation)
    result = rule(builder, operands) if rule else None
    return None if result is None else builder.value(result)


def _add(builder: Builder, operands: tuple[Operand, ...]) -> Any:
    numbers = [x for x in operands if is_number(x)]
    names = [x for x in operands if not is_number(x)]
    total = sp.Add(*numbers)
    if not names:
        return total  # numbers fold
    if total == 0 and len(names) == 1:
        return names[0]  # x + 0 = x
    if len(numbers) > 1 or (numbers and total == 0):
        return builder.apply("add", *names, *([total] if total != 0 else []))
    if len(set(names)) < len(names):  # x + x = 2 x
        counts = Counter(names)
        terms = [builder.apply("mul", n, x) if n > 1 else x for x, n in counts.items()]
        return builder.apply("add", *terms, *numbers)
    return _add_branches(builder, operands)


def _add_branches(builder: Builder, operands: tuple[Operand, ...]) -> Any:
    """select(c, a, 0) + select(c, 0, b) = select(c, a, b)"""
    pair = [builder.definition(x) for x in operands if not is_number(x)]
    if len(operands) != 2 or len(pair) != 2:
        return None
    first, second = pair
    if not (first and second and first.operation == second.operation == "select"):
        return None
    (c, a, b), (d, e, f) = first.operands, second.operands
    if c is not d or first.name.shape != second.name.shape:
        return None
    if b == 0 and e == 0:
        return builder.apply("select", c, a, f)
    return builder.apply("select", c, e, b) if a == 0 and f == 0 else None


def _mul(builder: Builder, operands: tuple[Operand, ...]) -> Any:
    numbers = [x for x in operands if is_number(x)]
    names = [x for x in operands if not is_number(x)]
    if not numbers:
        return None
    factor = numbers[0] if len(numbers) == 1 else sp.Mul(*numbers)
    if not names or factor == 0:
        return factor  # numbers fold; 0 x = 0, as derivatives of what is not there
    if factor == 1 and len(names) == 1:
        return names[0]  # 1 x = x
    if not is_moderate(factor) and len(parts := apart(numbers)) > 1:
        return _mul_apart(builder, parts, names)
    if len(numbers) > 1 or factor == 1 or operands[0] is not numbers[0]:
        return builder.apply("mul", *([factor] if factor != 1 else []), *names)
    if len(names) == 1:
        inner = builder.definition(names[0])
        if inner and inner.operation == "mul" and is_number(inner.operands[0]):
            folded = apart([factor, inner.operands[0]])
            return builder.apply("mul", *folded, *inner.operands[1:]) if len(folded) == 1 else None
    return None


def _mul_apart(builder: Builder, numbers: Sequence[sp.Expr], names: Sequence[Name]) -> Value:
    """Numbers of extreme size are multiplied with names in turn, not with each other."""
    factors: list[Any] = list(names)
    for k, number in enumerate(numbers):
        at = k % len(factors)
        factors[at] = builder.apply("mul", number, factors[at])
    return builder.apply("mul", *factors) if len(factors) > 1 else builder.value(factors[0])


def _pow(_: Builder, operands: tuple[Operand, ...]) -> Any:
    base, exponent = operands
    if exponent == 1:
        return base  # x**1 = x
    if exponent == 0:
        return ONE  # x**0 = 1, as NumPy has it, at 0 and NaN too
    return sp.Pow(base, exponent) if is_number(base) and is_number(exponent) else None


def _converse(builder: Builder, operands: tuple[Operand, ...]) -> Any:
    (z,) = operands
    if is_number(z):
        return z
    if not z.per_sample:  # equal for all: a sample is seen by each as it is
        return builder.apply("broadcast_to", builder.apply("own", z), shape=z.shape)
    inner = builder.definition(z)
    return inner.operands[0] if inner and inner.operation == "converse" else None


IDENTITIES = {"add": _add, "mul": _mul, "pow": _pow, "converse": _converse}
