"""A program through the public words: compile, loss, gradients, step, save, load, and printing."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

import symgrad as sg
from tests.fuzz import as_symgrad, torch_run
from tests.fuzz.compare import EPSILON, MARGIN, Expected, Mismatch, Variant
from tests.fuzz.programs import Program

RATE = 1e-3
STEPS = 3


def through_the_model(
    program: Program, e: Expected, target: str = "reference"
) -> Iterator[Mismatch]:
    """Mismatches of the model that sg.compile makes of the program."""
    variant = Variant(f"model, {target}")
    try:
        yield from _model(program, e, target, variant)
    except Exception as error:
        yield Mismatch(program, variant, "error", f"{type(error).__name__}: {str(error)[:300]}")


def _model(program: Program, e: Expected, target: str, variant: Variant) -> Iterator[Mismatch]:
    made = as_symgrad.expressions(program)
    loss = sp.sympify(made["loss"])
    str(loss), sp.latex(loss)
    read = {s.name for s in loss.free_symbols}
    wrt = [x for x in program.trained if x.role == "parameter" and x.name in read]
    if not wrt:
        return
    data = {x.name: program.values[x.name] for x in program.inputs
            if x.name in read and x.role == "data"}  # fmt: skip
    if not data and any(x.random for x in program.inputs):
        return  # nothing says how many samples there are
    momentum = 0.5 * (len(program.steps) % 2)
    lazy = "catch_up" if momentum else False  # both are as exact as the dense update
    rule = sg.SGD(RATE, momentum=momentum, lazy=lazy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.DenseUpdateWarning)
        model = sg.compile(loss, rule, dtype="float64", target=target)
    str(model)
    for x in program.inputs:
        if x.name in read and not x.sampled:
            kept = model.parameters if x.role == "parameter" else model.hyper
            kept[x.name] = program.values[x.name]
    yield from _apart(program, variant, "loss", model.loss(data), e.arrays["loss"], e)
    for name, g in model.gradients(data).items():
        yield from _apart(program, variant, f"d {name}", g, e.arrays[f"d {name}"], e)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.safetensors")
        again = sg.load(Path(folder) / "model.safetensors")
    if again.loss(data) != model.loss(data):
        yield Mismatch(program, variant, "load", f"{again.loss(data)}, not {model.loss(data)}")
    if data or not program.samples:
        for _ in range(steps_of(program)):
            model.step(data)
        for name, p in _descended(program, [x.name for x in wrt], momentum).items():
            yield from _apart(program, variant, f"{name} after steps", model.parameters[name], p, e)


def steps_of(program: Program) -> int:
    """The second step draws other numbers, for which the program need not be a test."""
    return 1 if any(x.random for x in program.inputs) else STEPS


def _descended(program: Program, names: list[str], momentum: float) -> dict[str, np.ndarray]:
    """The parameters after some steps of torch's SGD."""
    values = dict(program.values)
    moved = {k: np.zeros_like(values[k]) for k in names}
    for _ in range(steps_of(program)):
        gradients = torch_run.run(replace(program, values=values)).gradients
        for k in names:
            moved[k] = momentum * moved[k] + gradients[k]
            values[k] = values[k] - RATE * moved[k]
    return {k: values[k] for k in names}


def _apart(
    program: Program, variant: Variant, label: str, got: Any, wanted: Any, e: Expected
) -> Iterator[Mismatch]:
    tolerance = e.tolerance.get(label)
    if tolerance is None:  # a parameter after steps
        slope = "d " + label.split()[0]
        tolerance = STEPS * e.tolerance[slope] + MARGIN * EPSILON["float64"]
    apart = np.abs(np.asarray(got) - wanted).max(initial=0)
    if not apart <= tolerance:
        yield Mismatch(program, variant, label, f"apart by {apart:.3g}, tolerance {tolerance:.3g}")
