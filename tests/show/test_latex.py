"""LaTeX of gradients and of every operation."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.express import Expressions
from symgrad.language.row import TABLE
from symgrad.show.latex import gradient_latex
from tests.language.rows import apply_row, cases

x = sg.data("x")
w = sg.parameter("w")
v = sg.data("v", shape=3)
W = sg.parameter("W", shape=(2, 3), init=0)


def test_a_gradient_is_aligned_equations():
    h = sg.let("h", sp.tanh(w * x))
    g = sg.gradient(h**2 * x, [w, x])
    text = g._repr_latex_()
    assert text.startswith(r"$\begin{aligned}") and text.endswith(r"\end{aligned}$")
    assert r"h &= \tanh{\left(w x \right)}" in text and r"\bar{h} &= 2 h x" in text
    assert r"\nabla_{w} &= " in text


def test_the_objective_comes_before_the_gradient():
    text = gradient_latex({w: 2 * w}, objective=sg.expectation(w**2 * x))
    assert text.index(r"\mathcal{L}") < text.index(r"\nabla_{w}")
    assert r"\mathbb{E}\left[w^{2} x\right]" in text


def test_how_draws_are_distributed_stands_first():
    eps, u = sg.random.normal("eps"), sg.random.uniform("u")
    n, k = sg.random.integers("n", 7), sg.random.categorical("k", [1, 2, 3])
    table = sg.parameter("P", shape=7, init=0)
    model = sg.compile((table[n] * table[k] + w * eps - u) ** 2, target="reference")
    first, *rest = model._repr_latex_().removeprefix(r"$\begin{aligned} ").split(r" \\ ")
    assert first == r"eps &\sim \mathcal{N}(0, 1)"
    assert rest[0] == r"k &\sim \operatorname{Categorical}(3\text{ weights})"
    assert rest[1] == r"n &\sim \mathcal{U}\{0, \ldots, 6\}"
    assert rest[2] == r"u &\sim \mathcal{U}(0, 1)" and r"\mathcal{L} &= " in rest[3]


def test_sums_are_delimited():
    assert sp.latex(sg.sum(v * 2) * w) == r"w \sum\left(2 v\right)"
    assert sp.latex(sg.sum(W, axis=0)) == r"\sum_{0}\left(W\right)"


@pytest.mark.parametrize(
    ("e", "text"),
    [
        (W @ v, "W v"), (W.T, r"W^\top"), (sg.softmax(v), r"\operatorname{softmax}\left(v\right)"),
        (sg.expectation(x) ** 2, r"\mathbb{E}\left[x\right]^{2}"),
        (sg.indicator(x > 0), r"\left[x > 0\right]"), ((W @ v) * x, r"x \left(W v\right)"),
    ],
)  # fmt: skip
def test_operations(e, text):
    assert sp.latex(e) == text


@pytest.mark.parametrize("name", TABLE)
def test_every_row_has_latex_with_balanced_braces(name, rng):
    row = TABLE[name]
    applied = apply_row(row, cases(row)[1], "all", rng)
    (e,) = Expressions(applied.builder.block({})).of([applied.result.operand])
    for shown in [sp.latex(e), *([sp.latex(e**2)] if isinstance(e, sp.Expr) else [])]:
        assert shown.count("{") == shown.count("}")
        assert shown.count(r"\left") == shown.count(r"\right")
