"""Expressions of the loop IR as LLVM assembly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symgrad.generate.ir_apply import applied, called
from symgrad.generate.ir_inverse import inverse
from symgrad.generate.ir_memory import Memory
from symgrad.generate.ir_text import Lines, Value, constant
from symgrad.generate.powers import (
    HALVES,
    MOST_MULTIPLIED,
    WHOLE,
    by_squaring,
    exponent_of,
    is_inverse,
    name,
)
from symgrad.lower.kernel import Apply, Expression, Load, Number, Whole
from symgrad.lower.nodes import MANY

CHAINS = 4  # of a long sum
MOST_JOINED = 4  # products that join a total one by one: each waits for the one before


class Expressions:
    """Writes what an expression computes; its result is a value.

    estimated: by dtype, whether the next division of lanes is done by an estimate
    """

    def __init__(self, lines: Lines, memory: Memory) -> None:
        self.lines, self.memory = lines, memory
        self.estimated: Mapping[str, Iterator[bool]] = {}
        memory.value = self.value  # indices hold expressions

    def value(self, x: Expression) -> Value:
        if isinstance(x, Number):
            return constant(x.value, x.dtype)
        if isinstance(x, Load):
            return self.memory.read(x.buffer, x.index)
        if isinstance(x, Whole):
            return self.memory.index(x.index)
        rule = RULES.get(x.operation)
        if rule is not None:
            return rule(self, x)
        if x.operation in ("floor", "ceiling") and x.dtype == "int64":
            return self.value(x.operands[0])
        return self.apply(x.operation, [self.value(y) for y in x.operands], x.dtype)

    def apply(self, operation: str, operands: Sequence[Value], dtype: str) -> Value:
        return applied(self.lines, operation, operands, dtype)

    # ---- operations with rules of their own

    def sum(self, x: Apply) -> Value:
        """Terms with a negative sign are subtracted; many are added up in several chains, as each
        term of a chain waits for the one before."""
        terms = sorted(x.operands, key=_is_negative)
        if len(terms) < MANY:
            return self._chain(terms, "add", "sub")
        chains = [self._chain(terms[k::CHAINS], "plus", "minus") for k in range(CHAINS)]
        while len(chains) > 1:
            pairs = zip(chains[::2], chains[1::2], strict=True)
            chains = [self.apply("plus", pair, x.dtype) for pair in pairs]
        return chains[0]

    def _chain(self, terms: Sequence[Expression], plus: str, minus: str) -> Value:
        return self._joined(self.value(terms[0]), terms[1:], plus, minus)

    def _joined(self, total: Value, terms: Sequence[Expression], plus: str, minus: str) -> Value:
        dtype = total.dtype
        for y in terms:
            if isinstance(y, Apply) and _is_negative(y):
                total = self.apply(minus, [total, self._factors(y.operands[1:], dtype)], dtype)
            else:
                total = self.apply(plus, [total, self.value(y)], dtype)
        return total

    def added(self, total: Value, x: Expression) -> Value:
        """total + x: a few products join the total one by one, each by a multiply-add."""
        terms = x.operands if isinstance(x, Apply) and x.operation == "add" else (x,)
        products = sorted(filter(_is_product, terms), key=_is_negative)
        if not 0 < len(products) <= MOST_JOINED or len(terms) >= MANY:
            return self.apply("plus", [total, self.value(x)], total.dtype)
        others = [y for y in terms if not _is_product(y)]
        if others:
            rest = self._chain(others, "add", "sub")
            total = self.apply("plus", [total, rest], total.dtype)
        return self._joined(total, products, "plus", "minus")

    def product(self, x: Apply) -> Value:
        if _is_negative(x):
            return self.apply("neg", [self._factors(x.operands[1:], x.dtype)], x.dtype)
        return self._factors(x.operands, x.dtype)

    def _factors(self, factors: Sequence[Expression], dtype: str) -> Value:
        """Their product; factors of negative power divide."""
        above = [self.value(f) for f in factors if not is_inverse(f)]
        result = self.apply("mul", above, dtype) if above else constant(1, dtype)
        for f in factors:
            if is_inverse(f):
                result = self._divided(result, f)
        return result

    def _divided(self, x: Value, f: Any) -> Value:
        """x times a factor of negative power."""
        below = self._raised(f, -exponent_of(f))
        if exponent_of(f) != -1 or below.lanes == 1 or not next(self._estimated(f.dtype), False):
            return self.apply("div", [x, below], f.dtype)
        found = inverse(self.lines, below)
        return found if _is_one(x) else self.apply("mul", [x, found], f.dtype)

    def _estimated(self, dtype: str) -> Iterator[bool]:
        return self.estimated.get(dtype, iter(()))

    def power(self, x: Apply) -> Value:
        if is_inverse(x):
            return self._factors([x], x.dtype)
        return self._raised(x, exponent_of(x))

    def _raised(self, x: Any, k: Any) -> Value:
        """The base of a power, to the power k, or to its own exponent where that is no number."""
        base = self.value(x.operands[0])
        if k in HALVES:
            root = self.apply("sqrt", [base], x.dtype)
            whole = int(k)
            rest = [self._multiplied(base, whole)] if whole else []
            return self.apply("mul", [*rest, root], x.dtype)
        if k in WHOLE:
            return called(self.lines, name(k), [base], x.dtype)
        if isinstance(k, int) and 0 < k <= MOST_MULTIPLIED:
            return self._multiplied(base, k)
        exponent = self.value(x.operands[1]) if k is None else constant(k, x.dtype)
        return self.apply("raised", [base, exponent], x.dtype)

    def _multiplied(self, x: Value, k: int) -> Value:
        def times(a: Value, b: Value) -> Value:
            return (
                self.apply("square", [a], a.dtype) if a is b else self.apply("mul", [a, b], a.dtype)
            )

        return by_squaring(x, k, times)

    def extreme(self, x: Apply) -> Value:
        """Constants first: they are never NaN, which saves instructions."""
        given = (*x.operands, Number(0, x.dtype)) if x.operation == "relu" else x.operands
        operands = sorted(given, key=lambda y: not isinstance(y, Number))
        result = self.value(operands[-1])
        for y in reversed(operands[:-1]):
            pair = [self.value(y), result]
            result = self.apply("max" if x.operation == "relu" else x.operation, pair, x.dtype)
        return result

    def select(self, x: Apply) -> Value:
        condition, a, b = self.lines.together(*map(self.value, x.operands))
        code = f"select {condition.typed}, {a.typed}, {b.typed}"
        return self.lines.value(code, x.dtype, a.lanes)

    def cast(self, x: Apply) -> Value:
        return self.lines.cast(self.value(x.operands[0]), x.dtype)

    def position(self, x: Apply) -> Value:
        (at,) = x.operands
        return self.memory.position(at)

    def clamp(self, x: Apply) -> Value:
        at, size = map(self.value, x.operands)
        return self.memory.clamp(at, size)


RULES = {
    "add": Expressions.sum, "mul": Expressions.product, "pow": Expressions.power,
    "max": Expressions.extreme, "min": Expressions.extreme, "relu": Expressions.extreme,
    "select": Expressions.select, "cast": Expressions.cast, "position": Expressions.position,
    "clamp": Expressions.clamp,
}  # fmt: skip


def _is_negative(x: Expression) -> bool:
    """Whether it is a product by -1."""
    if not isinstance(x, Apply) or x.operation != "mul" or len(x.operands) < 2:
        return False
    first = x.operands[0]
    return isinstance(first, Number) and first.value == -1


def _is_one(x: Value) -> bool:
    return x.text == constant(1, x.dtype).text


def _is_product(x: Expression) -> bool:
    """Whether a multiplication makes it."""
    if not isinstance(x, Apply):
        return False
    return x.operation == "mul" or (x.operation == "pow" and exponent_of(x) == 2)
