"""Rules become equations behind the gradient: one block, or two under accumulation."""

import pytest

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.update import accumulate, apply_rule, update
from symgrad.language.symbols import step

x, y = sg.data("x", shape=4), sg.data("y")
W, b = sg.parameter("W", shape=4), sg.parameter("b")


def gradients():
    block = capture({"loss": sg.expectation((W @ x + b - y) ** 2)})
    derived, operands = derive(block, block.outputs["loss"], [block.inputs[W], block.inputs[b]])
    return derived, dict(zip([W, b], operands, strict=True))


RULES = {
    "plain": sg.SGD(0.1),
    "all of it": sg.SGD(0.1, 0.9, 0.1, 0.01, maximize=True),
    "nesterov": sg.SGD(0.1, 0.9, nesterov=True),
    "schedule": sg.SGD(1 / (1 + sg.step)),
    "a number": sg.Rule(lambda p, g: 3),
}


@pytest.mark.parametrize("name", RULES)
def test_one_block_writes_parameters_states_and_step(name):
    applied = apply_rule(RULES[name], [W, b])
    program = update(*gradients(), applied).check()
    states = {s for p in (W, b) for s in applied.states[p].values()}
    assert program.update is None
    assert set(program.step.writes) == {W, b, step} | states
    assert list(program.step.outputs) == ["loss"]


@pytest.mark.parametrize("name", RULES)
def test_two_blocks_add_up_then_apply_and_clear(name):
    applied = apply_rule(RULES[name], [W, b])
    program = accumulate(*gradients(), applied).check()
    sums = set(applied.accumulators.values())
    states = {s for p in (W, b) for s in applied.states[p].values()}
    assert set(program.step.writes) == sums
    assert set(program.update.writes) == {W, b, step} | states | sums
    assert not any(name.per_sample for name in program.update.inputs.values())


@pytest.mark.parametrize("alike", [True, False])
def test_parameters_of_one_shape_share_a_formula(alike):
    """It is asked for once, and each parameter is updated with its own gradient and state."""
    asked, V = [], sg.parameter("V", shape=4)

    def update_of(p, g, v, lr):
        asked.append(p)
        return p - lr * (v + g), v + g

    rule = sg.Rule(update_of, {"lr": 0.5}, {"v": 0.0}, alike=alike)
    applied = apply_rule(rule, [W, b, V])
    assert asked == ([W, b] if alike else [W, b, V])
    for p in (W, b, V):
        block, g = applied.captured[p]
        assert {p, g, *applied.states[p].values()} <= set(block.inputs)
        assert not ({W, b, V} - {p}) & set(block.inputs)


def test_what_is_zero_costs_nothing():
    applied = apply_rule(sg.SGD(0.1), [W, b])
    before, _ = gradients()
    program = update(*gradients(), applied)
    # for each of two parameters -lr g and p - lr g, and the step
    assert len(program.step.equations) - len(before.equations) == 2 * 2 + 1
    assert not any(applied.states.values()) and not applied.initial


def test_dampening_is_a_number_of_the_step():
    """Then the update stays linear in the gradient, and can be folded into its product."""
    applied = apply_rule(sg.SGD(0.1, 0.9, 0.5), [W])
    derived, wrt = gradients()
    program = update(derived, {W: wrt[W]}, applied)
    chosen = [e for e in program.step.equations if e.operation == "select"]
    assert [e.name.shape for e in chosen] == [()]
