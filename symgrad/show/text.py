"""Expressions, gradients and blocks as text that a person reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from symgrad.calculus.block import Block, Name
from symgrad.language.names import printable as printable
from symgrad.language.symbols import Let
from symgrad.language.walk import postorder


class TextPrinter(StrPrinter):
    """SymPy's text printer; lets that share a name are numbered."""

    def __init__(self, names: Mapping[Let, str]) -> None:
        super().__init__({"order": None})
        self.names = names

    def _print(self, expr: Any, **options: Any) -> str:
        """Before SymPy asks the let itself, which knows nothing of the others."""
        return self.names.get(expr) or super()._print(expr, **options)


def lets_of(expressions: Iterable[sp.Expr]) -> list[Let]:
    """The named lets that expressions are written with, each after those it uses."""
    found = postorder(
        list(expressions), lambda e: (e.definition,) if isinstance(e, Let) else e.args
    )
    return list(dict.fromkeys(e for e in found if isinstance(e, Let) and e.name))


def numbered(lets: Iterable[Let], taken: Iterable[str] = ()) -> dict[Let, str]:
    """A distinct name for each let: those that share one, or take a symbol's, are numbered."""
    by_name: dict[str, list[Let]] = {}
    for e in lets:
        by_name.setdefault(printable(e.name), []).append(e)
    used = {*by_name, *taken}
    names: dict[Let, str] = {}
    for name, same in by_name.items():
        if len(same) == 1 and name not in taken:
            names[same[0]] = name
            continue
        free = (f"{name}{k}" for k in itertools.count(1) if f"{name}{k}" not in used)
        names.update(zip(same, free, strict=False))
    return names


def taken_names(lines: Iterable[sp.Expr]) -> set[str]:
    """The names of the symbols, other than lets, that expressions are written with."""
    symbols = set().union(*(e.free_symbols for e in lines))
    return {printable(s.name) for s in symbols if not isinstance(s, Let)}


def equations_text(lines: Mapping[str, sp.Expr], sign: str = " = ") -> str:
    """The lets that the right-hand sides use, as equations, then the lines themselves."""
    lets = lets_of(lines.values())
    names = numbered(lets, taken_names(lines.values()))
    printer = TextPrinter(names)
    rows = [(names[e], " = ", e.definition) for e in lets]
    rows += [(left, sign, right) for left, right in lines.items()]
    return "\n".join(f"{left}{mark}{printer.doprint(right)}" for left, mark, right in rows)


def gradient_text(parts: Mapping[sp.Symbol, sp.Expr]) -> str:
    return equations_text({printable(s.name): e for s, e in parts.items()}, ": ")


def block_text(block: Block) -> str:
    """A block, an equation a line: what it reads, computes, gives and assigns.

    Names without a label are numbered in the order of their equations.
    """
    names = block_names(block)

    def shown(x: object) -> str:
        return names[x] if isinstance(x, Name) else ":" if x is None else str(x)

    lines = [f"input {_typed(n, names)}" for n in block.inputs.values()]
    for e in block.equations:
        options = [f"{k}={v}" for k, v in e.attributes]
        arguments = ", ".join([*map(shown, e.operands), *options])
        lines.append(f"{_typed(e.name, names)} = {e.operation}({arguments})")
    lines += [f"output {printable(k)} = {names[n]}" for k, n in block.outputs.items()]
    for s, n in block.writes.items():
        lists = ["[" + ", ".join(map(shown, i)) + "]" for i in block.rows.get(s, ())]
        only = f" in the rows {' '.join(lists)}" if lists else ""
        lines.append(f"{printable(s.name)} := {names[n]}{only}")
    return "\n".join(lines)


def block_names(block: Block) -> dict[Name, str]:
    """A distinct text for every name of a block."""
    names: dict[Name, str] = {}
    taken: set[str] = set()
    for k, name in enumerate([*block.inputs.values(), *(e.name for e in block.equations)]):
        text = printable(name.label) or f"v{k}"
        while text in taken:
            text = f"{text}_{k}"
        taken.add(text)
        names[name] = text
    return names


def _typed(name: Name, names: Mapping[Name, str]) -> str:
    """`h1: sample float (10,)`"""
    level = "sample " if name.per_sample else ""
    return f"{names[name]}: {level}{name.kind} {name.shape}"
