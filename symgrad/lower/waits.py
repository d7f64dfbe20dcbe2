"""Where one sample is a step, what is known first comes first in sums and products.

    e = w*x + b - y           e = (b - y) + w*x
    w = w - lr*(2*e*x)        w = w - ((lr*2)*x)*e
    b = b - lr*(2*e)          b = b - (lr*2)*e

A step waits for the parameters that the step before it made, and hardly for anything else: the
fewer operations lie between those and the new ones, the sooner the next step begins.
"""

from __future__ import annotations

from collections import Counter as Tally
from typing import Any

from symgrad.calculus.magnitude import is_moderate
from symgrad.lower.expressions import Rewriting, children, content, roots, walk
from symgrad.lower.index import Quotient, Remainder
from symgrad.lower.kernel import (
    Apply,
    Axis,
    Buffer,
    Counter,
    Expression,
    Load,
    Number,
    Statement,
    Store,
    Whole,
    statements,
)
from symgrad.lower.share import stored

LONGEST = 8  # operands of a sum or product that are put in order

Time = tuple[int, int]  # what is waited for, and the operations that follow it
INVARIANT, OWN, LATE = (0, 0), (1, 0), (2, 0)  # known for the run; of this sample; of the last step


def known_first(section: list[Statement]) -> list[Statement]:
    """The statements of a step, their sums and products in the order in which parts are known."""
    order = _Order(section)
    rewriting = Rewriting(made=order.expression, done=order.statement)
    return [rewriting.statement(s) for s in section]


class _Order:
    """Puts operands in order.

    inner: new expressions that change within a step, with the position in a loop
    parts: of the new sums and products, their operands in order
    """

    def __init__(self, section: list[Statement]) -> None:
        self.changing = stored(section)
        self.variables: dict[Buffer, Time] = {}
        self.times: dict[Any, Time] = {}
        self.inner: set[Any] = set()
        self.parts: dict[Any, list[Expression]] = {}
        self.made: dict[Any, Any] = {}
        every = [x for s in statements(tuple(section)) for x in roots(s)]
        self.uses = Tally([*every, *(c for x in walk(every) for c in children(x))])

    def statement(self, s: Statement) -> Statement:
        """A new statement, whose variable is known from now on when its value is."""
        if isinstance(s, Store) and s.buffer.is_local:
            self.variables[s.buffer.home] = self.times[s.value]
        return s

    def expression(self, x: Any, new: Any) -> Any:
        """What becomes of x, which is `new` over its new operands."""
        new = self._one(new)
        is_float = isinstance(x, Apply) and x.dtype.startswith("float")
        if is_float and x.operation in ("add", "mul") and new not in self.inner:
            return self._in_order(x, new)
        return new

    def _in_order(self, x: Apply, new: Apply) -> Expression:
        pairs = zip(x.operands, new.operands, strict=True)
        parts = [p for c, y in pairs for p in self._parts_of(c, y, x)]
        if len(parts) > LONGEST or not all(map(_may_move, parts)):
            return new
        parts.sort(key=self.times.__getitem__)
        known = [p for p in parts if self.times[p] == INVARIANT]
        if 1 < len(known) < len(parts):
            parts = [self._one(Apply(x.operation, tuple(known), x.dtype)), *parts[len(known) :]]
        result = self._one(Apply(x.operation, tuple(parts), x.dtype, x.bound))
        self.parts[result] = parts
        return result

    def _parts_of(self, c: Expression, new: Expression, x: Apply) -> list[Expression]:
        """The new operand for x's operand c, or what it is made of where x alone needs it, or
        making it is free."""
        parts = self.parts.get(new, [])
        same = isinstance(new, Apply) and (new.operation, new.dtype) == (x.operation, x.dtype)
        free = len([p for p in parts if self.times[p] != INVARIANT]) == 1
        return parts if parts and same and (free or self.uses[c] == 1) else [new]

    def _one(self, x: Any) -> Any:
        """The one object of this content, its time known."""
        x = self.made.setdefault(content(x), x)
        if x not in self.times:
            inside = children(x)
            self.times[x] = self._time(x, max((self.times[c] for c in inside), default=INVARIANT))
            if _is_inner(x) or any(c in self.inner for c in inside):
                self.inner.add(x)
        return x

    def _time(self, x: Any, inside: Time) -> Time:
        """When x is known, where the last of its operands is known at `inside`."""
        if isinstance(x, Load) and x.buffer.is_local and x.buffer.home in self.variables:
            return self.variables[x.buffer.home]
        if isinstance(x, Load) and x.buffer.home in self.changing:
            return LATE
        if isinstance(x, Load | Whole) and (inside > INVARIANT or _counts(x)):
            return max(inside, OWN)
        late = isinstance(x, Apply) and inside >= LATE
        return (inside[0], inside[1] + 1) if late else inside


def _may_move(x: Expression) -> bool:
    return not isinstance(x, Number) or is_moderate(x.value)


def _atoms(x: Any) -> list[Any]:
    """The loop variables and counters in the index of a load, or in an index as a value."""
    indices = x.index if isinstance(x, Load) else (x.index,) if isinstance(x, Whole) else ()
    return [b for i in indices for a, _ in i.terms for b in _within(a)]


def _within(atom: Any) -> list[Any]:
    if isinstance(atom, Quotient | Remainder):
        return [b for a, _ in atom.index.terms for b in _within(a)]
    return [atom]


def _is_inner(x: Any) -> bool:
    return any(isinstance(a, Axis) for a in _atoms(x))


def _counts(x: Any) -> bool:
    return any(isinstance(a, Counter) for a in _atoms(x))
