"""Generated code and what it needs to run."""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.build.entry import IN_TABLE, TABLE
from symgrad.lower.kernel import Buffer


@dataclass(frozen=True, eq=False)
class Source:
    """A module's text with one entry point.

    entry:    the function to call
    buffers:  the arrays it takes after its integers, in order
    modules:  the symgrad modules that the text imports; they belong in the key of any cache
    by_table: the function takes the address of the table of its arguments too, behind them all
    in_table: buffers that are not arguments of the function: it finds them in the table
    threads:  how many threads run it together; if several, each passes its number
    own:      buffers of which each of the threads has its own; what the first one's holds at the
              end counts
    """

    text: str
    entry: str
    buffers: tuple[Buffer, ...]
    modules: tuple[str, ...]
    dtype: str
    batch_size: int
    by_table: bool = False
    in_table: frozenset[Buffer] = frozenset()
    threads: int = 1
    own: frozenset[Buffer] = frozenset()

    @property
    def scratch_bytes(self) -> int:
        """The memory that it needs for itself: intermediate values, and each thread's own."""
        scratch = sum(b.nbytes for b in self.buffers if b.role == "scratch")
        return scratch + (self.threads - 1) * sum(b.nbytes for b in self.own)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the arguments are, after the fixed ones: see build/entry.py."""
        arrays = (IN_TABLE if b in self.in_table else b.dtype for b in self.buffers)
        return (*arrays, *([TABLE] if self.by_table else []))
