"""Every model of the corpus on every target: loss and gradients against torch's."""

import itertools

import numpy as np
import pytest
import torch

import symgrad as sg
from symgrad.train.targets import TARGETS
from tests.calculus.values import through_expressions
from tests.corpus import MODELS
from tests.selection import mostly_full

TOLERANCE = {"float64": 1e-11, "float32": 2e-5}


CASES = list(itertools.product(TARGETS, MODELS, TOLERANCE))
ONE_DTYPE = zip(MODELS, itertools.cycle(TOLERANCE), strict=False)
ORDINARY = [*(c for c in CASES if c[0] == "reference"),
            *((t, *c) for c in ONE_DTYPE for t in TARGETS if t != "reference")]  # fmt: skip


@pytest.mark.parametrize(("target", "name", "dtype"), mostly_full(CASES, ORDINARY))
def test_loss_and_gradients_are_torchs(target, name, dtype, rng):
    model = MODELS[name](rng)
    loss, want = model.torchs(torch.float64)
    ours = sg.compile(model.loss, sg.SGD(0.1), target=target, dtype=dtype)
    for key, array in model.values.items():
        ours.parameters[key] = array
    rtol = TOLERANCE[dtype]
    assert ours.loss(model.data) == pytest.approx(loss, rel=rtol, abs=rtol)
    got = ours.gradients(model.data)
    for key, g in want.items():
        assert got[key].dtype == dtype or not g.shape
        np.testing.assert_allclose(got[key], g, rtol=0, atol=rtol * max(1, np.abs(g).max()))


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_as_expressions_has_the_same_numbers(name, rng):
    model = MODELS[name](rng)
    _, want = model.torchs()
    loss = sg.expectation(model.loss)
    for p, g in zip(
        model.parameters, through_expressions(loss, model.parameters, model.arrays()), strict=True
    ):
        np.testing.assert_allclose(g, want[p.name], rtol=1e-10, atol=1e-12, err_msg=p.name)


@pytest.mark.parametrize("name", MODELS)
def test_the_printed_gradient_fits_a_page(name, rng):
    model = MODELS[name](rng)
    text = str(sg.gradient(sg.expectation(model.loss), model.parameters))
    assert len(text.splitlines()) <= 40
    assert len(text) <= 4000
    assert ("masked" not in text and "unslice" not in text) or name in ("views", "recurrent")
