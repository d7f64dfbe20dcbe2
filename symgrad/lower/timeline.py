"""The phases of a section's pieces, found one after the other: who touched what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symgrad.lower.kernel import Buffer
from symgrad.lower.owners import EVERY, Owner
from symgrad.lower.thread_costs import BARRIER, moved

if TYPE_CHECKING:
    from symgrad.lower.parallel import Part, Piece


NEVER = (-1, None)  # a phase before all others


class Timeline:
    """Who touched what so far, and in which phase.

    writes, reads: the last phase in which a buffer was, and whose elements all were that were
                   touched in it; None where they were several threads'
    """

    def __init__(self, threads: int) -> None:
        self.threads, self.last, self.cycles = threads, 0, 0.0
        self.writes: dict[Buffer, tuple[int, Owner | None]] = {}
        self.reads: dict[Buffer, tuple[int, Owner | None]] = {}
        self.writer: dict[Buffer, Owner] = {}
        self.early: list[tuple[Buffer, Owner]] = []
        self.fetched: dict[Buffer, frozenset[Owner]] = {}  # since it was written: it is read again
        self.local_writes: dict[Buffer, int] = {}
        self.local_reads: dict[Buffer, int] = {}

    def copy(self) -> Timeline:
        """One that can go on another way."""
        new = Timeline(self.threads)
        new.last, new.cycles, new.early = self.last, self.cycles, self.early.copy()
        new.writes, new.reads = self.writes.copy(), self.reads.copy()
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
            buffer, owner = t.buffer, t.owner
            for earlier in (self.writes, self.reads) if t.written else (self.writes,):
                at, whose = earlier.get(buffer, NEVER)
                if at >= phase:  # what was in an earlier phase than the last one matters no more
                    phase = at if whose is owner else at + 1
            if t.written or owner in self.fetched.get(buffer, ()):
                continue
            self.fetched[buffer] = self.fetched.get(buffer, frozenset()) | {owner}
            before = self.writer.get(buffer)
            if before is None:
                self.early.append((buffer, owner))
            elif before is not owner:
                cost += moved(owner, before, buffer.nbytes, self.threads)
        for b in piece.reads:
            phase = max(phase, self.local_writes.get(b, 0))
        for b in piece.writes:
            phase = max(phase, self.local_writes.get(b, 0), self.local_reads.get(b, 0))
        self._remember(piece, phase)
        return cost

    def _remember(self, piece: Piece, phase: int) -> None:
        piece.phase, self.last = phase, max(self.last, phase)
        for t in piece.touches:
            buffer, owner = t.buffer, t.owner
            found = self.writes if t.written else self.reads
            at, whose = found.get(buffer, NEVER)
            if at <= phase:
                alone = owner is not EVERY and (at < phase or whose is owner)
                found[buffer] = phase, owner if alone else None
            if t.written:
                self.writer[buffer] = owner
                self.fetched.pop(buffer, None)
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
