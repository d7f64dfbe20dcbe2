"""RMSprop, with the meaning of torch.optim.RMSprop."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgrad.language.arguments import switch
from symgrad.optimize.numbers import checked, split
from symgrad.optimize.rule import Rule


def RMSprop(
    lr: Any = 0.01,
    alpha: Any = 0.99,
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    momentum: Any = 0,
    centered: bool = False,
    maximize: bool = False,
    lazy: bool | str = False,
) -> Rule:
    """RMSprop; every option means what it means to `torch.optim.RMSprop`.

        g <- (-g if maximize else g) + weight_decay p
        v <- alpha v + (1 - alpha) g**2
        d <- sqrt(v) + eps      centered: m <- alpha m + (1 - alpha) g, d <- sqrt(v - m**2) + eps
        p <- p - lr g/d         with momentum: u <- momentum u + g/d, p <- p - lr u

    The numbers are assignable later through `model.hyper`, or expressions in `sg.step`; where
    weight_decay or momentum is 0 here it stays out.  Rows of tables that a step does not touch keep
    their parameters without momentum, but not their v; see `sg.Rule` for `lazy`.

    >>> import symgrad as sg
    >>> rule = sg.RMSprop(lr=0.01, momentum=0.9)
    """
    numbers = checked("RMSprop", {
        "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
    })  # fmt: skip
    centered, maximize = (
        switch(centered, "RMSprop: centered"),
        switch(maximize, "RMSprop: maximize"),
    )
    kept, absent = split(numbers, ("weight_decay", "momentum"))

    def update(
        p: Any, g: Any, v: Any, m: Any = None, u: Any = None, *,
        lr: Any, alpha: Any, eps: Any, weight_decay: Any = 0, momentum: Any = 0,
    ) -> Any:  # fmt: skip
        g = (-g if maximize else g) + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        new = {"v": v}
        if m is not None:
            new["m"] = m = alpha * m + (1 - alpha) * g
        by = g / (sp.sqrt(v - m**2 if m is not None else v) + eps)
        if u is not None:
            new["u"] = by = momentum * u + by
        return (p - lr * by, *new.values())

    names = ["v", *(["m"] if centered else []), *([] if "momentum" in absent else ["u"])]
    limits = dict.fromkeys(kept, math.inf)
    state = dict.fromkeys(names, 0.0)
    return Rule(update, kept, state, absent, "RMSprop", lazy, alike=True, limits=limits)
