"""Functions for which LLVM's passes have nothing left to do: their text says so.

They compute on values in memory that nobody else knows: what each loads, keeps in registers and
stores has been decided when they were written.  Most of a large program are such functions.
"""

from __future__ import annotations

import re

READY = '"ready"'  # an attribute, which LLVM does not know
FUNCTION = re.compile(rf"^define internal (void @[^{{\n]*) {READY} {{$.*?^}}$\n", re.M | re.S)


def apart(assembly: str) -> tuple[str, str]:
    """The text with declarations instead of its ready functions, and these.

    >>> apart('define internal void @f(i64 %n) "ready" {\\n  ret void\\n}\\n')
    ('declare hidden void @f(i64 %n)\\n', 'define hidden void @f(i64 %n) {\\n  ret void\\n}\\n')
    """
    ready: list[str] = []

    def declared(found: re.Match[str]) -> str:
        text = found.group().replace("define internal", "define hidden", 1)
        ready.append(text.replace(f" {READY}", "", 1))
        return f"declare hidden {found[1]}\n"

    return FUNCTION.sub(declared, assembly), "".join(ready)
