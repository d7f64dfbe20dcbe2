"""A node as a line of mathematics, for the comments beside generated loops."""

from __future__ import annotations

from collections.abc import Callable

from symgrad.lower.nodes import Node, Operand

DEEPEST = 4  # operations inside one another before they are left out
Shown = tuple[str, bool]  # text, and whether it needs brackets inside an operation


def formula(x: Node) -> str:
    """`h = tanh(W @ x + b)`, or the right-hand side alone where x has no name."""
    right = _shown(x, DEEPEST, top=True)[0]
    return f"{x.label} = {right}" if x.label and x.operation != "input" else right


def _shown(x: Operand, depth: int, top: bool = False) -> Shown:
    if not isinstance(x, Node):
        whole = x.is_Integer and x >= 0
        return f"{float(x):g}" if x.is_Float else str(x), not (x.is_Symbol or x.is_Float or whole)
    if x.label and not top:
        return x.label, False
    if not depth:
        return "...", False
    if x.operation in FORMS:
        return FORMS[x.operation](x, depth - 1)
    if x.operation in TRANSPARENT:
        return _shown(x.operands[0], depth, top=True)
    return f"{x.operation}({_list(x, depth - 1)})", False


def _list(x: Node, depth: int) -> str:
    return ", ".join(_shown(y, depth)[0] for y in x.operands)


def _within(x: Operand, depth: int) -> str:
    text, brackets = _shown(x, depth)
    return f"({text})" if brackets else text


def _add(x: Node, depth: int) -> Shown:
    text = " + ".join(_shown(y, depth)[0] for y in x.operands)
    return text.replace("+ -", "- "), True


def _mul(x: Node, depth: int) -> Shown:
    first, *rest = x.operands
    if isinstance(first, Node):
        return "*".join(_within(y, depth) for y in x.operands), False
    sign = "-" if first == -1 else f"{_shown(first, depth)[0]}*"
    return sign + "*".join(_within(y, depth) for y in rest), sign.startswith("-")


def _pow(x: Node, depth: int) -> Shown:
    base, exponent = x.operands
    return f"{_within(base, depth)}**{_within(exponent, depth)}", False


def _einsum(x: Node, depth: int) -> Shown:
    return " @ ".join(_within(y, depth) for y in x.operands), True


def _gather(x: Node, depth: int) -> Shown:
    table, *index = x.operands
    return f"{_within(table, depth)}[{', '.join(_shown(y, depth)[0] for y in index)}]", False


def _transpose(x: Node, depth: int) -> Shown:
    return f"{_within(x.operands[0], depth)}.T", False


def _total(x: Node, depth: int) -> Shown:
    return f"sum of {_within(x.operands[0], depth)} over samples", True


FORMS: dict[str, Callable[[Node, int], Shown]] = {
    "add": _add, "mul": _mul, "pow": _pow, "einsum": _einsum, "gather": _gather,
    "transpose": _transpose, "total": _total,
}  # fmt: skip
TRANSPARENT = frozenset({"broadcast_to", "reshape", "own"})
