"""Expressions that are needed more than once get a local variable, outside every loop that can be.

What does not change in a loop moves in front of it; what occurs twice is computed once; and an
expression too deep to read is cut.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable

from symgrad.lower.expressions import children, rebuilt, restated, roots
from symgrad.lower.index import Index, Quotient, Remainder
from symgrad.lower.kernel import (
    Axis,
    Buffer,
    Counter,
    Expression,
    Load,
    Loop,
    Number,
    Statement,
    Store,
    Whole,
    statements,
    targets,
)  # fmt: skip

DEEPEST = 8  # levels of operations in one printed expression


class Place:
    """A list of statements: a loop's body, a section that runs at every step, or the run's start.

    stored:  the buffers that change while it runs again and again
    """

    def __init__(self, outer: Place | None = None, stored: set[Buffer] | None = None,
                 axis: Axis | None = None) -> None:  # fmt: skip
        self.outer, self.stored, self.axis = outer, stored or set(), axis
        self.out: list[Statement] = []
        self.count: collections.Counter[Expression] = collections.Counter()
        self.moved: set[Expression] = set()  # used from an inner place
        self.homes: dict[Expression, Place] = {}
        self.built: dict[Expression, Expression] = {}
        self.height: dict[Expression, int] = {}

    def varies(self, x: Expression) -> bool:
        """Whether x itself, apart from its operands, may change from one time to the next."""
        if isinstance(x, Load) and x.buffer.role == "batch_size":
            return self.axis is None
        if isinstance(x, Load):
            return x.buffer.home in self.stored or any(map(self._uses, x.index))
        return isinstance(x, Whole) and self._uses(x.index)

    def _uses(self, index: Index) -> bool:
        return any(
            self._uses(a.index)
            if isinstance(a, Quotient | Remainder)
            else a is self.axis or (self.axis is None and isinstance(a, Counter))
            for a, _ in index.terms
        )

    def home(self, x: Expression) -> Place:
        """The outermost place where x can be computed; its operands' homes are known."""
        if x not in self.homes:
            deepest = [self.homes[c] for c in children(x)]
            place = self
            while place.outer and place not in deepest and not place.varies(x):
                place = place.outer
            self.homes[x] = place
        return self.homes[x]


class _Sharing:
    """Rewrites the sections of a kernel together: what never changes moves to the run's start."""

    def __init__(self, once: list[Statement], repeated: list[list[Statement]]) -> None:
        self.top = Place()
        self.places: dict[Loop, Place] = {}
        changing = stored(s for section in repeated for s in section)
        self.sections = [Place(self.top, changing) for _ in repeated]
        pairs = [(once, self.top), *zip(repeated, self.sections, strict=True)]
        for section, place in pairs:
            self._count(section, place)
        for section, place in pairs:
            self._emit(section, place)

    def _count(self, body: Iterable[Statement], place: Place) -> None:
        for s in body:
            for x in roots(s):
                _locate(x, place)
                self._use(x, place)
            if isinstance(s, Loop):
                self.places[s] = Place(place, stored(s.body), s.axis)
                self._count(s.body, self.places[s])

    def _use(self, root: Expression, user: Place) -> None:
        stack = [(root, user)]
        while stack:
            x, place = stack.pop()
            home = user.homes[x]
            home.count[x] += 1
            if home is not place:
                home.moved.add(x)
            if home.count[x] == 1:
                stack.extend((c, home) for c in children(x))

    def _emit(self, body: Iterable[Statement], place: Place) -> None:
        for s in body:
            known = {x: self._build(x, place) for x in roots(s)}
            if isinstance(s, Loop):
                inner = self.places[s]
                self._emit(s.body, inner)
                place.out.append(s.over(inner.out, known))
            else:
                place.out.append(restated(s, known))

    def _build(self, root: Expression, user: Place) -> Expression:
        """The expression over local variables, which are set on the way where they are new."""
        stack = [root]
        while stack:
            x = stack[-1]
            home = user.homes[x]
            if x not in home.built:
                missing = [c for c in children(x) if c not in user.homes[c].built]
                if missing:
                    stack.extend(missing)
                    continue
                self._finish(x, home, user)
            stack.pop()
        return user.homes[root].built[root]

    def _finish(self, x: Expression, home: Place, user: Place) -> None:
        inner = list(children(x))
        known = {c: user.homes[c].built[c] for c in inner}
        new = rebuilt(x, known)
        height = 1 + max((user.homes[c].height[c] for c in inner), default=0)
        if self._deserves_name(x, home, height):
            local = Buffer("scratch", "", (), x.dtype)
            home.out.append(Store(local, (), new))
            new, height = Load(local, (), x.dtype, getattr(x, "bound", 0)), 0
        home.built[x], home.height[x] = new, height

    def _deserves_name(self, x: Expression, home: Place, height: int) -> bool:
        if isinstance(x, Number | Whole) or (isinstance(x, Load) and x.buffer.is_local):
            return False
        return x in home.moved or home.count[x] > 1 or height > DEEPEST


def _locate(root: Expression, place: Place) -> None:
    """Find the home of an expression and of all its parts, operands first."""
    stack = [root]
    while stack:
        x = stack[-1]
        if x not in place.homes:
            missing = [c for c in children(x) if c not in place.homes]
            if missing:
                stack.extend(missing)
                continue
            place.home(x)
        stack.pop()


def stored(body: Iterable[Statement]) -> set[Buffer]:
    """The buffers that statements change; the number of samples changes with the mini-batch."""
    found: set[Buffer] = set()
    for s in statements(tuple(body)):
        found.update(b.home for b in targets(s))
    return found


def shared(
    once: list[Statement], repeated: list[list[Statement]]
) -> tuple[list[Statement], list[list[Statement]]]:
    """The statements of a run's start and of its repeated sections, with shared expressions."""
    result = _Sharing(once, repeated)
    return result.top.out, [place.out for place in result.sections]
