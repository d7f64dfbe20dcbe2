"""Generated code and what it needs to run."""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.lower.kernel import Buffer


@dataclass(frozen=True, eq=False)
class Source:
    """A module's text with one entry point.

    entry:    the function to call
    buffers:  the arrays it takes after its integers, in order
    modules:  the symgrad modules that the text imports; they belong in the key of any cache
    """

    text: str
    entry: str
    buffers: tuple[Buffer, ...]
    modules: tuple[str, ...]
    dtype: str
    batch_size: int
