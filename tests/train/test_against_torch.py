"""Losses, gradients and thousand-step trajectories against torch, from equal numbers and orders."""

import itertools

import numpy as np
import pytest
import torch

import symgrad as sg
from symgrad.train.orders import shuffled
from tests.selection import mostly_full
from tests.train.torch_models import MODELS, N

STEPS = 1000
THOUSAND = ["two layers, relu", "matrix factorisation", "tied weights", "attention"]
MOMENTUM = {2: 0.0, 7: 0.5, N: 0.5}  # by the size of mini-batches


def compiled(case, weights, optimizer=None, **options):
    parameters = {k: sg.parameter(k, v.shape, init=v) for k, v in weights.items()}
    return sg.compile(MODELS[case].ours(**parameters), optimizer, **options)


def tensors(numbers, dtype):
    return {
        k: torch.tensor(v, dtype=dtype if v.dtype.kind == "f" else torch.int64)
        for k, v in numbers.items()
    }


def trajectory(case, data, weights, dtype, seed, batch, epochs, **options):
    data, weights = tensors(data, dtype), tensors(weights, dtype)
    for w in weights.values():
        w.requires_grad_()
    optimizer = torch.optim.SGD(weights.values(), **options)
    for epoch in range(epochs):
        for rows in torch.as_tensor(shuffled(seed, epoch, N)).split(batch):
            optimizer.zero_grad()
            MODELS[case].torch(weights, {k: d[rows] for k, d in data.items()}).backward()
            optimizer.step()
    return {k: w.detach().double().numpy() for k, w in weights.items()}


def distance(a, b):
    return np.linalg.norm(np.asarray(a, float) - b) / max(np.linalg.norm(b), 1e-6)


def torch_loss(case, data, weights):
    """In float64, and torch's weights with their gradients."""
    theirs = tensors(weights, torch.float64)
    for w in theirs.values():
        w.requires_grad_()
    loss = MODELS[case].torch(theirs, tensors(data, torch.float64))
    loss.backward()
    return loss.item(), theirs


TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
TARGETS = ("reference", "cpu")


@pytest.mark.parametrize(("target", "case", "dtype"), mostly_full(
    itertools.product(TARGETS, MODELS, TOLERANCE),
    [*(("reference", case, "float64") for case in MODELS),
     *(("cpu", case, "float64") for case in THOUSAND)],
))  # fmt: skip
def test_losses(target, case, dtype, rng):
    data, weights = MODELS[case].numbers(rng)
    loss, _ = torch_loss(case, data, weights)
    model = compiled(case, weights, dtype=dtype, target=target)
    assert model.loss(data) == pytest.approx(loss, rel=TOLERANCE[dtype])


@pytest.mark.parametrize(("case", "dtype"), mostly_full(
    itertools.product(MODELS, TOLERANCE), [(case, "float64") for case in MODELS]
))  # fmt: skip
def test_gradients(case, dtype, rng):
    data, weights = MODELS[case].numbers(rng)
    _, theirs = torch_loss(case, data, weights)
    for target in TARGETS:
        model = compiled(case, weights, dtype=dtype, target=target)
        for name, g in model.gradients(data).items():
            found = distance(g, theirs[name].grad.numpy())
            assert found < TOLERANCE[dtype], (target, name)


@pytest.mark.filterwarnings("ignore::symgrad.optimize.rule.DenseUpdateWarning")
@pytest.mark.parametrize(("case", "batch"), mostly_full(
    itertools.product(MODELS, MOMENTUM), [("line", 2), *((case, 7) for case in THOUSAND)]
))  # fmt: skip
def test_a_thousand_steps(case, batch, rng, seed):
    """N is 23: mini-batches of 2 and 7 leave a smaller last one."""
    momentum = MOMENTUM[batch]
    data, weights = MODELS[case].numbers(rng)
    rate, epochs = MODELS[case].rate, STEPS // -(-N // batch)
    options = {"lr": rate, "momentum": momentum}
    given = (seed, batch, epochs)
    exact = trajectory(case, data, weights, torch.float64, *given, **options)
    rounded = trajectory(case, data, weights, torch.float32, *given, **options)
    for target, dtype in (("reference", "float64"), ("cpu", "float64"), ("cpu", "float32")):
        rule = sg.SGD(**options)
        model = compiled(case, weights, rule, dtype=dtype, target=target, seed=seed)
        model.fit(data, epochs=epochs, batch_size=batch)
        for name, value in exact.items():
            found = distance(model.parameters[name], value)
            theirs = max(distance(rounded[name], value), 1e-7)
            limit = 1e-10 if dtype == "float64" else 4 * theirs
            assert found <= limit, (target, dtype, name)
