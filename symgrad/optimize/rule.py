"""An optimiser is one row: its numbers, its state, and the update as an expression.

sg.Rule(lambda p, g, lr: p - lr*g, numbers={"lr": 0.1})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgrad.language import symbols
from symgrad.language.arguments import real
from symgrad.optimize.numbers import check

LAZY = (False, True, "catch_up")


class DenseUpdateWarning(UserWarning):
    """A table whose rows are looked up by data is updated, or its gradient held, as a whole."""


@dataclass(frozen=True, eq=False)
class Rule:
    """How a parameter follows its gradient.

    update:   called once for each parameter p with SymPy symbols of p's shape: p itself, its
              gradient g, and, by keyword, every state and number under its own name.  Returns p's
              new value, or a tuple of it and the states' new values in their order.  It may use
              `sg.step` (updates made so far, from 0) and any `sg.hyper`
    numbers:  name -> value.  A number becomes a hyper, assignable in `model.hyper` without
              compiling again; an expression (a schedule in `sg.step`) is compiled in
    state:    name -> initial value; each parameter has its own, of the parameter's shape
    absent:   name -> its fixed number, for numbers the rule was built without: assigning another
              value later is an error
    name:     for people
    lazy:     what a step does with the rows of a table that it does not touch (`P[u]`, and u does
              not name them).  A rule that changes neither p nor a state where g = 0 leaves them
              alone, which is exact.  Any other rule moves them on, too, and False does so: every
              step then costs the whole table, and a DenseUpdateWarning says so.
              True updates the touched rows only: the others keep parameter and state as they are
              and miss the decay and the momentum of these steps, so that training differs.
              "catch_up" is exact again: what a row missed is applied in closed form when it is next
              touched, or read.  It wants a rule that is linear where g = 0, with numbers that do
              not depend on the step (SGD with weight decay and momentum)
    limits:   name -> what a number from 0 on stays below; `model.hyper` refuses others, too
    alike:    the update looks at nothing of p but its shape: of parameters of one shape, only the
              first is asked for

    All right-hand sides read values from before the step.

    >>> import symgrad as sg
    >>> def heavy_ball(p, g, v, lr, mu):
    ...     v = mu * v + g
    ...     return p - lr * v, v
    >>> rule = sg.Rule(heavy_ball, numbers={"lr": 0.1, "mu": 0.9}, state={"v": 0})
    """

    update: Callable[..., Any]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, float] = field(default_factory=dict)
    name: str = "rule"
    lazy: bool | str = False
    alike: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.update):
            raise TypeError(f"a rule's update is a function of p and g, not {self.update!r}")
        if type(self.lazy) not in (bool, str) or self.lazy not in LAZY:
            raise ValueError(f"{self.name}: lazy is False, True or 'catch_up', not {self.lazy!r}")
        for what in ("numbers", "state", "absent", "limits"):
            if not isinstance(given := getattr(self, what), Mapping):
                raise TypeError(f"{self.name}: {what} are values by name, not {given!r}")
            if wrong := [name for name in given if not isinstance(name, str)]:
                raise TypeError(f"{self.name}: a name in {what} is a string, not {wrong[0]!r}")
        for state, value in self.state.items():
            real(value, f"{self.name}: the first value of {state!r}")
        clash = sorted(set(self.numbers).intersection({*self.state, *self.absent}))
        if clash:
            raise ValueError(f"{self.name}: {clash[0]!r} names two things")

    def check(self, name: str, number: Any) -> None:
        """Raise ValueError where a number that has limits is beyond them."""
        if name in self.limits:
            check(self.name, name, float(number), self.limits[name])

    def arguments(self) -> dict[str, sp.Expr]:
        """The numbers as the update sees them: a hyper each, or the expression that was given."""
        return {
            name: value
            if isinstance(value, sp.Expr)
            else symbols.hyper(f"{self.name}.{name}", value)
            for name, value in self.numbers.items()
        }

    def new_values(
        self, p: sp.Expr, g: sp.Expr, state: Mapping[str, sp.Expr], numbers: Mapping[str, sp.Expr]
    ) -> tuple[sp.Expr, dict[str, sp.Expr]]:
        """The new value of p and of each of its states, as expressions."""
        result = self.update(p, g, **state, **numbers)
        values = result if isinstance(result, tuple) else (result,)
        if len(values) != 1 + len(self.state):
            raise ValueError(
                f"{self.name}: the update gives {len(values)} values and should give "
                f"{1 + len(self.state)}: the parameter's, then "
                + (f"those of {', '.join(self.state)}" if self.state else "nothing else")
            )
        for value in values:
            if not isinstance(value, sp.Expr | int | float):
                raise TypeError(f"{self.name}: the update gives {value!r}, not an expression")
        new, *states = (sp.sympify(value) for value in values)
        return new, dict(zip(self.state, states, strict=True))


def as_rule(optimizer: Any) -> Rule:
    """A rule as it is; a bare function of p and g becomes one."""
    if isinstance(optimizer, Rule):
        return optimizer
    if callable(optimizer) and not isinstance(optimizer, type):
        if optimizer.__module__.startswith("symgrad.optimize"):
            name = getattr(optimizer, "__name__", "rule")
            raise TypeError(f"sg.{name} makes an optimiser when it is called: sg.{name}(lr=0.01)")
        return Rule(optimizer, name=getattr(optimizer, "__name__", "rule"))
    raise TypeError(
        f"optimizer wants sg.SGD(lr=...), an sg.Rule or a function of p and g, not {optimizer!r}"
    )
