"""The compile driver: from a loss to a model that trains, one line a stage."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.capture import capture
from symgrad.calculus.columns import read_by_columns
from symgrad.calculus.draws import check_draws, seed_word
from symgrad.calculus.ragged import by_entries
from symgrad.calculus.update import Applied, apply_rule
from symgrad.language.free_memory import check_free
from symgrad.language.symbols import seed as SEED
from symgrad.language.symbols import step
from symgrad.optimize.rule import DenseUpdateWarning, Rule, as_rule
from symgrad.train.cast import Cast, choose
from symgrad.train.memory import (
    by_columns,
    constants,
    filled,
    held_by_columns,
    hypers,
    starting_values,
)
from symgrad.train.model import Model
from symgrad.train.objective import Objective, check_loss, differentiate, over_the_batch
from symgrad.train.programs import Programs
from symgrad.train.settings import Settings, check_settings
from symgrad.train.sizes import unsized
from symgrad.train.targets import Executables
from symgrad.train.written import read_model


def compile(
    loss: Any,
    optimizer: Any = None,
    outputs: Mapping[str, Any] | None = None,
    parameters: Any = None,
    reduction: str = "mean",
    samples: Any = None,
    updates: Mapping[Any, Any] | None = None,
    share: Model | None = None,
    dtype: Any = "float32",
    target: str = "cpu",
    seed: int = 0,
) -> Model:
    """A model that minimises E[loss], the mean over the mini-batch.

    loss:        one sample's, a scalar.  Where nothing in it is per sample it is taken as it stands
    optimizer:   `sg.SGD(lr)`, an `sg.Rule`, or a function of p and g that gives p's new value;
                 None for a model that is only evaluated
    outputs:     label -> expression, for `model.predict`
    parameters:  the symbols to train, others keep their values; {symbol: init} sets how they start.
                 SymPy symbols that are not named here are data.  By default: every sg.parameter
    reduction:   "mean", or "sum" to minimise n E[loss]
    samples:     in a model of MatrixSymbols, the dimension that counts samples
    updates:     state -> new value, assigned with the update
    share:       another model: parameters that both have are the same arrays
    dtype:       "float32" or "float64"
    target:      "cpu", or "reference" (NumPy, no compiler)
    seed:        decides initial values, the order of samples and random draws

    Nothing is compiled for a batch size before its first use.

    >>> import symgrad as sg
    >>> x, y = sg.data("x y")
    >>> w, b = sg.parameter("w b")
    >>> model = sg.compile((w*x + b - y)**2, sg.SGD(lr=0.1), target="reference")
    >>> model.step({"x": [1, 2], "y": [3, 5]})
    17.0
    >>> round(model.parameters["w"].item(), 6)
    1.3
    """
    settings = check_settings(reduction, dtype, target, seed, updates)
    written = read_model(loss, outputs, parameters, samples, reduction)
    options = (reduction, None, updates, share, dtype, target, seed)
    if later := unsized(written, lambda e, z, p: compile(e, optimizer, z, p, *options)):
        return later
    cast = choose(written.parameters)
    captured = check_draws(check_loss(capture({"loss": written.loss}, cast.roles)))
    predicted = {k: check_draws(capture({k: e}, cast.roles)) for k, e in written.outputs.items()}
    for block in predicted.values():
        by_entries(block)  # what sparse and ragged data do not allow is said now
    trained = cast.trained(captured)
    objective = differentiate(over_the_batch(by_entries(captured), reduction), trained)
    rule = None if optimizer is None else _applied(as_rule(optimizer), objective, _some(trained))
    programs = Programs(captured, predicted, objective, rule, reduction, settings.dtype.name)
    blocks = [captured, *predicted.values(), *(rule.blocks if rule else ())]
    arrays = _arrays(blocks, cast, rule, settings, share)
    tables = read_by_columns([captured, *predicted.values()])
    by_columns(arrays, tables.difference(share.arrays if share else ()), rule)
    executables = Executables(
        programs.make, target, settings.dtype.name, turned=held_by_columns(arrays, rule)
    )
    return Model(written, cast, programs, arrays, executables, settings, share)


def _applied(rule: Rule, objective: Objective, trained: list[sp.Symbol]) -> Applied:
    """The rule for the trained parameters: rows for tables, where they are enough."""
    touched = objective.touched
    applied = apply_rule(rule, trained, {p: rows for p, rows in touched.items() if rows})
    for p in touched:
        if p not in applied.sparse:
            warnings.warn(_dense(rule, p, touched[p] is None), DenseUpdateWarning, stacklevel=3)
    return applied


def _dense(rule: Rule, p: sp.Symbol, whole: bool) -> str:
    """Why every step costs the whole table p."""
    if whole:
        return (
            f"the rows of {p.name} are looked up by data, but the loss also uses {p.name} as a "
            f"whole (a penalty on all of it, a product with it) or looks it up along other axes "
            "(columns beside rows): its gradient may have all rows, and every step costs the whole "
            "table; penalise the rows that are looked up instead, and look up along one axis"
        )
    if rule.lazy:
        return (
            f"{rule.name} is not elementwise, so that lazy={rule.lazy!r} has no meaning for it: "
            f"every step updates all rows of {p.name}"
        )
    return (
        f"{rule.name} also changes the rows of {p.name} that a step does not touch (decay, "
        f"momentum), so that every step updates the whole table; {rule.name}(..., lazy=True) "
        "updates the touched rows only, which trains differently, and where the rule allows it "
        "lazy='catch_up' makes up for the others exactly"
    )


def _some(trained: list[sp.Symbol]) -> list[sp.Symbol]:
    if not trained:
        raise ValueError(
            "there is nothing to train: the loss has no sg.parameter; of a model written with "
            "SymPy's own symbols, name the trained ones: parameters=[w, b]"
        )
    return trained


def _arrays(
    blocks: list[Block], cast: Cast, rule: Applied | None, settings: Settings, share: Model | None
) -> dict[sp.Symbol, np.ndarray]:
    """Every array that outlives a step, with its first value."""
    shared = {} if share is None else _shared(share, cast.of(blocks, "parameter"), settings)
    own = [p for p in cast.of(blocks, "parameter") if p not in shared]
    return {
        **shared,
        **starting_values(own, cast.inits, settings.dtype, settings.seed),
        **(_states(rule, settings.dtype) if rule else {}),
        **hypers([*cast.of(blocks, "hyper"), *(rule.hypers if rule else ())]),
        **constants(cast.of(blocks, "constant"), settings.dtype),
        step: np.zeros((), np.int64),
        SEED: seed_word(settings.seed),
    }


def _states(rule: Applied, dtype: np.dtype) -> dict[sp.Symbol, np.ndarray]:
    """What the optimiser keeps; zeros of which steps touch some rows need no more memory yet."""
    by_rows = {s for p in rule.sparse for s in rule.states[p].values()}
    whole = [s for s, value in rule.initial.items() if value or s not in by_rows]
    check_free(sum(math.prod(s.shape) for s in whole) * dtype.itemsize, "the optimiser's state")
    return {s: filled(s, value, dtype) for s, value in rule.initial.items()}


def _shared(
    other: Any, parameters: list[sp.Symbol], settings: Settings
) -> dict[sp.Symbol, np.ndarray]:
    """The arrays of the parameters that another model has, too."""
    if not isinstance(other, Model):
        raise TypeError(f"share is a model from sg.compile, not {other!r}")
    if other.settings.dtype != settings.dtype:
        raise ValueError(
            f"share: the other model is {other.settings.dtype} and this one {settings.dtype}; "
            "arrays are shared between models of one dtype"
        )
    shared = {p: other.arrays[p] for p in parameters if p in other.arrays}
    if not shared:
        raise ValueError("share: the models have no parameter in common")
    return shared
