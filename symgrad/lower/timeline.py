"""The phases of a section's pieces, found one after the other: who touched what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symgrad.lower.kernel import Buffer
from symgrad.lower.owners import EVERY, Owner
from symgrad.lower.thread_costs import BARRIER, moved

if TYPE_CHECKING:
    from symgrad.lower.parallel import Part, Piece


class Timeline:
    """Who touched what so far, and in which phase."""

    def __init__(self, threads: int) -> None:
        self.threads, self.last, self.cycles = threads, 0, 0.0
        self.writes: dict[Buffer, dict[Owner, int]] = {}
        self.reads: dict[Buffer, dict[Owner, int]] = {}
        self.writer: dict[Buffer, Owner] = {}
        self.early: list[tuple[Buffer, Owner]] = []
        self.fetched: dict[Buffer, frozenset[Owner]] = {}  # since it was written: it is read again
        self.local_writes: dict[Buffer, int] = {}
        self.local_reads: dict[Buffer, int] = {}

    def copy(self) -> Timeline:
        """One that can go on another way."""
        new = Timeline(self.threads)
        new.last, new.cycles, new.early = self.last, self.cycles, self.early.copy()
        new.writes = {b: at.copy() for b, at in self.writes.items()}
        new.reads = {b: at.copy() for b, at in self.reads.items()}
        new.writer, new.fetched = self.writer.copy(), self.fetched.copy()
        new.local_writes, new.local_reads = self.local_writes.copy(), self.local_reads.copy()
        return new

    def add(self, part: Part) -> None:
        """Go on with a part, the way that it takes."""
        for piece in part.pieces:
            self.cycles += piece.cycles + self.place(piece)

    @property
    def total(self) -> float:
        """The cycles of all, with what comes from the step before and with the barriers."""
        return self.cycles + self.moved_from_before() + BARRIER * (self.last + 1)

    def place(self, piece: Piece) -> float:
        """Find the piece's phase; the cycles for what comes from other threads."""
        cost, phase = 0.0, 0
        for t in piece.touches:
            for earlier in (self.writes, self.reads) if t.written else (self.writes,):
                for owner, at in earlier.get(t.buffer, {}).items():
                    apart = owner != t.owner or owner == EVERY
                    phase = max(phase, at + apart)
            fetched = self.fetched.get(t.buffer, frozenset())
            if t.written or t.owner in fetched:
                continue
            self.fetched[t.buffer] = fetched | {t.owner}
            if t.buffer in self.writer:
                cost += moved(t.owner, self.writer[t.buffer], t.buffer.nbytes, self.threads)
            else:
                self.early.append((t.buffer, t.owner))
        for b in piece.reads:
            phase = max(phase, self.local_writes.get(b, 0))
        for b in piece.writes:
            phase = max(phase, self.local_writes.get(b, 0), self.local_reads.get(b, 0))
        self._remember(piece, phase)
        return cost

    def _remember(self, piece: Piece, phase: int) -> None:
        piece.phase, self.last = phase, max(self.last, phase)
        for t in piece.touches:
            found = (self.writes if t.written else self.reads).setdefault(t.buffer, {})
            found[t.owner] = max(found.get(t.owner, 0), phase)
            if t.written:
                self.writer[t.buffer] = t.owner
                self.fetched.pop(t.buffer, None)
        for b in piece.reads:
            self.local_reads[b] = max(self.local_reads.get(b, 0), phase)
        for b in piece.writes:
            self.local_writes[b] = max(self.local_writes.get(b, 0), phase)

    def moved_from_before(self) -> float:
        """The cycles for what other threads wrote in the step before."""
        return sum(
            moved(owner, self.writer[b], b.nbytes, self.threads)
            for b, owner in self.early
            if b in self.writer
        )
