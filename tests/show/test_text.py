"""Text: named values as equations, distinct names, blocks line by line."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.block import Block, Name
from symgrad.calculus.capture import capture
from symgrad.show.text import block_names, block_text, equations_text, gradient_text, printable

x = sg.data("x")
w = sg.parameter("w")


def test_lets_stand_above_what_uses_them():
    a = sg.let("a", w * x)
    c = sg.let("c", sp.sin(a) + a)
    assert equations_text({"y": c**2}) == "a = w*x\nc = a + sin(a)\ny = c**2"


def test_lets_of_one_name_are_numbered_on_both_sides():
    h = x
    for _ in range(3):
        h = sg.let("h", sp.tanh(w * h))
    assert equations_text({"y": h}) == ("h1 = tanh(w*x)\nh2 = tanh(h1*w)\nh3 = tanh(h2*w)\ny = h3")


def test_numbers_avoid_other_names():
    h = sg.let("h", x + 1)
    k = sg.let("h", h**2)
    text = equations_text({"y": sp.sin(k) * h * sg.let("h1", x**3) * sg.parameter("h2")})
    left = [line.split(" = ")[0] for line in text.splitlines()]
    assert len(set(left)) == len(left) and "h2" not in left
    assert set(left) == {"h1", "h3", "h4", "y"}


def test_a_let_called_like_a_symbol_is_told_apart():
    assert equations_text({"y": sg.let("w", sp.sin(w)) - w}) in (
        "w1 = sin(w)\ny = -w + w1", "w1 = sin(w)\ny = w1 - w"
    )  # fmt: skip


def test_gradients_by_symbol():
    h = sg.let("h", w * x)
    assert gradient_text({w: 2 * h * x, x: 2 * h * w}) == "h = w*x\nw: 2*h*x\nx: 2*h*w"


@pytest.mark.parametrize(
    ("name", "shown"), [("x", "x"), ("x\n", "x\\n"), ("\0", "\\x00"), ("ｘ", "ｘ"), ("é", "é")]
)
def test_names_stay_on_one_line(name, shown):
    assert printable(name) == shown
    assert str(sg.data(name)) == shown
    assert equations_text({"y": sg.data(name) + 1}) == f"y = {shown} + 1"


def test_a_block_line_by_line():
    h = sg.let("h", sp.sin(w * x))
    text = block_text(capture({"loss": sg.expectation(h**2)}))
    assert (
        text
        == """\
input w: float ()
input x: sample float ()
v2: sample float () = mul(w, x)
h: sample float () = sin(v2)
v4: sample float () = pow(h, 2)
v5: float () = expectation(v4)
output loss = v5"""
    )


def test_attributes_and_writes_are_shown():
    v = sg.data("v", shape=(2, 3))
    block = capture({"s": sg.sum(v, axis=1)})
    assert "sum(v, axes=(1,), keepdims=False)" in block_text(block)
    written = Block({w: Name("w", ())}, (), {}, {})
    written = Block(written.inputs, (), {}, {w: written.inputs[w]})
    assert block_text(written) == "input w: float ()\nw := w"


def test_every_name_of_a_block_is_told_apart():
    names = [Name("a", ()), Name("a", ()), Name("a_1", ()), Name("a_1_2", ()), Name("", ())]
    inputs = {sg.data(f"i{k}"): n for k, n in enumerate(names)}
    shown = block_names(Block(inputs, (), {}))
    assert len(set(shown.values())) == len(names)
