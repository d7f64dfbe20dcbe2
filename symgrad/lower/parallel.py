"""Kernel -> Kernel: its work shared among threads, where that pays.

All threads run the whole kernel, each its share of it.  Local variables have the same value in all
of them; memory belongs, statement by statement, to the thread whose share it is in (see `owners`).
Statements stand in phases with barriers between them: one that touches what another thread has
written, or is still to read, stands in a later phase.  Of the ways to share each statement those
are taken that make the step shortest, by the model of `thread_costs`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from symgrad.lower.kernel import (
    Alone,
    Barrier,
    Buffer,
    Comment,
    Kernel,
    Number,
    Statement,
    Store,
)
from symgrad.lower.owners import Stretch, touches
from symgrad.lower.processor import Processor
from symgrad.lower.sharing import Surroundings, Way, local_reads, local_writes, ways
from symgrad.lower.thread_costs import BARRIER, START, Team, cycles
from symgrad.lower.timeline import Timeline

GAIN = 0.75  # of the time of one thread that several may need
SWEEPS = 4  # over all statements, each time trying their other ways
TRIALS = 20_000  # of statements at most, in all sweeps together
SHORTEST = 4 * BARRIER  # a step that is no longer is not looked at
# Of 672 kernels, networks and the corpus among them, other ways took a third away at most.
HOPELESS = 2.0  # times what several threads may take: no other ways are tried


def parallel(kernel: Kernel, threads: int, processor: Processor | None = None) -> Kernel:
    """The kernel for up to so many threads, or as it is where one is as fast.

    A kernel that trains is thought to make many steps in a run, any other one.
    """
    core = processor or Processor()
    one = Team(1, kernel.batch_size, core)
    alone = sum(cycles(s, one) for s in (*kernel.step, *(kernel.update or ())))
    start = 0.0 if kernel.written else START
    found: list[Shared] = []
    while threads > 1 and alone * (1 - 1 / threads) > SHORTEST + start:
        found.append(Shared(kernel, threads, core, HOPELESS * GAIN * alone))
        threads //= 2
    best = min(found, key=lambda s: s.cycles, default=None)
    if best is None or best.cycles + start > GAIN * alone:
        return kernel
    return best.kernel.check()


class Shared:
    """A kernel's sections for a number of threads; `str` tells how, and what it should cost.

    most: cycles of a section beyond which it is not made shorter
    """

    def __init__(
        self, kernel: Kernel, threads: int, processor: Processor | None = None,
        most: float = math.inf,
    ) -> None:  # fmt: skip
        self.source, self.threads, self.most = kernel, threads, most
        self.team = Team(threads, kernel.batch_size, processor or Processor())
        readers: dict[Buffer, set[int]] = {}
        touching: dict[Buffer, set[int]] = {}
        everything = [s for section in kernel.sections for s in section]
        for k, s in enumerate(everything):
            for b in local_reads(s):
                readers.setdefault(b, set()).add(k)
            for t in touches(s, kernel.batch_size):
                touching.setdefault(t.buffer, set()).add(k)
        self._outliving, self._readers = {b for b in kernel.written if b.is_local}, readers
        self._private = frozenset(
            b for b, at in touching.items() if len(at) == 1 and b.role == "scratch"
        )
        number = iter(range(len(everything)))
        self.sections = [
            self._section(section, [next(number) for _ in section]) for section in kernel.sections
        ]

    @property
    def cycles(self) -> float:
        """Of a step and its update."""
        return sum(s.cycles for s in self.sections[1:])

    def _section(self, body: Sequence[Statement], numbers: list[int]) -> Section:
        section, starts = Section(self.team), dict[Buffer, Number]()
        comments: list[Statement] = []
        for s, number in zip(body, numbers, strict=True):
            if isinstance(s, Comment):
                comments.append(s)
                continue
            section.add(comments, ways(s, self._around(s, number, starts)))
            comments = []
            for b in local_writes(s):
                starts.pop(b, None)
            if isinstance(s, Store) and s.buffer.is_local and isinstance(s.value, Number):
                starts[s.buffer.home] = s.value
        section.improve(self.most)
        return section

    def _around(self, s: Statement, number: int, starts: dict[Buffer, Number]) -> Surroundings:
        used = {b for b in local_writes(s) if self._readers.get(b, set()) - {number}}
        return Surroundings(
            self.threads, self.source.batch_size, frozenset(used | self._outliving),
            self._private, starts,
        )  # fmt: skip

    @property
    def kernel(self) -> Kernel:
        """The kernel with barriers, and with memory for what each thread has for itself."""
        once, step, update = (s.statements for s in self.sections)
        old = self.source
        made = replace(
            old, once=once, step=step, update=update if old.update is not None else None,
            threads=self.threads, sync=Buffer("scratch", "", (16,), "int64"), plan=str(self),
        )  # fmt: skip
        used = _memory([*once, *step, *update])
        new = [b for b in used if b.role == "scratch" and b not in old.buffers]
        fixed = [b for b in old.buffers if b.role != "scratch" or b in used or b is old.fault]
        assert made.sync is not None
        return replace(made, buffers=(*fixed, *new, made.sync))

    def __str__(self) -> str:
        titles = ("once", "each mini-batch", "each update")
        parts = [f"{t}: {s}" for t, s in zip(titles, self.sections, strict=True) if s.parts]
        one = replace(self.team, threads=1)
        alone = sum(cycles(s, one) for s in self.source.step)
        return "\n".join([f"{self.threads} threads; one takes {alone:,.0f} cycles a step", *parts])


def _memory(body: Iterable[Statement]) -> dict[Buffer, None]:
    found: dict[Buffer, None] = {}
    for s in body:
        found.update((t.buffer, None) for t in touches(s, 1))
    return found


# ---- one section


@dataclass(eq=False)
class Piece:
    """Statements that stay together, and what they touch."""

    statements: tuple[Statement, ...]
    cycles: float
    touches: tuple
    reads: tuple[Buffer, ...]
    writes: tuple[Buffer, ...]
    phase: int = 0


@dataclass(eq=False)
class Part:
    """One statement of a section: its ways, and the one that is taken."""

    ways: list[tuple[Way, list[Piece]]]
    taken: int = 0

    @property
    def pieces(self) -> list[Piece]:
        return self.ways[self.taken][1]

    def cheapest(self, samples: bool) -> int:
        """The way that takes least by itself, among those that share samples or the others."""

        def cost(i: int) -> tuple[float, bool]:
            pieces = self.ways[i][1]
            owners = [t.owner for p in pieces for t in p.touches if isinstance(t.owner, Stretch)]
            other = samples != any(o.extent is None for o in owners)
            return sum(p.cycles for p in pieces) * (1 + 0.5 * other), other

        return min(range(len(self.ways)), key=cost)


@dataclass
class Section:
    """The statements of one section."""

    team: Team
    parts: list[Part] = field(default_factory=list)

    def add(self, comments: list[Statement], found: list[Way]) -> None:
        made = []
        for way in found:
            first, *rest = way.pieces
            bodies = [(*comments, *first), *rest]
            made.append((way, [self._piece(b) for b in bodies]))
        self.parts.append(Part(made))

    def _piece(self, body: tuple[Statement, ...]) -> Piece:
        found = dict.fromkeys(t for s in body for t in touches(s, self.team.batch))
        reads = dict.fromkeys(b for s in body for b in local_reads(s))
        writes = dict.fromkeys(b for s in body for b in local_writes(s))
        cost = sum(cycles(s, self.team) for s in body)
        return Piece(body, cost, tuple(found), tuple(reads), tuple(writes))

    def improve(self, most: float) -> None:
        """Take the ways that make the section short, unless it is far from `most` cycles.

        Neighbours that go the same way need no barrier, so that one alone rarely changes to
        another: everybody starts with sharing samples, then with sharing other axes.
        """
        self._forget_what_stays()
        found = []
        for samples in (True, False):
            for part in self.parts:
                part.taken = part.cheapest(samples)
            cycles = self.arrange()
            cycles = self._improved(cycles) if cycles <= most else cycles
            found.append((cycles, [part.taken for part in self.parts]))
        self.cycles, chosen = min(found) if self.parts else (0.0, [])
        for part, taken in zip(self.parts, chosen, strict=True):
            part.taken = taken
        self.arrange()

    def _forget_what_stays(self) -> None:
        """What nobody writes here needs no order."""
        pieces = [p for part in self.parts for _, pieces in part.ways for p in pieces]
        written = {t.buffer for p in pieces for t in p.touches if t.written}
        for p in pieces:
            p.touches = tuple(t for t in p.touches if t.buffer in written)

    def _improved(self, best: float) -> float:
        """Change one statement's way after the other, as long as that helps."""
        trials = TRIALS // max(len(self.parts), 1)
        for _ in range(SWEEPS):
            before, timeline = best, Timeline(self.team.threads)
            for k, part in enumerate(self.parts):
                kept = part.taken
                for other in range(len(part.ways)):
                    if other == kept or trials <= 0:
                        continue
                    trials -= 1
                    part.taken = other
                    found = self.arrange(timeline, k)
                    if found < best:
                        best, kept = found, other
                part.taken = kept
                timeline.add(part)
            if best == before:
                break
        return best

    def arrange(self, before: Timeline | None = None, first: int = 0) -> float:
        """Give every piece its phase; the cycles of all.

        before: of the parts before the `first` one, if those have their phases already
        """
        timeline = Timeline(self.team.threads) if before is None else before.copy()
        for part in self.parts[first:]:
            timeline.add(part)
        return timeline.total

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Phase by phase, with a barrier after each.

        That of the last also keeps the first thread from giving numbers back, at the end of a run,
        that others are still to read at its beginning.
        """
        pieces = [p for part in self.parts for p in part.pieces]
        out: list[Statement] = []
        for phase in range(max((p.phase for p in pieces), default=-1) + 1):
            here = [p for p in pieces if p.phase == phase]
            out += _together([s for p in here for s in p.statements])
            out.append(Barrier())
        return tuple(out)

    def __str__(self) -> str:
        lines = [f"{self.cycles:,.0f} cycles"]
        for part in self.parts:
            way = part.ways[part.taken][0]
            for piece in part.pieces:
                names = dict.fromkeys(t.buffer.label or "-" for t in piece.touches if t.written)
                if names:
                    told = f"{piece.cycles:10,.0f}  {', '.join(names)}: {way.name}"
                    lines.append(f"  phase {piece.phase}  {told}")
        return "\n".join(lines)


def _together(body: list[Statement]) -> list[Statement]:
    """What thread 0 does alone, statement after statement, under one condition."""
    out: list[Statement] = []
    for s in body:
        if isinstance(s, Alone) and out and isinstance(out[-1], Alone):
            out[-1] = Alone((*out[-1].body, *s.body))
        else:
            out.append(s)
    return out
