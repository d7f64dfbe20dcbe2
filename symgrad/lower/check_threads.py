"""Whether the threads of a kernel keep out of each other's way.

Between two barriers no thread writes what another one touches; and a local variable that differs
between the threads goes nowhere but into memory which each has for itself.
"""

from __future__ import annotations

from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Alone, Barrier, Buffer, Kernel, Loop, Statement, Store, statements
from symgrad.lower.owners import EVERY, OWN, Touch, conflict, touches
from symgrad.lower.sharing import local_reads, local_writes


def check_threads(kernel: Kernel) -> None:
    """Raise AssertionError where threads could disturb each other."""
    differing: set[Buffer] = set()
    for section in kernel.sections:
        phase: dict[Buffer, list[Touch]] = {}
        for s in section:
            if isinstance(s, Barrier):
                phase.clear()
            _memory(s, phase, kernel.batch_size)
            _locals(s, differing, kernel.batch_size)
        assert not phase, "a section ends without a barrier"
    outliving = {b.label for b in kernel.written if b.is_local and b in differing}
    assert not outliving, f"{outliving} differ between the threads"


def _memory(s: Statement, phase: dict[Buffer, list[Touch]], batch: int) -> None:
    for t in touches(s, batch):
        label = t.buffer.label or t.buffer.role
        assert not (t.written and t.owner == EVERY), f"all threads write {label}"
        for other in phase.setdefault(t.buffer, []):
            assert not conflict(t, other), f"{label}: {t.owner} and {other.owner} without a barrier"
        if t not in phase[t.buffer]:
            phase[t.buffer].append(t)


def _locals(s: Statement, differing: set[Buffer], batch: int) -> None:
    """Update which variables differ; see that those which do are read by nobody else."""
    apart = [t for t in statements((s,)) if isinstance(t, Alone) or getattr(t, "shared", False)]
    made = {b for t in apart for b in local_writes(t)}
    inside = {t for outer in apart for t in statements((outer,))}
    for t in statements((s,)):
        if t in inside or isinstance(t, Alone):
            continue
        own = isinstance(t, Store) and all(x.owner == OWN for x in touches(t, batch) if x.written)
        read = {b.home for b, _ in accesses(t)} if isinstance(t, Loop) else set(local_reads(t))
        kept = isinstance(t, Store) and not t.buffer.is_local and own
        assert kept or not read & (differing | made), "a variable that differs is read"
    everywhere = {b for t in statements((s,)) if t not in inside for b in _set_here(t)}
    differing -= everywhere - made
    differing |= made


def _set_here(s: Statement) -> set[Buffer]:
    return set() if isinstance(s, Loop | Alone) else set(local_writes(s))
