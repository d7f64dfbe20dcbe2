"""Adam, with the meaning of torch.optim.Adam."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgrad.language.arguments import switch
from symgrad.language.symbols import step
from symgrad.optimize.numbers import checked, split
from symgrad.optimize.rule import Rule


def Adam(
    lr: Any = 0.001,
    betas: tuple[Any, Any] = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    amsgrad: bool = False,
    maximize: bool = False,
    lazy: bool | str = False,
) -> Rule:
    """Adam; every option means what it means to `torch.optim.Adam`.

        g <- (-g if maximize else g) + weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g**2                       with amsgrad: top <- max(top, v)
        p <- p - lr m/(1 - beta1**t) / (sqrt(v/(1 - beta2**t)) + eps)      t = 1, 2, ...

    The numbers, `beta1` and `beta2` among them, are assignable later through `model.hyper`, or
    expressions in `sg.step`; where weight_decay is 0 here it stays out.  Rows of tables that a step
    does not touch move on by their m; see `sg.Rule` for `lazy`.

    >>> import symgrad as sg
    >>> rule = sg.Adam(lr=0.01)
    """
    try:
        beta1, beta2 = betas
    except (TypeError, ValueError):
        raise TypeError(f"Adam: betas are two numbers below 1, not {betas!r}") from None
    numbers = checked("Adam", {
        "lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay,
    }, {"beta1": 1, "beta2": 1})  # fmt: skip
    amsgrad, maximize = switch(amsgrad, "Adam: amsgrad"), switch(maximize, "Adam: maximize")
    kept, absent = split(numbers, ("weight_decay",))

    def update(
        p: Any, g: Any, m: Any, v: Any, top: Any = None, *,
        lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any = 0,
    ) -> Any:  # fmt: skip
        g = (-g if maximize else g) + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        highest = v if top is None else sp.Max(top, v)
        t = step + 1
        below = sp.sqrt(highest) / sp.sqrt(1 - beta2**t) + eps
        new = p - lr / (1 - beta1**t) * m / below
        return (new, m, v) if top is None else (new, m, v, highest)

    state = {"m": 0.0, "v": 0.0, **({"top": 0.0} if amsgrad else {})}
    limits = dict.fromkeys(kept, math.inf) | {"beta1": 1.0, "beta2": 1.0}
    return Rule(update, kept, state, absent, "Adam", lazy, alike=True, limits=limits)
