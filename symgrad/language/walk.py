"""Walks over expressions with an explicit stack: deep models would exhaust Python's recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Node = TypeVar("Node")


def postorder(roots: Iterable[Node], children: Callable[[Node], Sequence[Node]]) -> Iterator[Node]:
    """Every object reachable from the roots, once, after its children."""
    entered: set[int] = set()
    done: set[int] = set()
    stack = list(roots)[::-1]
    while stack:
        node = stack.pop()
        key = id(node)
        if key in done:
            continue
        below = () if key in entered else [c for c in children(node) if id(c) not in done]
        if below:  # the node comes back after what is below it
            entered.add(key)
            stack.append(node)
            stack.extend(below[::-1])
        else:
            done.add(key)
            yield node
