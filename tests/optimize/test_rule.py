"""Users' own rules: a function of p and g, with numbers and state."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.optimize.rule import as_rule

x = sg.data("x")


def quadratic(optimizer, **options):
    w = sg.parameter("w", init=3)
    return sg.compile(w**2, optimizer, target="reference", dtype="float64", **options)


def test_a_bare_function():
    model = quadratic(lambda p, g: p - g / 4)
    model.step({})
    assert model.parameters["w"] == 1.5


def test_numbers_become_hypers_and_state_is_kept():
    def heavy_ball(p, g, v, lr, mu):
        v = mu * v + g
        return p - lr * v, v

    model = quadratic(sg.Rule(heavy_ball, {"lr": 0.1, "mu": 0.5}, {"v": 1}, name="ball"))
    w, v, lr = 3.0, 1.0, 0.1
    for lr in (0.1, 0.1, 0.05):
        model.hyper["lr"] = lr
        model.step({})
        v = 0.5 * v + 2 * w
        w -= lr * v
        assert model.parameters["w"] == pytest.approx(w, rel=1e-14)
    assert dict(model.hyper) == {"lr": 0.05, "mu": 0.5}


def test_a_rule_may_use_the_step_and_hypers_of_the_user():
    rate = sg.hyper("rate", 0.5)
    model = quadratic(lambda p, g: p - rate * g / (1 + sg.step))
    model.step({})
    assert model.parameters["w"] == 0  # 3 - 0.5 * 6 / 1
    model.parameters["w"] = 3
    model.hyper["rate"] = 1.0
    model.step({})
    assert model.parameters["w"] == 0  # 3 - 1 * 6 / 2


def test_adam_is_a_few_lines():
    def adam(p, g, m, v, lr, b1, b2, eps):
        m, v, t = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2, sg.step + 1
        return p - lr * (m / (1 - b1**t)) / (sp.sqrt(v / (1 - b2**t)) + eps), m, v

    torch = pytest.importorskip("torch")
    numbers = {"lr": 0.1, "b1": 0.9, "b2": 0.999, "eps": 1e-8}
    model = quadratic(sg.Rule(adam, numbers, {"m": 0, "v": 0}, name="Adam"))
    w = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([w], lr=0.1)
    model.fit({}, epochs=100)
    for _ in range(100):
        theirs.zero_grad()
        (w**2).backward()
        theirs.step()
    np.testing.assert_allclose(model.parameters["w"], w.item(), rtol=1e-10)


@pytest.mark.parametrize(
    ("optimizer", "error", "words"),
    [
        ("sgd", TypeError, "optimizer wants sg.SGD(lr=...), an sg.Rule or a function"),
        (sg.SGD, TypeError, "makes an optimiser when it is called"),
        (sg.Rule, TypeError, "not <class"),
        (lambda p, g: (p, g), ValueError, "gives 2 values and should give 1"),
        (sg.Rule(lambda p, g, v: p, state={"v": 0}), ValueError, "should give 2: the parameter's"),
        (lambda p, g: p - g * x, ValueError, "the update of w reads the data x"),
    ],
)
def test_what_is_no_rule(optimizer, error, words):
    with pytest.raises(error) as raised:
        quadratic(optimizer)
    assert words in str(raised.value)


def test_rules_that_contradict_themselves():
    with pytest.raises(TypeError, match="a rule's update is a function"):
        sg.Rule("p - g")
    with pytest.raises(TypeError, match="rule: a name in numbers is a string, not 1"):
        sg.Rule(lambda p, g, lr: p, {1: 0.1})
    with pytest.raises(ValueError, match="'v' names two things"):
        sg.Rule(lambda p, g, v: p, {"v": 1}, {"v": 0})


def test_the_optimiser_and_the_loss_may_not_share_a_name():
    lr = sg.hyper("lr", 2)
    w = sg.parameter("w")
    with pytest.raises(ValueError, match="a hyper called 'lr', and so has its optimiser SGD"):
        sg.compile(lr * w**2, sg.SGD(0.1))


def test_a_users_hyper_as_learning_rate_is_that_hyper():
    model = quadratic(sg.SGD(sg.hyper("lr", 0.5)))
    assert model.hyper["lr"] == 0.5
    model.step({})
    assert model.parameters["w"] == 0


def test_a_parameter_may_be_called_as_a_number_of_the_rule():
    momentum = sg.parameter("momentum", init=1)
    model = sg.compile(momentum**2, sg.SGD(0.25, 0.5), target="reference")
    model.step({})
    assert model.parameters["momentum"] == 0.5 and model.hyper["momentum"] == 0.5


def test_a_rule_is_a_rule():
    rule = sg.SGD(0.1)
    assert as_rule(rule) is rule
