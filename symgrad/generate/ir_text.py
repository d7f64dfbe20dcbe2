"""LLVM assembly as text: values, constants, and the lines of one function.

A value is a number or a vector with one number for each of several samples, its lanes.  Where an
operation meets both, the number is spread over the lanes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

TYPES = {
    "float64": "double", "float32": "float", "int64": "i64", "int32": "i32", "int8": "i8",
    "bool": "i1",
}  # fmt: skip
SUFFIXES = {
    "float64": "f64", "float32": "f32", "int64": "i64", "int32": "i32", "int8": "i8", "bool": "i1",
}  # fmt: skip
FLAGS = "reassoc nsz arcp contract afn"  # NaN and infinity keep their meaning
CONSTANT = re.compile(r"[^%]")
# The mark of a loop over a known number of elements that is to become vectors.
ROLLED = ", !llvm.loop !0"


class Value(NamedTuple):
    """What stands behind a name, or a constant."""

    text: str
    dtype: str
    lanes: int = 1

    @property
    def type(self) -> str:
        """Its LLVM type.

        >>> Value("%x", "float32", 16).type
        '<16 x float>'
        """
        return type_of(self.dtype, self.lanes)

    @property
    def typed(self) -> str:
        return f"{self.type} {self.text}"


def type_of(dtype: str, lanes: int = 1) -> str:
    return TYPES[dtype] if lanes == 1 else f"<{lanes} x {TYPES[dtype]}>"


def suffix_of(dtype: str, lanes: int = 1) -> str:
    """How LLVM's own functions are called for a type: `f64`, `v8f64`."""
    return SUFFIXES[dtype] if lanes == 1 else f"v{lanes}{SUFFIXES[dtype]}"


def constant(x: Any, dtype: str, lanes: int = 1) -> Value:
    """A number as a constant.

    >>> constant(0.5, "float64").typed, constant(1, "int64", 4).typed
    ('double 0.5', '<4 x i64> splat (i64 1)')
    """
    text = _number(x, dtype)
    return Value(text if lanes == 1 else f"splat ({TYPES[dtype]} {text})", dtype, lanes)


def _number(x: Any, dtype: str) -> str:
    if dtype == "bool":
        return "true" if x else "false"
    if dtype in ("int64", "int8"):
        return str(int(x))
    x = float(x)
    if not math.isfinite(x):
        return {"inf": "0x7FF0000000000000", "-inf": "0xFFF0000000000000"}.get(
            str(x), "0x7FF8000000000000"
        )
    if dtype == "float32":
        import numpy as np

        x = float(np.float32(x))
    mantissa, _, exponent = repr(x).partition("e")
    mantissa += "" if "." in mantissa else ".0"
    return f"{mantissa}e{exponent}" if exponent else mantissa


class Lines:
    """The lines of one function, and fresh names in it.

    entry:  lines that stand at its beginning: memory of variables, what is loaded once
    block:  the label of the basic block that is being written
    calls:  of functions on numbers, in the body of the loop that is being written
    """

    def __init__(self) -> None:
        self.entry: list[str] = []
        self.body: list[str] = []
        self.block = "entry"
        self.calls = 0
        self._count = 0
        self._names: dict[str, int] = {}
        self._spread: dict[tuple[str, int], Value] = {}

    def fresh(self, stem: str = "t") -> str:
        """A name that has not been used: `t1`, `t2`, ... or `stem` with a number where needed."""
        if stem == "t":
            self._count += 1
            return f"t{self._count}"
        n = self._names[stem] = self._names.get(stem, 0) + 1
        return stem if n == 1 else f"{stem}.{n}"

    def add(self, line: str) -> None:
        self.body.append(f"  {line}")

    def remark(self, text: str) -> None:
        self.body.append(f"  ; {text}")

    def value(self, code: str, dtype: str, lanes: int = 1) -> Value:
        """A fresh name for what an instruction gives."""
        name = f"%{self.fresh()}"
        self.body.append(f"  {name} = {code}")
        return Value(name, dtype, lanes)

    def at_entry(self, code: str, dtype: str, lanes: int = 1, stem: str = "t") -> Value:
        name = f"%{self.fresh(stem)}"
        self.entry.append(f"  {name} = {code}")
        return Value(name, dtype, lanes)

    def named(self, x: Value, stem: str) -> Value:
        """The value under a name for readers, if the last line has just made it."""
        head = f"  {x.text} = "
        if not (self.body and self.body[-1].startswith(head)) or not x.text.startswith("%t"):
            return x
        name = f"%{self.fresh(stem)}"
        self.body[-1] = f"  {name} = {self.body[-1][len(head) :]}"
        return Value(name, x.dtype, x.lanes)

    def label(self, name: str) -> None:
        self.body.append(f"{name}:")
        self.block = name
        self._spread = {}

    @contextmanager
    def loop(
        self, start: Value, stop: Value, stem: str, step: int = 1, hidden: bool = False,
        rolled: bool = False,
    ) -> Iterator[Value]:  # fmt: skip
        """What is written meanwhile is repeated for start, start + step, ... below stop.

        rolled: LLVM is not to unroll it before it looks for vectors; nor where functions are called
        hidden: LLVM is not told how often.  It would compare what iterations of a long body read
                and write, pair by pair, and find nothing.
        """
        label, before = self.fresh("loop"), self.block
        i = Value(f"%{self.fresh(stem)}", "int64")
        self.add(f"br label %{label}")
        self.label(label)
        head = len(self.body)
        more = self.value(f"icmp slt {i.typed}, {stop.text}", "bool")
        self.add(f"br {more.typed}, label %{label}.body, label %{label}.end")
        self.label(f"{label}.body")
        outside, self.calls = self.calls, 0
        yield i
        known = CONSTANT.match(stop.text)
        mark = ROLLED if known and (rolled or self.calls) else ""
        self.calls = outside
        then = self.value(f"add nsw {i.typed}, {step}", "int64")
        if hidden:
            then = self.value(f'call i64 asm "", "=r,0"({then.typed}) nounwind willreturn', "int64")
        self.add(f"br label %{label}{mark}")
        sources = f"[ {start.text}, %{before} ], [ {then.text}, %{self.block} ]"
        self.body.insert(head, f"  {i.text} = phi i64 {sources}")
        self.label(f"{label}.end")

    # ---- lanes

    def spread(self, x: Value, lanes: int) -> Value:
        """The number in every lane."""
        if x.lanes == lanes:
            return x
        if CONSTANT.match(x.text):
            return Value(f"splat ({x.typed})", x.dtype, lanes)
        if (x.text, lanes) not in self._spread:
            wide = type_of(x.dtype, lanes)
            first = self.value(f"insertelement {wide} poison, {x.typed}, i64 0", x.dtype, lanes)
            every = f"shufflevector {first.typed}, {wide} poison, <{lanes} x i32> zeroinitializer"
            self._spread[x.text, lanes] = self.value(every, x.dtype, lanes)
        return self._spread[x.text, lanes]

    def part(self, x: Value, first: int, n: int) -> Value:
        """Lanes first ... first + n - 1; of those that there are not, anything."""
        if n == 1:
            return self.value(f"extractelement {x.typed}, i64 {first}", x.dtype)
        if (first, n) == (0, x.lanes):
            return x
        lanes = range(first, first + n)
        picked = ", ".join(f"i32 {i}" if i < x.lanes else "i32 poison" for i in lanes)
        code = f"shufflevector {x.typed}, {x.type} poison, <{n} x i32> <{picked}>"
        return self.value(code, x.dtype, n)

    def together(self, *values: Value) -> list[Value]:
        """Values with as many lanes as the widest."""
        lanes = max(x.lanes for x in values)
        return [self.spread(x, lanes) for x in values]

    # ---- conversions

    def cast(self, x: Value, dtype: str) -> Value:
        """The value in another dtype; conditions are what differs from 0."""
        if x.dtype == dtype:
            return x
        if dtype == "bool":
            how = "fcmp une" if x.dtype.startswith("float") else "icmp ne"
            zero = constant(0, x.dtype, x.lanes).text
            return self.value(f"{how} {x.typed}, {zero}", dtype, x.lanes)
        ways = CONVERSIONS[_kind(x.dtype), _kind(dtype)]
        wider = _width(dtype) > _width(x.dtype)
        how = ways if isinstance(ways, str) else ways[wider]
        return self.value(f"{how} {x.typed} to {type_of(dtype, x.lanes)}", dtype, x.lanes)


CONVERSIONS: dict[tuple[str, str], str | tuple[str, str]] = {
    ("float", "float"): ("fptrunc", "fpext"), ("float", "int"): "fptosi",
    ("int", "float"): "sitofp", ("int", "int"): ("trunc", "sext"),
    ("bool", "float"): "uitofp", ("bool", "int"): "zext",
}  # fmt: skip


def _kind(dtype: str) -> str:
    return dtype.rstrip("0123456789")


def _width(dtype: str) -> int:
    return int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz") or 1)
