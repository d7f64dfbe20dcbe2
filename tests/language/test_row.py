"""The operation table: every row has cases, a meaning at every shape, and a way to be written."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.express import Expressions
from symgrad.calculus.reference import evaluate
from symgrad.language.row import TABLE, Row, broadcast, register
from symgrad.language.symbols import TensorSymbol
from tests.language.against_torch import expanded, expansion
from tests.language.rows import (
    BOOLEAN,
    STRUCTURED,
    apply_row,
    at_every_level,
    cases,
    concrete,
    every_case,
    projected,
)

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def test_every_structured_row_has_cases_and_every_case_a_row():
    structured = {row.name for row in TABLE.values() if row.kind != "pointwise"}
    assert structured == set(STRUCTURED)
    assert set(BOOLEAN) <= set(TABLE)


@pytest.mark.parametrize(("name", "k"), list(every_case()))
def test_a_row_has_the_shape_and_kind_it_says(name, k, rng):
    row = TABLE[name]
    for applied in at_every_level(row, cases(row)[k], rng):
        y = applied.result.operand
        block = applied.builder.block({"y": y}).check()
        value = np.asarray(evaluate(block, applied.arrays, n=3)[y])
        assert value.shape == (3,) * y.per_sample + concrete(y.shape)
        assert value.dtype.kind == {"float": "f", "int": "i", "bool": "b"}[y.kind]
        assert not np.isnan(value).any(), "the row's domain holds points without a value"


@pytest.mark.parametrize("name", TABLE)
def test_single_precision_is_double_precision_rounded(name, rng):
    row = TABLE[name]
    applied = apply_row(row, cases(row)[0], "all", rng)
    y = applied.result.operand
    block = applied.builder.block({"y": y})
    single = {
        s: a.astype(np.float32) if np.asarray(a).dtype.kind == "f" else a
        for s, a in applied.arrays.items()
    }
    got = np.asarray(evaluate(block, single, n=3, dtype=np.float32)[y])
    want = np.asarray(
        evaluate(
            block,
            {s: np.float64(a) if np.asarray(a).dtype.kind == "f" else a for s, a in single.items()},
            n=3,
        )[y]
    )
    if y.kind == "float":
        assert got.dtype == np.float32 or (y.shape == () and not y.per_sample)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
    else:
        assert np.array_equal(got, want)


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if row.expand])
def test_an_expansion_equals_the_numpy_meaning(name, rng):
    row = TABLE[name]
    for k in range(len(cases(row))):
        applied = apply_row(row, cases(row)[k], "all", rng)
        block = applied.builder.block({"y": applied.result.operand})
        spelled = expanded(block).check()
        assert not any(expansion(e) for e in spelled.equations)
        want = evaluate(block, applied.arrays, n=3)[block.outputs["y"]]
        got = evaluate(spelled, applied.arrays, n=3)[spelled.outputs["y"]]
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", TABLE)
def test_a_row_is_written_as_an_expression_of_its_shape(name, rng):
    row = TABLE[name]
    applied = apply_row(row, cases(row)[1], "all", rng)
    block = applied.builder.block({})
    (expression,) = Expressions(block).of([applied.result.operand])
    assert sg.shape(expression) == applied.result.shape
    assert str(expression)
    latex = sp.latex(expression)
    assert latex and latex.count("{") == latex.count("}")
    assert r"\left" not in latex or latex.count(r"\left") == latex.count(r"\right")


@pytest.mark.parametrize(
    ("shapes", "result"),
    [
        ([(), ()], ()), ([(3,), ()], (3,)), ([(2, 1), (3,)], (2, 3)), ([(1,), (0,)], (0,)),
        ([(0, 1), (1, 4)], (0, 4)), ([(sg.batch_size, 1), (3,)], (sg.batch_size, 3)), ([], ()),
    ],
)  # fmt: skip
def test_broadcast(shapes, result):
    assert broadcast(*shapes) == result


@pytest.mark.parametrize("shapes", [[(2,), (3,)], [(0,), (2,)], [(sg.batch_size,), (3,)]])
def test_broadcast_refuses(shapes):
    with pytest.raises(ValueError, match="do not broadcast together"):
        broadcast(*shapes)


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two rows are called 'add'"):
        register(Row("add", "pointwise", np.add))


def test_weights_of_the_projection_are_inputs(rng):
    applied = apply_row(TABLE["exp"], cases(TABLE["exp"])[1], "all", rng)
    root = projected(applied, applied.result, applied.arrays, rng)
    assert not root.per_sample
    assert all(isinstance(s, TensorSymbol) for s in applied.builder.inputs)
