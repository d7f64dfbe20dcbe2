"""Values in a long loop body that are made late: where they are read, not where they could be.

    s = 1/z;  r = x*s - u               ...
    loss += r*r                  ->     s = 1/z;  r = x*s - u
    ...                                 loss += r*r
    x_bar = r*s                         x_bar = r*s

x, z and u are read afterwards anyway, so nothing has to be kept for it, and r and s themselves are
no longer kept.  What is added to a sum waits for its terms; nobody reads the sum meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from symgrad.generate.ir_locals import uses
from symgrad.lower.expressions import accesses, walk
from symgrad.lower.kernel import (
    Apply,
    Buffer,
    Comment,
    Load,
    Statement,
    Store,
    Update,
    targets,
)

FIXED = frozenset({"position", "clamp"})  # operations that do more than compute a value


def late(body: Sequence[Statement], sums: Collection[Buffer]) -> list[Statement]:
    """The statements, each as late as costs nothing, then the updates of these sums."""
    known = uses(body)
    once = {home for home, use in known.items() if len(use.stores) == 1 and not use.updates}
    given = {home for home, use in known.items() if not use.written}
    changed = {b.home for s in body for b in targets(s)} - once
    found: list[Statement] = []
    free: list[Statement] = []
    for s in body:
        adds = isinstance(s, Update) and s.buffer.home in sums and is_arithmetic(s, changed)
        (free if adds else found).append(s)
    place = list(range(len(found)))  # the statement before which it stands
    first: dict[Buffer, int] = {}  # variable -> where it is read first, and last
    last: dict[Buffer, int] = {}
    for k, s in reversed(list(enumerate(found))):
        read = {b.home for b, _ in accesses(s) if b.is_local} if not isinstance(s, Comment) else ()
        if isinstance(s, Store) and s.buffer.home in once and is_arithmetic(s, changed):
            at = first.get(s.buffer.home, k)
            if sum(last.get(b, k) < at for b in read if b not in given) <= 1:
                place[k] = at
        for b in read:
            first[b] = min(first.get(b, place[k]), place[k])
            last[b] = max(last.get(b, place[k]), place[k])
    return [found[k] for k in sorted(range(len(found)), key=lambda k: (place[k], k))] + free


def is_arithmetic(s: Store | Update, changed: Collection[Buffer]) -> bool:
    """Whether its value depends on nothing that changes, and nothing else happens."""
    parts = walk([s.value])
    return not any(isinstance(y, Apply) and y.operation in FIXED for y in parts) and not any(
        isinstance(y, Load) and y.buffer.home in changed for y in parts
    )
