"""One operation on values, by its row of ir_operations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from symgrad.generate.ir_operations import CODE, Row
from symgrad.generate.ir_text import FLAGS, Lines, Value, constant, suffix_of, type_of

NAMED = re.compile(r"(\w+) = (.*)")
CHAINED = frozenset({"add", "mul", "and", "or", "max", "min"})


def applied(lines: Lines, operation: str, operands: Sequence[Value], dtype: str) -> Value:
    """The operation's result, a `dtype` or a condition; more operands from left to right."""
    row = CODE[operation]
    if operation in CHAINED:
        result = operands[0]
        for y in operands[1:]:
            result = _instructions(lines, row, [result, y], dtype)
        return result
    if row.called and not (row.whole and operands[0].dtype.startswith("int")):
        return called(lines, row.called, operands, dtype)
    return _instructions(lines, row, operands, "bool" if row.condition else dtype)


def _instructions(lines: Lines, row: Row, operands: Sequence[Value], dtype: str) -> Value:
    operands = lines.together(*operands)
    of, lanes = operands[0].dtype, operands[0].lanes
    assert all(y.dtype == of for y in operands), [y.typed for y in operands]
    *first, last = row.real if of.startswith("float") and row.real else row.whole or row.real
    words = dict(_words(of, lanes, dtype)) if first else _words(of, lanes, dtype)
    texts = [y.text for y in operands]
    for line in first:
        name, code = NAMED.fullmatch(line).groups()  # type: ignore[union-attr]
        words[name] = lines.value(code.format(*texts, **words), of, lanes).text
    return lines.value(last.format(*texts, **words), dtype, lanes)


@cache
def _words(of: str, lanes: int, dtype: str) -> dict[str, Any]:
    """What a row's templates call types and constants."""
    return {
        "T": type_of(of, lanes), "S": suffix_of(of, lanes), "B": type_of("bool", lanes),
        "R": type_of(dtype, lanes), "F": FLAGS, "k": _Constants(of, lanes),
    }  # fmt: skip


def called(lines: Lines, name: str, operands: Sequence[Value], dtype: str) -> Value:
    """The result of a function of ir_library."""
    operands = lines.together(*(lines.cast(y, dtype) for y in operands))
    lanes = operands[0].lanes
    lines.calls += lanes == 1
    full_name = f"symgrad.{name}.{dtype}" + (f"x{lanes}" if lanes > 1 else "")
    given = ", ".join(y.typed for y in operands)
    return lines.value(f"call {type_of(dtype, lanes)} @{full_name}({given})", dtype, lanes)


class _Constants:
    """Numbers as constants of a type, for templates."""

    def __init__(self, dtype: str, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes

    def __getitem__(self, k: int | str) -> str:
        return constant(int(k), self.dtype, self.lanes).text
