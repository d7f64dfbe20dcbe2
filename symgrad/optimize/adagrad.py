"""Adagrad, with the meaning of torch.optim.Adagrad."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgrad.language.arguments import real, switch
from symgrad.language.symbols import step
from symgrad.optimize.numbers import checked, split
from symgrad.optimize.rule import Rule


def Adagrad(
    lr: Any = 0.01,
    lr_decay: Any = 0,
    weight_decay: Any = 0,
    initial_accumulator_value: float = 0,
    eps: Any = 1e-10,
    maximize: bool = False,
    lazy: bool | str = False,
) -> Rule:
    """Adagrad; every option means what it means to `torch.optim.Adagrad`.

        g <- (-g if maximize else g) + weight_decay p
        s <- s + g**2
        p <- p - lr/(1 + step lr_decay) g/(sqrt(s) + eps)

    The numbers are assignable later through `model.hyper`, or expressions in `sg.step`; where
    weight_decay or lr_decay is 0 here it stays out.  Without weight decay a step changes the rows
    of a table that it touches and no others; see `sg.Rule` for `lazy`.

    >>> import symgrad as sg
    >>> rule = sg.Adagrad(lr=0.1)
    """
    numbers = checked("Adagrad", {
        "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps,
    })  # fmt: skip
    start = real(initial_accumulator_value, "Adagrad: initial_accumulator_value")
    checked("Adagrad", {"initial_accumulator_value": start})
    maximize = switch(maximize, "Adagrad: maximize")
    kept, absent = split(numbers, ("lr_decay", "weight_decay"))

    def update(
        p: Any, g: Any, s: Any, *, lr: Any, eps: Any, lr_decay: Any = 0, weight_decay: Any = 0
    ) -> Any:
        g = (-g if maximize else g) + weight_decay * p
        s = s + g**2
        return p - lr / (1 + step * lr_decay) * g / (sp.sqrt(s) + eps), s

    limits = dict.fromkeys(kept, math.inf)
    return Rule(update, kept, {"s": start}, absent, "Adagrad", lazy, alike=True, limits=limits)
