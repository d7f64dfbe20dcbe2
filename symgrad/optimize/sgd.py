"""Stochastic gradient descent, with the meaning of torch.optim.SGD."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgrad.language.symbols import step
from symgrad.optimize.rule import Rule


def SGD(
    lr: Any,
    momentum: Any = 0,
    dampening: Any = 0,
    weight_decay: Any = 0,
    nesterov: bool = False,
    maximize: bool = False,
) -> Rule:
    """Stochastic gradient descent; every option means what it means to `torch.optim.SGD`.

        g <- (-g if maximize else g) + weight_decay p
        v <- g in the first step, else momentum v + (1 - dampening) g
        p <- p - lr (g + momentum v if nesterov else v)      without momentum: p - lr g

    lr, momentum, dampening and weight_decay are numbers from 0, assignable later through
    `model.hyper`, or expressions in `sg.step` (updates made so far).  What is 0 here is left out of
    the kernel, and stays out.

    >>> import symgrad as sg
    >>> rule = sg.SGD(lr=0.1 / (1 + sg.step / 100), momentum=0.9)
    """
    given = {
        "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
    }  # fmt: skip
    numbers = {name: _number(name, value) for name, value in given.items()}
    absent = {name: value for name, value in numbers.items() if name != "lr" and value == 0}
    if "momentum" in absent:
        absent["dampening"] = numbers["dampening"]  # torch ignores it then
    if nesterov and ("momentum" in absent or "dampening" not in absent):
        raise ValueError(
            "SGD: nesterov wants a momentum above 0 and no dampening; momentum is "
            f"{momentum} and dampening {dampening}"
        )

    def update(
        p: Any, g: Any, v: Any = None, *,
        lr: Any, momentum: Any = None, dampening: Any = 0, weight_decay: Any = 0,
    ) -> Any:  # fmt: skip
        g = (-g if maximize else g) + weight_decay * p
        if v is None:
            return p - lr * g
        fresh = 1 if dampening == 0 else sp.Piecewise((1, sp.Eq(step, 0)), (1 - dampening, True))
        v = momentum * v + fresh * g  # v starts at 0: the first v is g
        return p - lr * (g + momentum * v if nesterov else v), v

    kept = {name: value for name, value in numbers.items() if name not in absent}
    state = {} if "momentum" in absent else {"v": 0.0}
    return Rule(update, kept, state, absent, "SGD")


def _number(name: str, value: Any) -> Any:
    """A number from 0 on, or an expression that is not one."""
    if isinstance(value, sp.Expr) and not value.is_number:
        return value
    if isinstance(value, bool | str):
        raise TypeError(f"SGD: {name} is a number or an expression in sg.step, not {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"SGD: {name} is a number or an expression in sg.step, not {value!r}"
        ) from None
    if not 0 <= number < math.inf:
        raise ValueError(f"SGD: {name} is {number:g}, and should be a finite number from 0 on")
    return number
