"""Makes a failing program small, and prints it as a script that a person can run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from tests.fuzz import as_symgrad, torch_run
from tests.fuzz.compare import Expected, Mismatch, against_mpmath, check, expected
from tests.fuzz.programs import Input, Program, Step, array_text
from tests.fuzz.public import through_the_model

SPECIAL = {
    "mpmath": against_mpmath,
    "model, reference": through_the_model,
    "model, cpu": partial(through_the_model, target="cpu"),
}


def fails(program: Program, like: Mismatch) -> Mismatch | None:
    """The program's mismatch of the same kind, if it has one."""
    e = expected(program, like.variant.dtype)
    if e is None:
        return None
    again = SPECIAL.get(like.variant.target)
    found = again(program, e) if again else check([program], [e], [like.variant])
    same = (m for m in found if (m.label == "error") == (like.label == "error"))
    return next((m for m in same if like.label != "error" or _kind(m) == _kind(like)), None)


def _kind(m: Mismatch) -> str:
    return m.detail.split(":")[0]


def shrunk(found: Mismatch, fails: Callable = fails) -> Mismatch:
    """The same kind of mismatch in a program from which nothing more can be taken away."""
    smaller = True
    while smaller:
        smaller = False
        for program in _smaller(found.program):
            try:
                m = fails(program, found)
            except Exception:
                continue  # torch cannot run it
            if m is not None:
                found, smaller = m, True
                break
    return found


def _smaller(program: Program) -> Iterator[Program]:
    """Programs with one step less, or a simpler one, or of one sample."""
    if program.samples > 1:
        yield _of_one_sample(program)
    read = {x for s in program.steps for x in s.operands}
    sinks = [s for s in program.steps if s.name not in read]
    half = {s.name for s in sinks[: len(sinks) // 2]}
    if half:
        yield _without(program, half)
    for s in reversed(program.steps):
        if s.name not in read:
            yield _without(program, {s.name})
    values = torch_run.run(program).values
    for s in reversed(program.steps):
        if s.name in read and s.kind == "float" and s.shape[:1] != ("B",):
            yield _cut(program, s, values[s.name])
    for k, s in enumerate(program.steps):
        if s.let:
            steps = (*program.steps[:k], replace(s, let=False), *program.steps[k + 1 :])
            yield replace(program, steps=steps)


def _without(program: Program, names: set[str]) -> Program:
    steps = tuple(s for s in program.steps if s.name not in names)
    return replace(program, steps=steps).without_dead_steps()


def _of_one_sample(program: Program) -> Program:
    first = {x.name: slice(1 if x.sampled else None) for x in program.inputs}
    values = {k: v[first[k]] if v.shape else v for k, v in program.values.items()}
    return replace(program, values=values, samples=1)


def _cut(program: Program, step: Step, value: np.ndarray) -> Program:
    """The step's value as an input: a parameter where samples share it, for its gradient."""
    steps = tuple(s for s in program.steps if s is not step)
    shared = (value == value[:1]).all()
    role = "parameter" if shared else "data"
    inputs = (*program.inputs, Input(step.name, role, step.shape))
    values = {**program.values, step.name: value[0] if shared else value}
    return replace(program, inputs=inputs, steps=steps, values=values).without_dead_steps()


SCRIPT = """import numpy as np
import sympy as sp

import symgrad as sg
from tests.fuzz.as_symgrad import joined, kept, weights

# {about}
{lines}

values = {{
{values}
}}
inputs = [{inputs}]
wanted = {{
{wanted}
}}
for target in ("reference", "cpu"):
    f = sg.function([{outputs}], inputs, target=target)
    for (name, w), found in zip(wanted.items(), f(*values.values()), strict=True):
        print(target, name, np.abs(found - 1.0 * w).max(), found, w, sep="\\n  ")
"""


def script(m: Mismatch) -> str:
    """The program as text, with torch's numbers for what it computes."""
    program, e = m.program, expected(m.program) or Expected({}, {})
    shown = {k: a for k, a in e.arrays.items() if m.label in ("error", k)}
    outputs = [
        "sg.expectation(loss)" if k == "loss" else k if not k.startswith("d ")
        else f"sg.gradient(sg.expectation(loss), {k[2:]})" for k in shown
    ]  # fmt: skip
    return SCRIPT.format(
        about=str(m).replace("\n", " "),
        lines="\n".join(as_symgrad.lines(program)),
        values="\n".join(
            f"    {x.name!r}: {array_text(program.values[x.name])}," for x in program.inputs
        ),
        inputs=", ".join(x.name for x in program.inputs),
        wanted="\n".join(f"    {k!r}: {array_text(a)}," for k, a in shown.items()),
        outputs=", ".join(outputs),
    )
