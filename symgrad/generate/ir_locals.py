"""Which local variables of a block are values, named once, and which need memory.

A variable is a value where all that sets it stands in one body of statements, and all that reads
it follows there or further inside.  Others, sums over a loop above all, have memory on the stack;
LLVM turns it into registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import (
    Alone,
    Barrier,
    Buffer,
    Comment,
    Distinct,
    Loop,
    Statement,
    Store,
    Update,
)

Path = tuple[Loop, ...]


@dataclass
class Use:
    """Where a variable is set and read: the loops around.

    first, last: the statements of the body that touch it first, and that set it last
    """

    first: int = 0
    last: int = 0
    stores: list[Path] = field(default_factory=list)
    updates: list[Path] = field(default_factory=list)
    reads: list[Path] = field(default_factory=list)
    set_first: bool = False  # the first thing that happens to it is a store
    shared: bool = False  # other runs of statements know it, too

    @property
    def written(self) -> bool:
        return bool(self.stores or self.updates)

    @property
    def is_value(self) -> bool:
        sets = [*self.stores, *self.updates]
        if not sets:
            return True
        home = sets[0]
        if home and (self.shared or not self.set_first):
            return False  # it is read, or stored for others, where the loop is not
        return all(p == home for p in sets) and all(p[: len(home)] == home for p in self.reads)


def walked(body: Iterable[Statement], path: Path = ()) -> Iterator[tuple[Statement, Path]]:
    """Every statement in order, with the loops around it."""
    stack = [(s, path) for s in reversed(list(body))]
    while stack:
        s, around = stack.pop()
        yield s, around
        if isinstance(s, Loop):
            stack.extend((t, (*around, s)) for t in reversed(s.body))


def uses(body: Iterable[Statement]) -> dict[Buffer, Use]:
    """Every local variable of these statements, by its home."""
    found: dict[Buffer, Use] = {}
    for k, outermost in enumerate(body):
        for s, path in walked((outermost,)):
            if isinstance(s, Comment | Alone | Barrier):
                continue
            for buffer, _ in accesses(s):
                if buffer.is_local and buffer.role != "batch_size":
                    home = buffer.home
                    if home not in found:
                        found[home] = Use(k)
                    found[home].reads.append(path)
            if isinstance(s, Store | Update | Distinct) and s.buffer.is_local:
                home, added = s.buffer.home, isinstance(s, Update)
                if home not in found:
                    found[home] = Use(k, set_first=not added)
                (found[home].updates if added else found[home].stores).append(path)
                found[home].last = k
    return found
