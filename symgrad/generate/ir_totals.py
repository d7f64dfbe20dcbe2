"""The lanes of a vector added up, multiplied, or their extreme: always in the same order.

The functions stay functions: a model with hundreds of parameters has as many sums, and LLVM takes
quadratic time to choose instructions for a long row of loads that are taken apart (2.2 s for 280).
"""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.generate.ir_apply import applied
from symgrad.generate.ir_text import Lines, Value, type_of


@dataclass(frozen=True, slots=True)
class Total:
    """A function of one vector: `double @total.add.float64x8(<8 x double>)`."""

    combine: str
    dtype: str
    lanes: int

    @property
    def name(self) -> str:
        return f"total.{self.combine}.{self.dtype}x{self.lanes}"

    @property
    def type(self) -> str:
        return type_of(self.dtype, self.lanes)

    def call(self, x: Value) -> str:
        return f"call {type_of(self.dtype)} @{self.name}({x.typed})"

    @property
    def text(self) -> str:
        """The function: halves first."""
        lines, x = Lines(), Value("%x", self.dtype, self.lanes)
        while x.lanes > 1:
            n = x.lanes // 2
            halves = [lines.part(x, first, n) for first in (0, n)]
            x = applied(lines, self.combine, halves, self.dtype)
        head = f"define internal {type_of(self.dtype)} @{self.name}({self.type} %x) noinline {{"
        return "\n".join([head, *lines.body, f"  ret {x.typed}", "}", ""])
