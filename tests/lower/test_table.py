"""Every row of the operation table, lowered and run in Python, against its NumPy meaning."""

import numpy as np
import pytest

import symgrad as sg
from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.program import Program
from symgrad.calculus.reference import Reference
from symgrad.calculus.update import splice
from symgrad.generate.cpu import generate
from symgrad.language.row import TABLE
from symgrad.language.symbols import batch_size
from symgrad.lower import lower
from tests.generate.interpreted import Interpreted
from tests.language.rows import SAMPLES, apply_row, cases, levels
from tests.lower.programs import room


def uses_of(name, rng):
    """One program that applies the row in all its cases, and its arrays."""
    row, builder, outputs, arrays = TABLE[name], Builder(), {}, {}
    for k, case in enumerate(cases(row)):
        for level in levels(row):
            applied = apply_row(row, case, level, rng)
            if not isinstance(applied.result.operand, Name):
                continue
            given = {}
            for s in applied.operands:
                given[s] = _again(builder, applied, s, f"{s.name} {k} {level}", arrays)
            block = applied.builder.block({"": applied.result.operand})
            outputs[f"{k} {level}"] = splice(builder, block, given)[""].operand
    outputs = {k: v for k, v in outputs.items() if isinstance(v, Name)}
    return Program(builder.block(outputs)), arrays


def _again(builder, applied, symbol, name, arrays):
    """An input like `symbol` under another name: cases are put together in one program."""
    old, values = applied.builder.inputs[symbol], applied.arrays[symbol]
    if old.kind == "int" and not old.per_sample:  # the same for every sample: a constant
        new = sg.constant(values)
        if not isinstance(new, sg.language.symbols.TensorSymbol):
            return builder.value(new)
    else:
        make = sg.data if old.per_sample else sg.parameter
        new = make(name.replace(" ", "_"), shape=symbol.shape,
                   **({"dtype": int} if old.kind == "int" else {}))  # fmt: skip
    arrays[new] = values
    return builder.value(builder.input(new, symbol.shape, old.per_sample))


@pytest.mark.parametrize("name", TABLE)
def test_row(name, rng):
    program, arrays = uses_of(name, rng)
    coupled = any(batch_size in x.shape for x in program.step.outputs.values())
    for batch in (1, 2, SAMPLES):
        samples = SAMPLES // batch * batch if coupled else SAMPLES
        found = []
        for make in (Reference, lambda *a: Interpreted(generate(lower(*a)))):
            outputs = room(program, "float64", samples, batch)
            given = {s: np.asarray(a, "int64" if s.dtype == "int" else "float64")
                     for s, a in arrays.items()}  # fmt: skip
            make(program, "float64", batch).run(given, None, 0, samples, outputs=outputs)
            found.append(outputs)
        for label, expected in found[0].items():
            np.testing.assert_allclose(found[1][label], expected, 1e-9, 1e-12, err_msg=label)
