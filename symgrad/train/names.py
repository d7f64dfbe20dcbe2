"""Names that a user gives: looked up with a suggestion where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class UnknownName(KeyError):
    """A name that the model does not have.  Unlike KeyError's, its text is plain prose."""

    def __str__(self) -> str:
        return str(self.args[0])


def lookup(table: Mapping[str, Any], name: Any, what: str) -> Any:
    """table[name], or UnknownName that says what there is."""
    try:
        return table[name]
    except (KeyError, TypeError):
        raise UnknownName(unknown(what, name, table)) from None


def unknown(what: str, name: Any, known: Iterable[str]) -> str:
    """The sentence for a name that is not among the known ones."""
    known = list(known)
    hint = f"; did you mean {near!r}?" if (near := nearest(name, known)) else ""
    there = ", ".join(map(repr, known)) if known else "none"
    return f"no {what} is called {name!r}{hint} (there {'is' if len(known) < 2 else 'are'} {there})"


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, whatever its case."""
    import difflib

    folded = {k.casefold(): k for k in known}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=1)
    return folded[near[0]] if near else None
