"""Four samples at a time where every sample adds to the same few elements.

    for b in range(n):                        for b in range(0, n // 4 * 4, 4):
        for j in range(16):                       for j in range(16):
            z[b * 16 + j] = ...                       z[b * 16 + j] = ...
            total[j] += z[b * 16 + j]      ->         z[b * 16 + j + 16] = ...
                                                      ...
                                                      total[j] += z[b * 16 + j] + z[...] + ...
                                              for b in range(n // 4 * 4, n): one by one

A few elements are one vector or some, and each sample's addition waits until the one before has
come back from memory: about ten cycles, in which four samples are done as well as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from symgrad.lower import index as ix
from symgrad.lower.expressions import Rewriting, accesses
from symgrad.lower.index import Index, Quotient, Remainder
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Apply,
    Axis,
    Buffer,
    Load,
    Loop,
    Statement,
    Store,
    Update,
    statements,
)

TOGETHER = 4
NARROW = 256  # bytes of a sum in a row: as much as stays in registers beside its terms
MOST = 8  # statements that are worth writing four times


def jams(s: Loop) -> bool:
    """Whether four turns of a loop over samples may, and should, be made together."""
    inner = [t for t in s.body if isinstance(t, Loop)]
    plain = [t for t in statements(s.body) if not isinstance(t, Loop)]
    sampled = s.axis.extent is None and s.axis.step == 1 and s.start is None
    if not sampled or not inner or s.axis.limit < 2 * TOGETHER:
        return False
    if len(plain) > MOST or not all(isinstance(t, Store | Update) for t in plain):
        return False
    return (
        all(isinstance(loop.axis.extent, int) and not loop.bounds for loop in inner)
        and all(isinstance(t, Store | Update) for loop in inner for t in loop.body)
        and any(_is_narrow(loop, s.axis) for loop in inner)
        and _is_apart(s)
    )


def _is_narrow(loop: Loop, axis: Axis) -> bool:
    sums = [t.buffer for t in loop.body if isinstance(t, Update) and _is_still(t, axis)]
    widths = [ITEM_BYTES[b.dtype] * loop.axis.limit for b in sums if not b.is_local]
    return bool(widths) and max(widths) <= NARROW


def _is_still(s: Update, axis: Axis) -> bool:
    """Whether it adds to an element that is the same for all samples."""
    atoms = [a for i in s.index for a, _ in i.terms]
    return s.combine == "add" and all(isinstance(a, Axis) and a is not axis for a in atoms)


def _is_apart(s: Loop) -> bool:
    """Whether a sample finds nothing that another one has left, but for sums that nobody reads."""
    own = _set_within(s)
    read = [(b.home, index) for t in statements((s,)) for b, index in accesses(t)]
    for t in statements(s.body):
        if not isinstance(t, Store | Update) or t.buffer.home in own:
            continue
        uses = [index for b, index in read if b is t.buffer.home]
        if isinstance(t, Update) and _is_still(t, s.axis):
            if uses:
                return False
        elif not any(_moves(i, s.axis) for i in t.index) or any(i != t.index for i in uses):
            return False
    return True


def _moves(i: Index, axis: Axis) -> bool:
    """Whether an index is another one for every sample."""
    return any(a is axis for a, _ in i.terms) and not any(
        isinstance(a, Load | Apply | Quotient | Remainder) for a, _ in i.terms
    )


def _set_within(s: Loop) -> set[Buffer]:
    """Variables that every turn sets before it uses them."""
    first: dict[Buffer, bool] = {}
    for t in statements(s.body):
        for b, _ in accesses(t):
            first.setdefault(b.home, False)
        if isinstance(t, Store | Update) and t.buffer.is_local:
            first.setdefault(t.buffer.home, isinstance(t, Store))
    return {b for b, sets in first.items() if sets}


def jammed(s: Loop) -> tuple[Statement, ...]:
    """The body of a loop that makes four turns at a time."""
    own = _set_within(s)
    turns = [_turn(s.axis, k, own) for k in range(TOGETHER)]
    return tuple(_together(s.body, turns, s.axis))


def _together(body: Iterable[Statement], turns: list[Rewriting], axis: Axis) -> Iterator[Statement]:
    for t in body:
        if isinstance(t, Loop):
            yield t.over(_together(t.body, turns, axis))
            continue
        made = [turn.statement(t) for turn in turns]
        if isinstance(t, Update) and _is_still(t, axis) and made[0].buffer is made[1].buffer:
            total = Apply("add", tuple(x.value for x in made), t.value.dtype)
            made = [Update(t.buffer, t.index, "add", total)]
        yield from made


def _turn(axis: Axis, further: int, own: Iterable[Buffer]) -> Rewriting:
    """What becomes of statements some turns further on, with variables of its own."""
    mine = {b: Buffer(b.role, b.label, (), b.dtype) for b in own} if further else {}
    axes = {axis: ix.linear([(ix.of(axis), 1)], further)}
    return Rewriting(lambda buffer, index: (mine.get(buffer, buffer), index), axes)
