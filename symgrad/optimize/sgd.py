"""Stochastic gradient descent, with the meaning of torch.optim.SGD."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgrad.language.arguments import switch
from symgrad.language.symbols import step
from symgrad.optimize.numbers import checked, split
from symgrad.optimize.rule import Rule


def SGD(
    lr: Any,
    momentum: Any = 0,
    dampening: Any = 0,
    weight_decay: Any = 0,
    nesterov: bool = False,
    maximize: bool = False,
    lazy: bool | str = False,
) -> Rule:
    """Stochastic gradient descent; every option means what it means to `torch.optim.SGD`.

        g <- (-g if maximize else g) + weight_decay p
        v <- g in the first step, else momentum v + (1 - dampening) g
        p <- p - lr (g + momentum v if nesterov else v)      without momentum: p - lr g

    lr, momentum, dampening and weight_decay are numbers from 0, assignable later through
    `model.hyper`, or expressions in `sg.step` (updates made so far).  What is 0 here is left out of
    the kernel, and stays out.

    lazy: how rows of tables are updated that a step does not touch (see `sg.Rule`).  Without
    momentum and weight decay they do not change, and lazy makes no difference.

    >>> import symgrad as sg
    >>> rule = sg.SGD(lr=0.1 / (1 + sg.step / 100), momentum=0.9)
    """
    numbers = checked("SGD", {
        "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
    })  # fmt: skip
    kept, absent = split(numbers, ("momentum", "dampening", "weight_decay"))
    if "momentum" in absent:  # torch ignores the dampening then
        absent["dampening"] = kept.pop("dampening", 0.0)
    nesterov, maximize = switch(nesterov, "SGD: nesterov"), switch(maximize, "SGD: maximize")
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

    state = {} if "momentum" in absent else {"v": 0.0}
    limits = dict.fromkeys(kept, math.inf)
    return Rule(update, kept, state, absent, "SGD", lazy, alike=True, limits=limits)
