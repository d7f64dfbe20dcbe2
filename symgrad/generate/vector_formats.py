"""What vector mathematics knows of numbers and of the machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config


@dataclass(frozen=True, slots=True)
class Format:
    """A floating-point format: its LLVM types and its numbers.

    lanes:  how many numbers its values hold; with more than one its types are vectors
    """

    name: str
    type: Any
    integer: Any
    width: int  # bits of a number
    mantissa: int  # stored bits
    bias: int
    lanes: int = 1

    def across(self, lanes: int) -> Format:
        """This format with so many lanes.

        >>> str(DOUBLE.across(8).type)
        '<8 x double>'
        """
        if lanes == self.lanes:
            return self
        alone = FORMATS[self.name]
        if lanes == 1:
            return alone
        kinds = (ir.VectorType(t, lanes) for t in (alone.type, alone.integer))
        return replace(self, **dict(zip(("type", "integer"), kinds, strict=True)), lanes=lanes)

    @property
    def shift(self) -> float:
        """Added to a small number, it leaves the nearest integer in the lowest bits."""
        return 1.5 * 2.0**self.mantissa


FLOAT = Format("float32", ir.FloatType(), ir.IntType(32), 32, 23, 127)
DOUBLE = Format("float64", ir.DoubleType(), ir.IntType(64), 64, 52, 1023)
FORMATS = {f.name: f for f in (FLOAT, DOUBLE)}


@cache
def has_fused() -> bool:
    """Whether the machine multiplies and adds in one instruction; x86 does since 2013."""
    return "+fma" in _features() or not llvm.get_process_triple().startswith("x86")


@cache
def has_scaling() -> bool:
    """Whether the machine multiplies by a power of two, whatever its exponent, in one."""
    return "+avx512vl" in _features()


def _features() -> list[str]:
    features = config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()
    return features.split(",")
