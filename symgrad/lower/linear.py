"""A value as a sum of terms with scalar factors."""

from __future__ import annotations

from symgrad.lower.nodes import Node, is_scalar, is_steady

Term = tuple[tuple, Node]  # scalar factors, value


def linear_terms(x: Node) -> tuple[list[Term], list[Node]]:
    """x as a sum of terms with scalar factors, and the sums and multiples that it goes through."""
    terms: list[Term] = []
    chain: list[Node] = []
    stack: list[Term] = [((), x)]
    while stack:
        factors, y = stack.pop()
        inner = _linear(y) if (y is x or y.uses == 1) and y.extents else None
        if inner is None:
            terms.append((factors, y))
        else:
            chain.append(y)
            stack.extend(reversed([((*factors, *f), z) for f, z in inner]))
    return terms, chain


def _linear(y: Node) -> list[Term] | None:
    """The terms of one sum or multiple of values of its own shape."""
    if y.operation == "add" and all(isinstance(z, Node) and z.extents == y.extents
                                    for z in y.operands):  # fmt: skip
        return [((), z) for z in y.operands]
    if y.operation == "mul" and is_steady(y):
        factors = tuple(z for z in y.operands if is_scalar(z))
        rest = [z for z in y.operands if not is_scalar(z)]
        if len(rest) == 1 and rest[0].extents == y.extents and rest[0].lead == y.lead:
            return [(factors, rest[0])]
    return None
