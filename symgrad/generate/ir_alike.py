"""Blocks that compute the same on other arrays: one body serves them all.

The layers of a deep network differ in the names of their arrays and in nothing else.  LLVM takes
milliseconds for each body, and so compiles one for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import count

from symgrad.generate.ir_block import Block

NAME = re.compile(r"%[\w.]+")


def texts(
    blocks: Iterable[Block], called: Container[str], words: Mapping[str, int]
) -> Iterator[str]:
    """The assembly of blocks in their order, a body where it is the first of its kind.

    called: the blocks that numba source calls; words: of arrays in the run's table, by their names
    """
    blocks = list(blocks)
    sizes = [len(block.lines.body) for block in blocks]
    known: dict[str, str] = {}  # a body without the names of its values -> who has it
    for block, size in zip(blocks, sizes, strict=True):
        first = block.name
        if sizes.count(size) > 1:  # else nothing is like it, and a long text is not looked through
            first = known.setdefault(_nameless(block), block.name)
        # LLVM puts the others where they are called, and forgets them
        linkage = "hidden" if block.name in called else "internal"
        yield block.head(f"{first}.body", linkage, words)
        if first == block.name:
            yield block.body


def _nameless(block: Block) -> str:
    """The body with numbers for names, in the order in which they come, and without remarks."""
    numbers = count()
    known: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        name = found.group()
        if name not in known:
            known[name] = f"%{next(numbers)}"
        return known[name]

    lines = block.body.replace(f"@{block.name}.", "@").splitlines()
    return NAME.sub(number, "\n".join(line for line in lines if not line.startswith("  ;")))
