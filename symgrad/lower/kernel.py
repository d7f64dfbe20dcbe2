"""The loop IR: what a target prints.

    Kernel     = buffers, sections of statements: once a run, each mini-batch, each update
    statement  = Loop | Store | Update | Product | Call | Collect | Distinct | Prefetch
               | Alone | Barrier
    expression = Number | Load | Apply | Whole

Statements are in statements.py, buffers and expressions in values.py; all are known from here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symgrad.lower.statements import Alone as Alone
from symgrad.lower.statements import Barrier as Barrier
from symgrad.lower.statements import Call as Call
from symgrad.lower.statements import Collect as Collect
from symgrad.lower.statements import Comment as Comment
from symgrad.lower.statements import Distinct as Distinct
from symgrad.lower.statements import Found as Found
from symgrad.lower.statements import Loop as Loop
from symgrad.lower.statements import Matrix as Matrix
from symgrad.lower.statements import Prefetch as Prefetch
from symgrad.lower.statements import Product as Product
from symgrad.lower.statements import Stack as Stack
from symgrad.lower.statements import Statement as Statement
from symgrad.lower.statements import Store as Store
from symgrad.lower.statements import Update as Update
from symgrad.lower.statements import remarked as remarked
from symgrad.lower.statements import statements as statements
from symgrad.lower.statements import targets as targets
from symgrad.lower.values import AT as AT
from symgrad.lower.values import FAR as FAR
from symgrad.lower.values import ITEM_BYTES as ITEM_BYTES
from symgrad.lower.values import LAST as LAST
from symgrad.lower.values import PENDING as PENDING
from symgrad.lower.values import ROW as ROW
from symgrad.lower.values import SLOT as SLOT
from symgrad.lower.values import THREAD as THREAD
from symgrad.lower.values import Apply as Apply
from symgrad.lower.values import Axis as Axis
from symgrad.lower.values import Buffer as Buffer
from symgrad.lower.values import Counter as Counter
from symgrad.lower.values import Expression as Expression
from symgrad.lower.values import Load as Load
from symgrad.lower.values import Number as Number
from symgrad.lower.values import Whole as Whole

REMARK = 120  # characters of a comment that are shown


@dataclass(frozen=True, eq=False)
class Kernel:
    """A whole run of steps, specialised to a dtype and a batch size.

    buffers: the arrays that the run is given, in the order of its arguments
    written: the parameters and states that it changes; of rank 0, they are local variables that
             go back to their arrays at the end
    fault:   one integer, set to 1 where a computed index had to be clamped
    memory:  scratch arrays that share others with each other: in which of the buffers they lie
    threads: how many run it together; all execute every statement but those of an `Alone`
    sync:    the memory of its barriers
    plan:    how they share the work, and what it should cost, for people
    """

    dtype: str
    batch_size: int
    buffers: tuple[Buffer, ...]
    once: tuple[Statement, ...]
    step: tuple[Statement, ...]
    update: tuple[Statement, ...] | None
    written: frozenset[Buffer] = frozenset()
    fault: Buffer | None = None
    memory: Mapping[Buffer, Buffer] = field(default_factory=dict)
    threads: int = 1
    sync: Buffer | None = None
    plan: str = ""

    @property
    def sections(self) -> tuple[tuple[Statement, ...], ...]:
        return self.once, self.step, self.update or ()

    @property
    def scratch_bytes(self) -> int:
        return sum(b.nbytes for b in self.buffers if b.role == "scratch")

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes by role; data and per-sample outputs are counted for one mini-batch."""
        total: dict[str, int] = {}
        for b in self.buffers:
            size = b.nbytes * (self.batch_size if b.role == "data" else 1)
            total[b.role] = total.get(b.role, 0) + size
        return total

    def check(self) -> Kernel:
        """Raise AssertionError unless the kernel is well formed; return it."""
        from symgrad.lower.check import check

        check(self)
        return self
