"""sg.SGD against torch.optim.SGD, in all its options, and what it refuses."""

import itertools

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.train.orders import shuffled
from tests.selection import mostly_full

N, BATCH, STEPS = 23, 5, 1000
RATE = 0.01
EPOCHS = STEPS // -(-N // BATCH)


def named(options):
    return "-".join(f"{k}={v}" for k, v in options.items() if v) or "plain"


OPTIONS = {
    named(options): options
    for m, d, w, n, x in itertools.product(
        (0, 0.9), (0, 0.3), (0, 0.01), (False, True), (False, True)
    )
    if not n or (m and not d)
    for options in [
        {"momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    ]
}
DESCENTS = [name for name in OPTIONS if not OPTIONS[name]["maximize"]]
KINDS = ["plain", "momentum=0.9-dampening=0.3-weight_decay=0.01",
         "momentum=0.9-weight_decay=0.01-nesterov=True"]  # fmt: skip
ORDINARY = [*KINDS[1:], "dampening=0.3-weight_decay=0.01-maximize=True",
            "momentum=0.9-nesterov=True-maximize=True"]  # fmt: skip


@pytest.fixture
def numbers(rng):
    """Data and initial weights of a small network."""
    x = rng.normal(size=(N, 3))
    return {
        "x": x, "y": np.sin(x.sum(1)),
        "W": rng.normal(size=(4, 3)), "b": rng.normal(size=4), "v": rng.normal(size=4),
    }  # fmt: skip


def network(numbers, optimizer, bounded=False, **options):
    """A squared error; bounded, so that it can be maximised, if need be."""
    x, y = sg.data("x", shape=3), sg.data("y")
    W, b, v = (sg.parameter(k, numbers[k].shape, init=numbers[k]) for k in "Wbv")
    loss = (sg.dot(v, sp.tanh(W @ x + b)) - y) ** 2
    return sg.compile(sp.tanh(loss) if bounded else loss, optimizer, **options)


def torch_trajectory(numbers, dtype, seed, every, schedule=None, **options):
    """Parameters after EPOCHS epochs in the order that a model of that seed takes."""
    data = {k: torch.tensor(v, dtype=dtype) for k, v in numbers.items()}
    weights = {k: data[k].requires_grad_() for k in "Wbv"}
    optimizer = torch.optim.SGD(weights.values(), **options)
    waiting = updates = 0
    for epoch in range(EPOCHS):
        order = torch.as_tensor(shuffled(seed, epoch, N))
        for rows in order.split(BATCH):
            x, y = data["x"][rows], data["y"][rows]
            h = torch.tanh(x @ weights["W"].T + weights["b"])
            loss = (h @ weights["v"] - y) ** 2
            (torch.tanh(loss) if options.get("maximize") else loss).mean().backward()
            waiting += 1
            if waiting == every:
                if schedule:
                    optimizer.param_groups[0]["lr"] = schedule(updates)
                optimizer.step()
                optimizer.zero_grad()
                waiting, updates = 0, updates + 1
    return {k: w.detach().double().numpy() for k, w in weights.items()}


def distance(a, b):
    return np.linalg.norm(np.asarray(a, float) - b) / np.linalg.norm(b)


@pytest.mark.parametrize(
    ("name", "every"),
    mostly_full(itertools.product(OPTIONS, (1, 3)), [(name, 1) for name in ORDINARY]),
)
def test_a_thousand_steps_in_float64(numbers, seed, name, every):
    options = OPTIONS[name]
    theirs = torch_trajectory(numbers, torch.float64, seed, every, lr=RATE, **options)
    for target in ("reference", "cpu"):
        model = network(
            numbers, sg.SGD(RATE, **options), options["maximize"],
            dtype="float64", seed=seed, target=target,
        )  # fmt: skip
        model.fit(numbers_of(numbers), epochs=EPOCHS, batch_size=BATCH, accumulate=every)
        assert model.steps == EPOCHS * -(-N // BATCH) // every
        for name, value in theirs.items():
            assert distance(model.parameters[name], value) < 1e-10, (target, name)


@pytest.mark.parametrize("name", mostly_full(DESCENTS, KINDS[-1:]))
def test_a_thousand_steps_in_float32(numbers, seed, name):
    """At most four times as far from torch's float64 trajectory as torch's own float32 is.

    (Ascent runs away from where it started, and with it every rounding: it is left to float64.)
    """
    options = OPTIONS[name]
    exact = torch_trajectory(numbers, torch.float64, seed, 1, lr=RATE, **options)
    rounded = torch_trajectory(numbers, torch.float32, seed, 1, lr=RATE, **options)
    for target in ("reference", "cpu"):
        model = network(numbers, sg.SGD(RATE, **options), seed=seed, target=target)
        model.fit(numbers_of(numbers), epochs=EPOCHS, batch_size=BATCH)
        for name, value in exact.items():
            theirs = max(distance(rounded[name], value), np.finfo(np.float32).eps)
            assert distance(model.parameters[name], value) <= 4 * theirs, (target, name)


def numbers_of(numbers):
    return {"x": numbers["x"], "y": numbers["y"]}


def test_a_schedule_is_an_expression_in_the_step(numbers, seed):
    rate = 0.1 / (1 + sg.step / sp.Integer(50))
    model = network(numbers, sg.SGD(rate, 0.9), dtype="float64", seed=seed, target="reference")
    model.fit(numbers_of(numbers), epochs=EPOCHS, batch_size=BATCH)
    theirs = torch_trajectory(
        numbers, torch.float64, seed, 1, lambda k: 0.1 / (1 + k / 50), lr=1, momentum=0.9
    )
    for name, value in theirs.items():
        assert distance(model.parameters[name], value) < 1e-10, name
    assert model.hyper["lr"] == rate
    with pytest.raises(ValueError, match=r"is the expression .*, compiled in"):
        model.hyper["lr"] = 0.1


def test_numbers_are_assignable_without_compiling(numbers, seed):
    model = network(numbers, sg.SGD(0.1, 0.5), dtype="float64", seed=seed, target="reference")
    data = numbers_of(numbers)
    model.step(data)
    made = list(model.executables.made)
    model.hyper["lr"], model.hyper["momentum"] = 0, 0.25
    before = model.parameters["W"].copy()
    model.step(data)
    assert np.array_equal(before, model.parameters["W"])
    assert list(model.executables.made) == made


@pytest.mark.parametrize("name", ["momentum", "dampening", "weight_decay"])
def test_what_is_zero_leaves_no_trace_and_stays_out(numbers, name):
    model = network(numbers, sg.SGD(0.1), target="reference")
    assert name not in model.source
    assert model.hyper[name] == 0
    model.hyper[name] = 0
    with pytest.raises(ValueError) as raised:
        model.hyper[name] = 0.5
    assert f"hyper {name!r} was 0.0 when the model was compiled" in str(raised.value)
    assert f"compile again with SGD(..., {name}=...)" in str(raised.value)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": -1}, ValueError, "lr is -1, and should be a finite number from 0 on"),
        ({"lr": float("nan")}, ValueError, "lr is nan"),
        ({"lr": float("inf")}, ValueError, "lr is inf"),
        ({"lr": "0.1"}, TypeError, "lr is a number or an expression in sg.step, not '0.1'"),
        ({"lr": True}, TypeError, "not True"),
        ({"lr": None}, TypeError, "not None"),
        ({"lr": 0.1, "momentum": -0.5}, ValueError, "momentum is -0.5"),
        ({"lr": 0.1, "weight_decay": -1}, ValueError, "weight_decay is -1"),
        ({"lr": 0.1, "nesterov": True}, ValueError, "nesterov wants a momentum above 0"),
        (
            {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "nesterov": True},
            ValueError,
            "no dampening",
        ),
    ],
)
def test_impossible_options(options, error, words):
    with pytest.raises(error) as raised:
        sg.SGD(**options)
    assert words in str(raised.value)
