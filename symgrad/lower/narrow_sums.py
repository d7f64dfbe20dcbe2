"""Totals that are kept in float64 are summed in float32 over some samples at a time.

    total = 0.0  (float64)                 part = 0.0  (float32)
    for b in range(n):                ->   for b in range(n):
        total += float64(x[b])                 part += x[b]
                                           total = float64(part)

and `total += float64(part)` where there are several parts.  So it is done where float32 is what the
terms are: to widen each of them takes several times as long as to add it.
"""

from __future__ import annotations

from collections.abc import Iterable

from symgrad.lower.kernel import (
    Apply,
    Buffer,
    Load,
    Loop,
    Number,
    Statement,
    Store,
    Update,
)

FEWEST, MOST = 16, 1024  # samples that are summed in float32


def narrowed(section: Iterable[Statement], samples: int) -> list[Statement]:
    """The section, or a tile's body, with such sums.

    samples: how many its loops over samples pass at most
    """
    out: list[Statement] = []
    for s in section:
        if not isinstance(s, Loop) or s.axis.extent is not None:
            out.append(s)
        elif s.axis.step > 1:
            out.append(s.over(narrowed(s.body, s.axis.step)))
        elif samples >= FEWEST and (samples <= MOST or s.stop is not None):
            loop, parts = _narrowed(s)
            begun = {t.buffer: t for t in out if isinstance(t, Store) and t.buffer in parts}
            out = [t for t in out if t not in begun.values()]
            out.extend(Store(part, (), Number(0.0, part.dtype)) for part in parts.values())
            out.append(loop)
            for total, part in parts.items():
                value = Apply("cast", (Load(part, (), part.dtype),), total.dtype)
                first = total in begun
                out.append(Store(total, (), value) if first else Update(total, (), "add", value))
        else:
            out.append(s)
    return out


def is_wide(s: Statement) -> bool:
    """Whether float32 numbers are added to a float64 one."""
    return (
        isinstance(s, Update)
        and s.combine == "add"
        and s.buffer.is_local
        and s.buffer.dtype == "float64"
        and isinstance(s.value, Apply)
        and s.value.operation == "cast"
        and s.value.operands[0].dtype == "float32"
    )


def _narrowed(loop: Loop) -> tuple[Loop, dict[Buffer, Buffer]]:
    """A loop that adds to other totals, and total in float64 -> its part in float32."""
    parts: dict[Buffer, Buffer] = {}

    def within(s: Statement) -> Statement:
        if isinstance(s, Loop):
            return s.over(map(within, s.body))
        if is_wide(s):
            assert isinstance(s, Update) and isinstance(s.value, Apply)
            part = parts.setdefault(s.buffer, Buffer("scratch", s.buffer.label, (), "float32"))
            return Update(part, (), "add", s.value.operands[0])
        return s

    narrow = within(loop)
    assert isinstance(narrow, Loop)
    return narrow, parts
