"""Express: a block's names back as SymPy expressions, as a person would write them.

Values that are used once are written where they are used.  What the user named keeps its name;
adjoints of named values are named after them (`h1_bar`); other values get a name only where
writing them out again would make the text long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy as sp
from sympy.core.parameters import distribute

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.capture import ARITHMETIC
from symgrad.language.choice import choose
from symgrad.language.row import TABLE
from symgrad.language.steady import LOW, SCALE, logistic
from symgrad.language.symbols import let
from symgrad.language.tensor import HEADS, describe
from symgrad.language.views import broadcast_to
from symgrad.language.walk import postorder

ADJOINT = "_bar"
LONG = 60  # nodes of an expression that is written out again where it is used again


class Expressions:
    """The expressions of a block's names, made once each."""

    def __init__(self, block: Block, known: Mapping[Name, sp.Expr] | None = None) -> None:
        self.known = dict(known or {})  # names that stand for expressions already: the user's lets
        self.symbols = {name: symbol for symbol, name in block.inputs.items()}
        self.equations = {e.name: e for e in block.equations}
        self.made: dict[Operand, sp.Expr] = {}
        self.length: dict[Operand, int] = {}
        self.uses: dict[Operand, int] = {}
        self.several = False  # of several expressions: adjoints of named values stand above them

    def of(self, operands: Iterable[Operand]) -> list[sp.Expr]:
        """The expressions of operands, sharing named values among all of them."""
        roots = list(operands)
        self.several = self.several or len(roots) > 1
        order = list(postorder(roots, self._children))
        for x in roots:
            self.uses[x] = self.uses.get(x, 0) + 1
        for x in order:
            for child in self._children(x):
                self.uses[child] = self.uses.get(child, 0) + 1
        for x in order:
            if x not in self.made:
                self.made[x] = self._express(x)
        return [self.made[x] for x in roots]

    def _children(self, x: Operand) -> tuple[Operand, ...]:
        if not isinstance(x, Name) or x in self.known or x in self.symbols or x in self.made:
            return ()
        return self.equations[x].operands

    def _express(self, x: Operand) -> sp.Expr:
        self.length[x] = 1
        if not isinstance(x, Name):
            return x
        if x in self.known or x in self.symbols:
            return self.known.get(x) or self.symbols[x]
        equation = self.equations[x]
        value = express(equation, [self._operand(c, equation) for c in equation.operands])
        length = 1 + sum(self.length[c] for c in equation.operands)
        shared = self.uses[x] > 1
        long = length > LONG
        named = x.label and (shared or long or self.several or not x.label.endswith(ADJOINT))
        if value.args and (named or (shared and long)):
            return let(x.label or "t", value)
        self.length[x] = length
        return value

    def _operand(self, x: Operand, equation: Equation) -> sp.Expr:
        """Where shapes are not broadcast, an operand has its own, though SymPy folded it (x = x
        is true)."""
        value = self.made[x]
        structured = TABLE[equation.operation].shape is not None
        if structured and isinstance(x, Name) and describe(value)[0] == () != x.shape:
            return broadcast_to(value, x.shape)
        return value


def express(equation: Equation, operands: list[Any]) -> sp.Expr:
    """One equation's right-hand side, with these operands."""
    make = SPECIAL.get(equation.operation) or CLASSES[equation.operation]
    # SymPy writes 2*(a + b) as 2*a + 2*b; functions, which take signs out, need -(a + b) so
    with distribute(equation.operation not in ARITHMETIC):
        return make(*operands, **dict(equation.attributes))


def _log1p(x: sp.Expr) -> sp.Expr:
    return sp.log(1 + x)


SPECIAL: dict[str, Callable[..., sp.Expr]] = {
    "select": choose,
    "log1p": _log1p,
    "expm1": lambda x: sp.exp(x) - 1,
    "exp_product": lambda a, b: sp.exp(a * b),
    "scaled_sigmoid": lambda x: logistic(x) * choose(x < LOW, 2**SCALE, 1),
    "unscaled": lambda a, s, x: a * s * choose(x < LOW, sp.Rational(1, 2**SCALE), 1),
    "logistic_slope": lambda x: logistic(x) * logistic(-x),
    "root_sum": lambda x, c: sp.sqrt(x**2 + c),
    "root_slope": lambda x, c: x / sp.sqrt(x**2 + c),
}


class _Classes(dict):
    """Operation -> the SymPy class that stands for it: HEADS, the other way round."""

    def __missing__(self, operation: str) -> Any:
        self.update({name: head for head, name in HEADS.items() if name not in self})
        return self[operation] if operation in self else _no_class(operation)


def _no_class(operation: str) -> Any:
    raise KeyError(f"the operation {operation!r} has no SymPy class to be written with")


CLASSES = _Classes()
