"""Names and lines of generated code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from symgrad.lower.kernel import REMARK, Buffer

LONGEST = 16  # characters of a label in a name


def suffix(label: str) -> str:
    r"""The part of a label that may stand in code: ASCII letters and digits.

    >>> suffix("h1"), suffix('__import__("os")'), suffix("\uff58")
    ('_h1', '_importos', '')
    """
    kept = re.sub(r"[^A-Za-z0-9]", "", label)[:LONGEST]
    return f"_{kept}" if kept else ""


def remark(text: str) -> str:
    """Text that may stand in a comment: printable ASCII on one line.

    >>> remark("a\\nimport os")
    'a?import os'
    """
    return re.sub(r"[^ -~]", "?", text)[:REMARK]


class Names:
    """A name for each buffer, numbered in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._known: dict[Buffer, str] = {}

    def __call__(self, buffer: Buffer) -> str:
        home = buffer.home
        if home.role == "batch_size":
            return "n"
        if home not in self._known:
            letter = "v" if home.role == "scratch" else home.role[0]
            self._known[home] = f"{letter}{len(self._known)}{suffix(home.label)}"
        return self._known[home]

    def set(self, buffer: Buffer, name: str) -> None:
        self._known[buffer] = name

    def array(self, buffer: Buffer) -> str:
        """The whole array's name, where `names(buffer)` is its memory or its number."""
        return f"{self(buffer)}_array"


class Lines:
    """Indented lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def add(self, *lines: str) -> None:
        self._lines += ["    " * self._depth + line if line else "" for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.add(head)
        self._depth += 1
        yield
        self._depth -= 1

    @property
    def text(self) -> str:
        return "\n".join(self._lines) + "\n"
