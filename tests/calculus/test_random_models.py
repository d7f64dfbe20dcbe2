"""Random models of ten and more operations: every target against torch, values and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

import symgrad as sg
from symgrad.train.targets import TARGETS
from tests.calculus.random_models import Drawn, models
from tests.calculus.values import through_expressions

# a table that is looked up and used as a whole is what they are asked for
pytestmark = pytest.mark.filterwarnings("ignore::symgrad.optimize.rule.DenseUpdateWarning")
SLOW = settings(
    suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples // 8
)


def torchs(model: Drawn) -> tuple[float, dict]:
    tensors = {k: torch.tensor(v) for k, v in {**model.data, **model.values}.items()}
    for name in model.values:
        tensors[name].requires_grad_(True)
    loss = model.loss.theirs(tensors)
    loss.backward()
    zeros = {k: np.zeros(v.shape) for k, v in model.values.items()}
    return loss.item(), {
        k: zeros[k] if tensors[k].grad is None else tensors[k].grad.numpy() for k in zeros
    }


def check(model: Drawn, target: str) -> None:
    loss, want = torchs(model)
    ours = sg.compile(model.loss.ours, sg.SGD(0.1), target=target, dtype="float64")
    for name in ours.parameters:
        ours.parameters[name] = model.values[name]
    data = {
        s: a for s, a in model.data.items() if s in {x.name for x in model.loss.ours.free_symbols}
    }
    assert ours.loss(data) == pytest.approx(loss, rel=1e-11)
    got = ours.gradients(data)
    for name, g in got.items():
        scale = max(1.0, np.abs(want[name]).max())
        np.testing.assert_allclose(g, want[name], rtol=0, atol=1e-10 * scale, err_msg=name)


@given(model=models())
def test_the_reference_is_torch(model):
    check(model, "reference")


@pytest.mark.parametrize("target", [t for t in TARGETS if t != "reference"])
@SLOW
@given(model=models())
def test_other_targets_are_torch(target, model):
    check(model, target)


@given(model=models())
def test_gradients_as_expressions_have_the_same_numbers(model):
    _, want = torchs(model)
    known = {s.name: s for s in model.loss.ours.free_symbols}
    arrays = {known[k]: v for k, v in {**model.data, **model.values}.items() if k in known}
    wrt = [known[k] for k in model.values if k in known]
    for p, g in zip(wrt, through_expressions(model.loss.ours, wrt, arrays), strict=True):
        scale = max(1.0, np.abs(want[p.name]).max())
        np.testing.assert_allclose(g, want[p.name], rtol=0, atol=1e-10 * scale, err_msg=p.name)
