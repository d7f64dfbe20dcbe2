"""Random models of ten and more operations: every target against torch, values and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

import symgrad as sg
from symgrad.train.targets import TARGETS
from tests.calculus.random_models import Drawn, models
from tests.calculus.values import through_expressions

pytestmark = [
    # a table that is looked up and used as a whole is what they are asked for
    pytest.mark.filterwarnings("ignore::symgrad.optimize.rule.DenseUpdateWarning"),
    pytest.mark.timeout(1800),  # for the examples of hypothesis' profile `full`
]
SLOW = settings(
    suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples // 12
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


def compiled(model: Drawn, target: str) -> tuple[sg.Model, dict]:
    """The model with the drawn values, and the data that it reads."""
    ours = sg.compile(model.loss.ours, sg.SGD(1.0), target=target, dtype="float64")
    for name in ours.parameters:
        ours.parameters[name] = model.values[name]
    read = {x.name for x in model.loss.ours.free_symbols}
    return ours, {s: a for s, a in model.data.items() if s in read}


def agree(got: dict, want: dict) -> None:
    for name, g in got.items():
        scale = max(1.0, np.abs(want[name]).max())
        np.testing.assert_allclose(g, want[name], rtol=0, atol=1e-10 * scale, err_msg=name)


@given(model=models())
def test_the_reference_is_torch(model):
    loss, want = torchs(model)
    ours, data = compiled(model, "reference")
    assert ours.loss(data) == pytest.approx(loss, rel=1e-11)
    agree(ours.gradients(data), want)


@pytest.mark.parametrize("target", [t for t in TARGETS if t != "reference"])
@SLOW
@given(model=models())
def test_other_targets_are_torch(target, model):
    """Loss and gradients as a step of rate 1 shows them, from one kernel."""
    loss, want = torchs(model)
    ours, data = compiled(model, target)
    assert ours.step(data) == pytest.approx(loss, rel=1e-11)
    agree({k: model.values[k] - p for k, p in ours.parameters.items()}, want)


@given(model=models())
def test_gradients_as_expressions_have_the_same_numbers(model):
    _, want = torchs(model)
    known = {s.name: s for s in model.loss.ours.free_symbols}
    arrays = {known[k]: v for k, v in {**model.data, **model.values}.items() if k in known}
    wrt = [known[k] for k in model.values if k in known]
    found = through_expressions(model.loss.ours, wrt, arrays)
    agree({p.name: g for p, g in zip(wrt, found, strict=True)}, want)
