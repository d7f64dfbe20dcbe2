"""What lowering is told of the processor that a kernel will run on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Processor:
    """One core; a common one where nothing is said.

    multiplied: bytes of operands that multiply-adds take a cycle
    second:     bytes of the second-level cache
    """

    multiplied: int = 64
    second: int = 1024**2
