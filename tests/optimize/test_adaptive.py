"""sg.Adagrad, sg.Adam and sg.RMSprop against torch.optim, in all their options."""

import itertools

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from tests.selection import mostly_full

EPOCHS = 15  # of four mini-batches that want different things: no gradient comes near 0


def options_of(**choices):
    """Every combination of the options' values."""
    return [dict(zip(choices, values, strict=True))
            for values in itertools.product(*choices.values())]  # fmt: skip


CASES = [
    *(("Adagrad", {"lr": 0.05, **o}) for o in options_of(
        lr_decay=(0, 0.1), weight_decay=(0, 0.01), initial_accumulator_value=(0, 0.3),
        maximize=(False, True))),
    *(("Adam", {"lr": 0.01, "betas": (0.8, 0.98), "eps": 1e-7, **o}) for o in options_of(
        weight_decay=(0, 0.01), amsgrad=(False, True), maximize=(False, True))),
    *(("RMSprop", {"lr": 0.003, "alpha": 0.95, **o}) for o in options_of(
        weight_decay=(0, 0.01), momentum=(0, 0.5), centered=(False, True),
        maximize=(False, True))),
]  # fmt: skip


def named(case):
    name, options = case
    return "-".join([name, *(f"{k}={v}" for k, v in options.items() if k not in ("lr", "betas"))])


def loss_of(w, b, x, y, tanh, total):
    """Bounded, so that it can be maximised."""
    return tanh((total(tanh(w * x)) + b - y) ** 2)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_torch_in_float64(case, rng):
    name, options = case
    data = {"x": rng.normal(size=(8, 3)), "y": rng.normal(size=8)}
    first = {"w": rng.normal(size=3), "b": rng.normal()}
    x, y = sg.data("x", shape=3), sg.data("y")
    w, b = sg.parameter("w", 3, init=first["w"]), sg.parameter("b", init=first["b"])
    model = sg.compile(
        loss_of(w, b, x, y, sp.tanh, sg.sum), getattr(sg, name)(**options),
        dtype="float64", target="reference",
    )  # fmt: skip
    model.fit(data, epochs=EPOCHS, batch_size=2, shuffle=False)
    ours = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in first.values()]
    theirs = getattr(torch.optim, name)(ours, **options)
    columns = [torch.tensor(v) for v in data.values()]
    for rows in [*torch.arange(8).split(2)] * EPOCHS:
        theirs.zero_grad()
        batch = (c[rows] for c in columns)
        loss_of(*ours, *batch, torch.tanh, lambda z: z.sum(-1)).mean().backward()
        theirs.step()
    for k, value in zip(first, ours, strict=True):
        np.testing.assert_allclose(model.parameters[k], value.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize(("name", "dtype"), mostly_full(
    itertools.product(["Adagrad", "Adam", "RMSprop"], ["float32", "float64"]),
    [("Adagrad", "float64"), ("Adam", "float64"), ("RMSprop", "float64"), ("Adam", "float32")],
))  # fmt: skip
def test_the_cpu_target(name, dtype, rng):
    data = {"x": rng.normal(size=(20, 3)), "y": rng.normal(size=20)}
    x, y = sg.data("x", shape=3), sg.data("y")
    w, b = sg.parameter("w", 3, init=rng.normal(size=3)), sg.parameter("b")
    loss = loss_of(w, b, x, y, sp.tanh, sg.sum)
    options = {"RMSprop": {"momentum": 0.5, "centered": True}, "Adam": {"amsgrad": True}}
    rule = getattr(sg, name)(lr=0.01, weight_decay=0.1, **options.get(name, {}))
    models = [sg.compile(loss, rule, dtype=dtype, target=t) for t in ("reference", "cpu")]
    for m in models:
        m.fit(data, epochs=10, batch_size=7)
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    for k, value in models[0].parameters.items():
        np.testing.assert_allclose(models[1].parameters[k], value, rtol=tolerance)


def test_numbers_are_assignable():
    w = sg.parameter("w", init=3)
    model = sg.compile(w**2, sg.Adam(0.1), target="reference")
    assert dict(model.hyper) == {
        "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0,
    }  # fmt: skip
    model.hyper["lr"] = 0
    model.step({})
    assert model.parameters["w"] == 3
    with pytest.raises(ValueError, match=r"compile again with Adam"):
        model.hyper["weight_decay"] = 0.5


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        (sg.SGD(0.1, weight_decay=0.1), "weight_decay", np.inf), (sg.Adam(), "beta2", 1),
        (sg.Adam(), "eps", -1e-8), (sg.Adagrad(), "lr", np.nan), (sg.RMSprop(), "alpha", -0.5),
    ],
)  # fmt: skip
def test_what_is_refused_at_first_is_not_assignable(rule, name, value, tmp_path):
    """A learning rate that is NaN made every parameter NaN."""
    w = sg.parameter("w", init=3)
    model = sg.compile(w**2, rule, target="reference")
    model.save(tmp_path / "model")
    for each in (model, sg.load(tmp_path / "model")):
        kept = each.hyper[name]
        with pytest.raises(ValueError, match=f"{rule.name}: {name} is {value:g}, and should be"):
            each.hyper[name] = value
        assert each.hyper[name] == kept


REFUSED = {
    "negative": (lambda: sg.Adam(-1), ValueError, "Adam: lr is -1, and should be a finite"),
    "beta of 1": (lambda: sg.Adam(betas=(0.9, 1)), ValueError, "beta2 is 1, and should be"),
    "one beta": (lambda: sg.Adam(betas=0.9), TypeError, "betas are two numbers below 1, not 0.9"),
    "a text": (lambda: sg.RMSprop(alpha="0.9"), TypeError, "RMSprop: alpha is a number or"),
    "infinity": (lambda: sg.Adagrad(eps=np.inf), ValueError, "Adagrad: eps is inf"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_impossible_options(make, error, words):
    with pytest.raises(error) as raised:
        make()
    assert words in str(raised.value)
