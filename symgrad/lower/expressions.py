"""Walks over expressions: what they read, and the same expression over other memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from symgrad.lower import index as ix
from symgrad.lower.index import Index
from symgrad.lower.kernel import (
    Apply,
    Axis,
    Buffer,
    Call,
    Collect,
    Distinct,
    Expression,
    Load,
    Loop,
    Matrix,
    Number,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
    Whole,
)  # fmt: skip

At = tuple[Index, ...]
Access = tuple[Buffer, At | None]  # None: the whole buffer
Place = Callable[[Buffer, At], tuple[Buffer, At]]
INSIDE = Load, Apply, ix.Quotient, ix.Remainder  # the atoms of an index that hold something


def walk(expressions: Iterable[Any]) -> Iterable[Any]:
    """Every part of expressions, those inside indices included, each once."""
    seen: dict[Any, None] = {}
    stack: list[Any] = list(expressions)[::-1]
    while stack:
        x = stack.pop()
        if x not in seen:
            seen[x] = None
            stack.extend(children(x))
    return seen


def loads(*expressions: Any) -> list[Load]:
    """Every access in expressions."""
    return [x for x in walk(expressions) if type(x) is Load]


def children(x: Any) -> Sequence[Any]:
    """The expressions directly inside an expression or index."""
    kind = type(x)  # this is asked millions of times in a large program
    if kind is Apply:
        return x.operands
    if kind is Load:
        return [c for i in x.index if i.terms for c in _inside(i)] if x.index else ()
    if kind is Number:
        return ()
    if kind is Whole:
        return children(x.index)
    return _inside(x) if kind is Index and x.terms else ()


def _inside(i: Index) -> list[Any]:
    """The expressions that an index is made of."""
    found: list[Any] = []
    for atom, _ in i.terms:
        if isinstance(atom, Load | Apply):
            found.append(atom)
        elif isinstance(atom, ix.Quotient | ix.Remainder):
            found.extend(children(atom.index))
    return found


@lru_cache(2**16)
def accesses(statement: Statement) -> tuple[Access, ...]:
    """What a statement itself reads, a loop for its bounds; not what an update adds to.

    Every stage asks for it, of thousands of statements in large programs.
    """
    return tuple(_accesses(statement))


def _accesses(statement: Statement) -> list[Access]:
    if isinstance(statement, Loop):
        return [(x.buffer, x.index) for x in loads(*statement.bounds)]
    if isinstance(statement, Store | Update):
        inside = [i for i in statement.index if i.terms]
        return [(x.buffer, x.index) for x in loads(statement.value, *inside)]
    if isinstance(statement, Product):
        whole: list[Access] = [(m.buffer, None) for m in (statement.a, statement.b)]
        return whole + [(x.buffer, None) for x in loads(statement.beta, *roots(statement))]
    if isinstance(statement, Call):
        return [(b, None) for b in (*(s.buffer for s in statement.operands), statement.work)]
    if isinstance(statement, Prefetch):
        return [(x.buffer, x.index) for x in loads(statement.offset)]
    if isinstance(statement, Distinct):
        return [(x.buffer, x.index) for x in loads(statement.row, *statement.index)]
    assert isinstance(statement, Collect)
    return [(statement.data, None), *((x.buffer, None) for x in loads(*roots(statement)))]


def roots(statement: Statement) -> list[Expression]:
    """The expressions that a statement evaluates itself, those inside its indices included."""
    if isinstance(statement, Store | Update):
        return [statement.value, *(e for i in statement.index for e in children(i))]
    if isinstance(statement, Product):
        offsets = [m.offset for m in (statement.a, statement.b, statement.c)]
        more = () if statement.samples is None else (statement.samples,)
        return [statement.alpha, statement.beta, *more, *(e for o in offsets for e in children(o))]
    if isinstance(statement, Collect):
        return [] if statement.samples is None else [statement.samples]
    if isinstance(statement, Prefetch):
        return list(children(statement.offset))
    if isinstance(statement, Distinct):
        return [statement.row, *(e for i in statement.index for e in children(i))]
    return list(statement.bounds) if isinstance(statement, Loop) else []


# ---- rewriting


def bottom_up(root: Any, known: dict[Any, Any], made: Callable[[Any], Any]) -> Any:
    """What is `made` of an expression, and of each part before it, once: `known` keeps them."""
    stack = [root]
    while stack:
        x = stack[-1]
        if x not in known:
            missing = [c for c in children(x) if c not in known]
            if missing:
                stack.extend(missing)
                continue
            known[x] = made(x)
        stack.pop()
    return known[root]


def as_it_is(buffer: Buffer, index: At) -> tuple[Buffer, At]:
    return buffer, index


def content(x: Expression) -> tuple:
    """What makes two expressions equal, given that their children are shared."""
    if isinstance(x, Load):
        return (Load, x.buffer, x.index)
    if isinstance(x, Apply):
        return (Apply, x.operation, x.operands, x.dtype)
    if isinstance(x, Whole):
        return (Whole, x.index)
    return (x,)


def rebuilt(x: Any, known: Mapping[Any, Any], place: Place = as_it_is) -> Any:
    """An expression over the new ones of its children, in the memory that `place` gives."""
    if isinstance(x, Load):
        buffer, index = place(x.buffer, tuple(reindexed(i, known) for i in x.index))
        same = buffer is x.buffer and index == x.index
        return x if same else Load(buffer, index, x.dtype, x.bound)
    if isinstance(x, Apply):
        operands = tuple(known[c] for c in x.operands)
        same = all(a is b for a, b in zip(operands, x.operands, strict=True))
        return x if same else Apply(x.operation, operands, x.dtype, x.bound)
    if isinstance(x, Whole):
        whole = reindexed(x.index, known)
        return x if whole == x.index else Whole(whole)
    return x


def reindexed(i: Index, known: Mapping[Any, Any]) -> Index:
    """An index over new expressions, and over the indices that `known` has for loops' axes."""
    if not any(isinstance(a, INSIDE) or a in known for a, _ in i.terms):
        return i
    return ix.linear([(_atom(a, known), k) for a, k in i.terms], i.constant)


def _atom(atom: Any, known: Mapping[Any, Any]) -> Index:
    if isinstance(atom, ix.Quotient | ix.Remainder):
        return ix.of(type(atom)(reindexed(atom.index, known), atom.divisor))
    new = known[atom] if isinstance(atom, Load | Apply) else known.get(atom, atom)
    return new if isinstance(new, Index) else ix.of(new)


def restated(s: Statement, known: Mapping[Any, Any], place: Place = as_it_is) -> Statement:
    """A statement other than a loop over new expressions, which `known` holds."""
    if isinstance(s, Store | Update):
        buffer, index = place(s.buffer, tuple(reindexed(i, known) for i in s.index))
        if isinstance(s, Store):
            return Store(buffer, index, known[s.value])
        return Update(buffer, index, s.combine, known[s.value])
    if isinstance(s, Prefetch):
        return Prefetch(s.buffer, reindexed(s.offset, known))
    if isinstance(s, Distinct):
        buffer, index = place(s.buffer, tuple(reindexed(i, known) for i in s.index))
        return Distinct(buffer, index, known[s.row], s.found)
    if isinstance(s, Product):
        c, a, b = (_moved(m, known) for m in (s.c, s.a, s.b))
        samples = s.samples and known[s.samples]
        factors = {"alpha": known[s.alpha], "beta": known[s.beta]}
        return replace(s, c=c, a=a, b=b, samples=samples, **factors)
    if isinstance(s, Collect) and s.samples is not None:
        return replace(s, samples=known[s.samples])
    return s


def _moved(m: Matrix, known: Mapping[Any, Any]) -> Matrix:
    return Matrix(m.buffer, reindexed(m.offset, known), m.transposed, m.leading, m.collected)


class Rewriting:
    """Statements over other expressions, memory or axes; what is one expression stays one.

    place: a buffer and an index in it -> where that is now
    axes:  an axis -> the index that it becomes
    made:  what becomes of an old expression, and of the same over its new parts
    done:  what becomes of a new statement that is no loop
    """

    def __init__(
        self, place: Place = as_it_is, axes: Mapping[Axis, Index] = MappingProxyType({}),
        made: Callable[[Any, Any], Any] = lambda old, new: new,
        done: Callable[[Any], Any] = lambda s: s,
    ) -> None:  # fmt: skip
        self.place, self.made, self.done = place, made, done
        self.known: dict[Any, Any] = dict(axes)

    def expression(self, root: Any) -> Any:
        return bottom_up(root, self.known, self._made)

    def _made(self, x: Any) -> Any:
        return self.made(x, rebuilt(x, self.known, self.place))

    def statement(self, s: Any) -> Any:
        for x in roots(s):
            self.expression(x)
        if isinstance(s, Loop):
            return s.over(map(self.statement, s.body), self.known)
        return self.done(restated(s, self.known, self.place))
