"""The C entry point of a kernel: one table of 64-bit words in, one integer out.

numba passes an array as seven words (owner, parent, items, item size, data, shape, strides).  The
entry point is a few lines of LLVM around the kernel that take two, address and items, from a table
that the caller keeps and fill in the rest, so that a call costs the same for any number of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

ITEM_BYTES = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "int8": 1}
# the argument kinds; every other one is an array's dtype
INTEGER = "integer"  # a number
IN_TABLE = "in table"  # an array that is in the table, and no argument of the kernel
TABLE = "table"  # the table's address, which stands nowhere in it
# ---- the arguments of a kernel before its buffers
NUMBERS = ("ordered", "recorded", "first", "last", "epoch", "every", "pending")
LEADING = ("int64", *(INTEGER for _ in NUMBERS))  # the order of the samples, then the numbers
WORDS = {INTEGER: 1, TABLE: 0}  # of an argument in the table; 2 of an array
RAISED = -(2**63)  # what the entry point returns when the kernel raised an exception


def leading(threads: int) -> tuple[str, ...]:
    """The kinds of the first arguments: where there are several threads, each has its number."""
    return (*LEADING, INTEGER) if threads > 1 else LEADING


def words_of(kinds: Sequence[str]) -> list[int]:
    """The place of each argument in the table, and the table's length behind them.

    >>> words_of(["float32", "integer", "float64"])
    [0, 2, 3, 5]
    """
    places = [0]
    for kind in kinds:
        places.append(places[-1] + WORDS.get(kind, 2))
    return places


def entry_text(name: str, kernel: str, kinds: Sequence[str]) -> str:
    """LLVM assembly of `int64 name(int64 *table)`, which calls numba's function `kernel`."""
    types, values, lines = ["ptr", "ptr"], ["ptr %result", "ptr %exception"], []
    for place, kind in zip(words_of(kinds), kinds, strict=False):
        if kind == IN_TABLE:
            continue
        if kind == TABLE:
            lines.append("%address = ptrtoint ptr %table to i64")
            values, types = [*values, "i64 %address"], [*types, "i64"]
            continue
        lines += _load(place, "i64" if kind == INTEGER else "ptr")
        if kind == INTEGER:
            passed = [f"i64 %w{place}"]
        else:
            lines += _load(place + 1, "i64")
            item, items = f"i64 {ITEM_BYTES[kind]}", f"i64 %w{place + 1}"
            passed = ["ptr null", "ptr null", items, item, f"ptr %w{place}", items, item]
        values += passed
        types += [value.split()[0] for value in passed]
    return "\n".join([
        f"declare i32 @{kernel}({', '.join(types)})",
        f"define i64 @{name}(ptr %table) {{",
        "%result = alloca i64",
        "%exception = alloca ptr",
        *lines,
        f"%status = call i32 @{kernel}({', '.join(values)})",
        "%value = load i64, ptr %result",
        "%fine = icmp eq i32 %status, 0",
        f"%returned = select i1 %fine, i64 %value, i64 {RAISED}",
        "ret i64 %returned",
        "}",
    ])  # fmt: skip


def _load(place: int, type: str) -> list[str]:
    return [
        f"%p{place} = getelementptr i64, ptr %table, i64 {place}",
        f"%w{place} = load {type}, ptr %p{place}",
    ]
