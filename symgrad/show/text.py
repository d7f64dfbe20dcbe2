"""Expressions, gradients and blocks as text that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy as sp
from sympy.printing.str import StrPrinter

from symgrad.calculus.block import Block, Name
from symgrad.language.symbols import Let
from symgrad.language.walk import postorder


class TextPrinter(StrPrinter):
    """SymPy's text printer; lets that share a name are numbered."""

    def __init__(self, names: Mapping[Let, str]) -> None:
        super().__init__({"order": None})
        self.names = names

    def _print_Let(self, e: Let) -> str:
        return self.names.get(e) or e._sympystr(self)


def lets_of(expressions: Iterable[sp.Expr]) -> list[Let]:
    """The named lets that expressions are written with, each after those it uses."""
    found = postorder(
        list(expressions), lambda e: (e.definition,) if isinstance(e, Let) else e.args
    )
    return list(dict.fromkeys(e for e in found if isinstance(e, Let) and e.name))


def numbered(lets: Iterable[Let]) -> dict[Let, str]:
    """A name for each let; those of equal name are numbered."""
    by_name: dict[str, list[Let]] = {}
    for e in lets:
        by_name.setdefault(e.name, []).append(e)
    return {
        e: name if len(same) == 1 else f"{name}{k}"
        for name, same in by_name.items()
        for k, e in enumerate(same, 1)
    }


def equations_text(lines: Mapping[str, sp.Expr], sign: str = " = ") -> str:
    """The lets that the right-hand sides use, as equations, then the lines themselves."""
    lets = lets_of(lines.values())
    names = numbered(lets)
    printer = TextPrinter(names)
    rows = [(names[e], " = ", e.definition) for e in lets]
    rows += [(left, sign, right) for left, right in lines.items()]
    return "\n".join(f"{left}{mark}{printer.doprint(right)}" for left, mark, right in rows)


def gradient_text(parts: Mapping[sp.Symbol, sp.Expr]) -> str:
    return equations_text({printable(s.name): e for s, e in parts.items()}, ": ")


def printable(name: str) -> str:
    """A user's name on one line, whatever characters it holds."""
    return name if name.isprintable() else ascii(name)[1:-1]


def block_text(block: Block) -> str:
    """A block, an equation a line: what it reads, computes, gives and assigns.

    Names without a label are numbered in the order of their equations.
    """
    names = block_names(block)

    def shown(x: object) -> str:
        return names[x] if isinstance(x, Name) else str(x)

    lines = [f"input {_typed(n, names)}" for n in block.inputs.values()]
    for e in block.equations:
        options = [f"{k}={v}" for k, v in e.attributes]
        arguments = ", ".join([*map(shown, e.operands), *options])
        lines.append(f"{_typed(e.name, names)} = {e.operation}({arguments})")
    lines += [f"output {printable(k)} = {names[n]}" for k, n in block.outputs.items()]
    lines += [f"{printable(s.name)} := {names[n]}" for s, n in block.writes.items()]
    return "\n".join(lines)


def block_names(block: Block) -> dict[Name, str]:
    """A distinct text for every name of a block."""
    names: dict[Name, str] = {}
    taken: set[str] = set()
    for k, name in enumerate([*block.inputs.values(), *(e.name for e in block.equations)]):
        text = printable(name.label) or f"v{k}"
        if text in taken:
            text = f"{text}_{k}"
        taken.add(text)
        names[name] = text
    return names


def _typed(name: Name, names: Mapping[Name, str]) -> str:
    """`h1: sample float (10,)`"""
    level = "sample " if name.per_sample else ""
    return f"{names[name]}: {level}{name.kind} {name.shape}"
