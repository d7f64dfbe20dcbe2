"""When the contents of scratch memory are needed, and who may follow whom in the same memory.

A run is once, then step and update again and again.  Within it, time goes from statement to
statement; inside a loop over tiles too, because what a tile leaves is of no use to the next one.
Where several threads run the kernel, it goes from barrier to barrier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import (
    THREAD,
    Alone,
    Axis,
    Barrier,
    Buffer,
    Call,
    Collect,
    Comment,
    Distinct,
    Kernel,
    Loop,
    Number,
    Product,
    Statement,
    Store,
    targets,
)
from symgrad.lower.owners import OWN, touches

SET, USED = "set", "used"  # nothing that was there before is needed; something may be
Event = tuple[Buffer, str]


def events(s: Statement) -> Iterator[Event]:
    """What a statement does to memory, in the order in which it does it."""
    if isinstance(s, Comment | Barrier):
        return
    if isinstance(s, Alone):
        yield from chain.from_iterable(map(events, s.body))
        return
    work = s.work if isinstance(s, Call) else None
    yield from ((b.home, USED) for b, _ in accesses(s) if b is not work)
    if isinstance(s, Loop):
        yield from chain.from_iterable(map(events, s.body))
        return
    for number, b in enumerate(targets(s)):
        yield b.home, SET if number == 0 and _sets(s) else USED
    if work:
        yield work.home, SET


def _sets(s: Statement) -> bool:
    """Whether what a statement writes to is of no use before."""
    if isinstance(s, Store | Distinct):
        atoms = [atom for i in s.index for atom, _ in i.terms]
        return all(isinstance(a, Axis) or a == THREAD for a in atoms)
    if isinstance(s, Product):
        return isinstance(s.beta, Number) and s.beta.value == 0
    return isinstance(s, Call | Collect)


def is_tiles(s: Statement) -> bool:
    """Whether a statement is a loop over tiles of samples, whose body is a time of its own."""
    return isinstance(s, Loop) and s.axis.step > 1


@dataclass(frozen=True, slots=True)
class Life:
    """From the first to the last time at which a buffer's contents count.

    own:  the same times, counted by one thread for itself, where each has memory of its own that
          lies as `shape` says
    """

    span: tuple[int, int]
    own: tuple[int, int] = (0, 0)
    shape: tuple[int, ...] = ()

    def apart(self, other: Life) -> bool:
        """Whether one ends before the other begins.

        >>> Life((0, 2)).apart(Life((3, 4))), Life((0, 2)).apart(Life((2, 4)))
        (True, False)
        """
        if self.shape and self.shape == other.shape:
            return _apart(self.own, other.own)
        return _apart(self.span, other.span)


def _apart(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[1] < b[0] or b[1] < a[0]


@dataclass
class _Trace:
    """A kernel's events with their times.

    rounds: stretches of time that are gone through again and again, inner ones first
    phases: the stretch between two barriers that a time belongs to
    """

    events: list[tuple[int, Event]] = field(default_factory=list)
    rounds: list[tuple[int, int]] = field(default_factory=list)
    phases: dict[int, tuple[int, int]] = field(default_factory=dict)
    now: int = 0

    def section(self, body: Iterable[Statement]) -> None:
        begin = self.now
        for s in body:
            self._statement(s)
            if isinstance(s, Barrier):
                self._end(begin)
                begin = self.now
        self._end(begin)

    def _end(self, begin: int) -> None:
        self.phases.update((t, (begin, self.now - 1)) for t in range(begin, self.now))

    def _statement(self, s: Statement) -> None:
        begin = self.now
        if isinstance(s, Loop) and is_tiles(s):
            self.events += [(begin, (b.home, USED)) for b, _ in accesses(s)]
            self.now += 1
            for t in s.body:
                self._statement(t)
            self.rounds.append((begin, self.now - 1))
            return
        self.events += [(begin, event) for event in events(s)]
        self.now += 1


def lives(kernel: Kernel) -> dict[Buffer, Life]:
    """The life of every scratch array."""
    trace = _Trace()
    trace.section(kernel.once)
    begin = trace.now
    for section in kernel.sections[1:]:
        trace.section(section)
    trace.rounds.append((begin, trace.now - 1))
    kept = [(t, b, how) for t, (b, how) in trace.events if b.role == "scratch" and b.shape]
    spans: dict[Buffer, tuple[int, int]] = {}
    for t, b, _ in kept:
        spans[b] = (spans.get(b, (t, t))[0], t)
    for first, last in trace.rounds:
        started: dict[Buffer, str] = {}
        for t, b, how in kept:
            if first <= t <= last:
                started.setdefault(b, how)
        for b, how in started.items():
            begins, ends = spans[b]
            if how == USED or begins < first or ends > last:
                spans[b] = (min(begins, first), max(ends, last))
    if kernel.threads == 1:
        return {b: Life(span) for b, span in spans.items()}
    own, phases = owned(kernel), trace.phases
    return {
        b: Life((phases[first][0], phases[last][1]), (first, last), b.shape if b in own else ())
        for b, (first, last) in spans.items()
    }


def owned(kernel: Kernel) -> set[Buffer]:
    """Memory of which every thread touches its own part, and only in one statement."""
    found: dict[Buffer, Statement] = {}
    others: set[Buffer] = set()
    for s in chain.from_iterable(kernel.sections):
        for t in touches(s, kernel.batch_size):
            if t.owner != OWN or found.setdefault(t.buffer, s) is not s:
                others.add(t.buffer)
    return set(found) - others
