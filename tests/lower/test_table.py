"""Every row of the operation table, lowered and run in Python, against its NumPy meaning."""

import numpy as np
import pytest

import symgrad as sg
from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.derive import derive_into
from symgrad.calculus.program import Program
from symgrad.calculus.reference import Reference
from symgrad.calculus.update import splice
from symgrad.generate.cpu import generate
from symgrad.language.row import TABLE
from symgrad.language.symbols import batch_size
from symgrad.lower.driver import lower
from tests.calculus.test_derive import HELD, HIGHEST_ORDER
from tests.generate.interpreted import Interpreted
from tests.language.rows import SAMPLES, apply_row, cases, levels, projected
from tests.lower.programs import room
from tests.selection import mostly_full


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


def derivatives_of(name, rng):
    """One program with the first and second derivatives of the row in all its cases."""
    row, builder, outputs, arrays = TABLE[name], Builder(), {}, {}
    order = 0 if name in HELD else HIGHEST_ORDER.get(name, 2)
    for k, case in enumerate(cases(row)):
        level = levels(row)[k % len(levels(row))]
        applied = apply_row(row, case, level, rng)
        if not isinstance(applied.result.operand, Name) or not applied.floats:
            continue
        root, found, own = applied.result, {}, applied.builder
        for n in range(order):
            root = projected(applied, root, applied.arrays, rng)
            if not isinstance(root, Name):
                break
            first = [own.value(g) for g in derive_into(own, root, applied.floats)]
            found |= {f"{n} {i}": g.operand for i, g in enumerate(first)}
            root = own.apply("add", *(projected_value(applied, g, rng) for g in first), 0)
        given = {s: _again(builder, applied, s, f"{s.name} {k} {level}", arrays)
                 for s in own.inputs if s != batch_size}  # fmt: skip
        found = {label: x for label, x in found.items() if isinstance(x, Name)}
        for label, x in splice(builder, own.block(found), given).items():
            outputs[f"{k} {level} {label}"] = x.operand
    outputs = {k: v for k, v in outputs.items() if isinstance(v, Name)}
    return Program(builder.block(outputs)), arrays


def projected_value(applied, value, rng):
    return applied.builder.value(projected(applied, value, applied.arrays, rng))


def _again(builder, applied, symbol, name, arrays):
    """An input like `symbol` under another name: cases are put together in one program."""
    old, values = applied.builder.inputs[symbol], applied.arrays.get(symbol)
    if symbol.role == "constant":
        arrays[symbol] = symbol.value
        return builder.value(builder.input(symbol, symbol.shape, False))
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


ORDINARY = [(uses_of, (2,)), (derivatives_of, (1,))]
MORE = [(uses_of, (1, SAMPLES)), (derivatives_of, (2,))]


@pytest.mark.parametrize(("make_program", "batches"), mostly_full([*ORDINARY, *MORE], ORDINARY))
@pytest.mark.parametrize("name", TABLE)
def test_row(name, make_program, batches, rng):
    program, arrays = make_program(name, rng)
    coupled = any(batch_size in x.shape for x in program.step.outputs.values())
    for batch in batches:
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
