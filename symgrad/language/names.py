"""Names that users give: split where one call makes several symbols, and shown on one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def split_names(name: str, what: str) -> list[str]:
    """The names in a string, which are split at spaces; commas between them are ignored."""
    if not isinstance(name, str):
        raise TypeError(f"sg.{what} wants a name as a string, not {name!r}")
    names = [n.removesuffix(",") for n in name.split(" ")]
    names = [n for n in names if n]
    if not names:
        raise ValueError(f"sg.{what} wants a name, and {name!r} holds none")
    return names


def each_name(name: str, what: str, make: Callable[[str], Any]) -> Any:
    """What `make` makes of the name, or a tuple where the string holds several."""
    made = [make(n) for n in split_names(name, what)]
    return made[0] if len(made) == 1 else tuple(made)


def printable(name: str) -> str:
    """A user's name on one line, whatever characters it holds."""
    return name if name.isprintable() else ascii(name)[1:-1]
