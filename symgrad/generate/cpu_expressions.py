"""Expressions of the loop IR as Python text, with the brackets they need and no others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symgrad.generate.cpu_operations import (
    ATOM,
    BETWEEN,
    CASTS,
    CODE,
    PAIRWISE,
    PRODUCT,
    SUM,
    UNARY,
)  # fmt: skip
from symgrad.generate.powers import HALVES, MOST_MULTIPLIED, exponent_of, is_inverse
from symgrad.generate.text import Names
from symgrad.lower import index as ix
from symgrad.lower.index import Index, Quotient, Remainder
from symgrad.lower.kernel import Apply, Axis, Buffer, Counter, Expression, Load, Number, Whole

LETTERS = "ijklmpqrtu"
Printed = tuple[str, int]  # text and how tightly it binds


class Printer:
    """Prints expressions; collects the named constants and native functions that they use."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.constants: dict[tuple[str, str], str] = {}  # (value, dtype) -> name
        self.used: set[str] = set()
        self.cells: dict[Buffer, str] = {}  # numbers that have a place in memory
        self.ordered: bool | None = None  # whether samples come in an order, where that is decided

    def text(self, x: Expression) -> str:
        return self._print(x)[0]

    def _within(self, x: Any, level: int) -> str:
        text, own = self._print(x)
        return text if own >= level else f"({text})"

    def _print(self, x: Any) -> Printed:
        if isinstance(x, Number):
            return self.number(x)
        if isinstance(x, Load):
            return self.place(x.buffer, x.index), ATOM
        if isinstance(x, Whole):
            return self.index(x.index)
        return self._apply(x)

    # ---- numbers

    def number(self, x: Number) -> Printed:
        if x.dtype in ("int64", "bool"):
            text = repr(x.value)
        elif x.dtype == "float64" and math.isfinite(x.value):
            text = repr(float(x.value))
        else:
            text = self._constant(repr(float(x.value)), x.dtype)
        return text, UNARY if text.startswith("-") else ATOM

    def _constant(self, value: str, dtype: str) -> str:
        """A constant of the module, of a type that does not widen what it meets."""
        return self.constants.setdefault((value, dtype), f"c{len(self.constants)}")

    # ---- memory

    def place(self, buffer: Buffer, index: Sequence[Index]) -> str:
        name = self.names(buffer)
        if buffer.is_local:
            return self.cells.get(buffer.home, name)
        shape = buffer.shape
        if len(index) > len(shape):  # a sample's row, or a recorded number's slot, in front
            shape = (1, *shape)
        return f"{name}[{self.index(ix.flat(index, shape))[0]}]"

    def index(self, index: Index) -> Printed:
        alike: dict[int, list[Any]] = {}  # (tile + i) * 784 rather than tile * 784 + i * 784
        for atom, k in index.terms:
            alike.setdefault(k, []).append(atom)
        parts = [self._terms(atoms, k) for k, atoms in alike.items()]
        text = " + ".join(parts)
        if index.constant or not parts:
            sign = " - " if index.constant < 0 and parts else " + " if parts else ""
            text += f"{sign}{abs(index.constant) if parts else index.constant}"
        text = text.replace("+ -", "- ")
        if len(index.terms) == 1 and not index.constant:
            atom, k = index.terms[0]
            return text, self._atom(atom)[1] if k == 1 else PRODUCT
        return text, ATOM if not parts else SUM

    def _terms(self, atoms: Sequence[Any], k: int) -> str:
        """The terms of an index that have this factor."""
        if len(atoms) == 1 or k <= 1:
            return " + ".join(self._term(atom, k) for atom in atoms)
        return f"({' + '.join(self._term(atom, 1) for atom in atoms)}) * {k}"

    def _term(self, atom: Any, k: int) -> str:
        text, level = self._atom(atom)
        if k == 1:
            return text if level >= PRODUCT else f"({text})"
        text = text if level > PRODUCT else f"({text})"
        return f"-{text}" if k == -1 else f"{text} * {k}" if k > 0 else f"-{text} * {-k}"

    def _atom(self, atom: Any) -> Printed:
        if isinstance(atom, Axis):
            return axis_name(atom), ATOM
        if isinstance(atom, Counter):
            return atom.name, ATOM
        if isinstance(atom, Quotient | Remainder):
            text, level = self.index(atom.index)
            text = text if level > PRODUCT else f"({text})"
            return f"{text} {'//' if isinstance(atom, Quotient) else '%'} {atom.divisor}", PRODUCT
        return self._print(atom)

    # ---- operations

    def _apply(self, x: Apply) -> Printed:
        special = {
            "add": self._sum, "mul": self._product, "pow": self._power, "cast": self._cast,
            "relu": self._relu,
        }.get(x.operation)  # fmt: skip
        if special:
            return special(x)
        if x.operation in BETWEEN:
            between, level = BETWEEN[x.operation]
            return between.join(self._within(y, level + 1) for y in x.operands), level
        if x.operation in PAIRWISE:
            return self._pairwise(x.operation, x.operands), ATOM
        if x.operation == "position" and self.ordered is not None:
            return self._code(f"position, ordered {self.ordered}", x.operands)
        if x.operation in ("floor", "ceiling") and x.dtype == "int64":
            return self._print(x.operands[0])
        return self._code(x.operation, x.operands)

    def _code(self, operation: str, operands: Sequence[Expression]) -> Printed:
        code = CODE[operation]
        self.used.add(code.text.split("(")[0])
        return code.text.format(*(self._within(y, code.inner) for y in operands)), code.level

    def _sum(self, x: Apply) -> Printed:
        text = ""
        terms = list(x.operands)
        head = next((k for k, y in enumerate(terms) if not _is_negative(y)), 0)
        for y in (terms[head], *terms[:head], *terms[head + 1 :]):
            factors = y.operands if isinstance(y, Apply) and y.operation == "mul" else (y,)
            first = factors[0]
            if text and isinstance(first, Number) and first.value < 0 and len(factors) > 1:
                positive = Number(-first.value, first.dtype)
                rest = factors[1:] if first.value == -1 else (positive, *factors[1:])
                text += " - " + self._factors(rest, x.dtype, SUM + 1)
            else:
                text += (" + " if text else "") + self._within(y, SUM + (1 if text else 0))
        return text, SUM

    def _product(self, x: Apply) -> Printed:
        factors = x.operands
        if isinstance(factors[0], Number) and factors[0].value == -1 and len(factors) > 1:
            return f"-{self._factors(factors[1:], x.dtype, UNARY)}", UNARY
        return self._factors(factors, x.dtype, PRODUCT), PRODUCT

    def _factors(self, factors: Sequence[Expression], dtype: str, level: int) -> str:
        """Factors with those of negative power divided by, in brackets below the level."""
        above = [f for f in factors if not is_inverse(f)]
        below = [f for f in factors if is_inverse(f)]
        if len(factors) == 1:
            return self._within(factors[0], level)
        parts = [self._within(f, PRODUCT + (i > 0)) for i, f in enumerate(above)]
        text = " * ".join(parts) if above else self.number(Number(1, dtype))[0]
        for f in below:
            assert isinstance(f, Apply)
            text += " / " + self._raised(f.operands[0], -exponent_of(f), dtype, PRODUCT + 1)
        return text if level <= PRODUCT else f"({text})"

    def _power(self, x: Apply) -> Printed:
        if is_inverse(x):
            one = self.number(Number(1, x.dtype))[0]
            below = self._raised(x.operands[0], -exponent_of(x), x.dtype, PRODUCT + 1)
            return f"{one} / {below}", PRODUCT
        return self._raised(x.operands[0], exponent_of(x), x.dtype, 0, x), ATOM

    def _raised(self, base: Expression, k: Any, dtype: str, level: int, x: Any = None) -> str:
        if k == 1:
            return self._within(base, level)
        if k == 0.5:
            return self._code("sqrt", [base])[0]
        if k in HALVES:
            root = self._code("sqrt", [base])[0]
            return f"({self._raised(base, int(k), dtype, PRODUCT)} * {root})"
        if isinstance(k, int) and abs(k) <= MOST_MULTIPLIED:
            if k == 2:
                return self._code("square", [base])[0]
            self.used.add("power")
            return f"power({self._print(base)[0]}, {k})"
        exponent = x.operands[1] if k is None else Number(float(k), dtype)
        return self._code("raised", [base, exponent])[0]

    def _cast(self, x: Apply) -> Printed:
        return CASTS[x.dtype].format(self._print(x.operands[0])[0]), ATOM

    def _relu(self, x: Apply) -> Printed:
        return self._pairwise("max", (*x.operands, Number(0, x.dtype))), ATOM

    def _pairwise(self, operation: str, operands: Sequence[Expression]) -> str:
        """Constants first: they are never NaN, which saves an instruction."""
        operands = sorted(operands, key=lambda y: not isinstance(y, Number))
        template = PAIRWISE[operation]
        self.used.add(template.split("(")[0])
        text = self._print(operands[-1])[0]
        for y in reversed(operands[:-1]):
            text = template.format(self._print(y)[0], text)
        return text


def axis_name(axis: Axis) -> str:
    """`b` for a mini-batch's samples, letters by depth for others."""
    if axis.step > 1:
        return "tile"
    if axis.extent is None:
        return "b" if axis.depth == 0 else f"b{axis.depth}"
    return LETTERS[axis.depth] if axis.depth < len(LETTERS) else f"i{axis.depth}"


def _is_negative(x: Expression) -> bool:
    """Whether a term is printed with a minus sign."""
    while isinstance(x, Apply) and x.operation == "mul":
        x = x.operands[0]
    return isinstance(x, Number) and x.value < 0
