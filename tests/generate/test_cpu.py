"""The CPU target: its text, and that the compiler makes of it what the reference target gives."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.build import build
from symgrad.calculus.builder import Builder
from symgrad.calculus.program import Program
from symgrad.calculus.update import splice
from symgrad.generate.cpu import generate
from symgrad.language.row import TABLE
from symgrad.lower.driver import lower
from tests.language.rows import apply_row, cases
from tests.lower.programs import agree, network, trained
from tests.selection import mostly_full

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]


def line():
    x, y = sg.data("x y")
    w, b = sg.parameter("w b")
    return trained((w * x + b - y) ** 2, [w, b], sg.SGD(0.01)), "float64", 1


def digits():
    return network((784, 512, 10), sg.sigmoid, sg.SGD(0.01, momentum=0.5)), "float32", 32


def factors():
    y, u, i = sg.data("y"), sg.data("u", dtype=int), sg.data("i", dtype=int)
    P = sg.parameter("P", shape=(50, 8), init=0)
    Q = sg.parameter("Q", shape=(70, 8), init=0)
    loss = (y - sg.dot(P[u], Q[i])) ** 2 + 0.02 * sg.sum(P[u] ** 2)
    return trained(loss, [P, Q], sg.SGD(0.005)), "float32", 1


def accumulated():
    x, y = sg.data("x", shape=3), sg.data("y")
    w = sg.parameter("w", shape=3)
    return trained((w @ x - y) ** 2, [w], sg.SGD(0.1), accumulated=True), "float32", 4


MODELS = {f.__name__: f for f in (line, digits, factors, accumulated)}


@pytest.mark.parametrize("name", MODELS)
def test_golden_files(name, update_golden):
    text = generate(lower(*MODELS[name]())).text
    path = GOLDEN / f"{name}.txt"
    if update_golden:
        path.write_text(text)
    assert text == path.read_text(), "run pytest with --update-golden if the change is meant"


def ordered(loss, parameters, batch=1):
    return (
        '"reassoc"'
        not in generate(lower(trained(loss, parameters, sg.SGD(0.1)), "float32", batch)).text
    )


def test_llvm_leaves_the_order_of_steps_that_sum_up_nothing():
    x, y, v = sg.data("x"), sg.data("y"), sg.data("v", shape=9)
    w, b, u = sg.parameter("w"), sg.parameter("b"), sg.parameter("u", shape=9)
    assert ordered((w * x + b - y) ** 2, [w, b])
    assert not ordered((w * x + b - y) ** 2, [w, b], batch=8)
    assert not ordered((sg.dot(u, v) + b - y) ** 2, [u, b])


def test_the_text_depends_on_nothing_but_the_model():
    names = ("line", "factors", "accumulated")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.generate.test_cpu import MODELS, generate, lower\n"
        f"for name in {names}: print(generate(lower(*MODELS[name]())).text, end='')"
    )
    golden = "".join((GOLDEN / f"{name}.txt").read_text() for name in names)
    environment = {**os.environ, "PYTHONHASHSEED": "77"}  # here it is another one in every run
    text = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout  # fmt: skip
    assert text == golden


HOSTILE = [
    "exp",
    "x\nimport os",
    '__import__("os")',
    "\uff58",
    "'''",
    "a b",
    "lambda",
    "run",
    "\x07",
]


def test_names_of_symbols_are_only_ever_labels(rng):
    # a name with a space would be two symbols to sg.data: they are made from one that has none
    from symgrad.language.symbols import TensorSymbol

    builder, total = Builder(), None
    for k, name in enumerate(HOSTILE):
        symbol = TensorSymbol(name, (), "float", "data", f"key{k}", f"key{k}")
        value = builder.value(builder.input(symbol, (), True))
        total = value if total is None else total + value * (k + 1)
    program = Program(builder.block(dict.fromkeys(HOSTILE, total.operand)))
    for batch in (1, 4):
        text = agree(program, batch, rng)
        code = [t.split("#")[0] for t in text.splitlines()]
        assert all(t.isascii() and t.isprintable() for t in text.splitlines())
        assert not any("__import__" in t or "import os" in t for t in code)


DTYPES = ["float64", "float32"]


@pytest.mark.parametrize(("name", "dtype"), mostly_full(
    itertools.product(MODELS, DTYPES),
    [("line", "float64"), ("digits", "float32"), ("factors", "float64"),
     ("accumulated", "float32")],
))  # fmt: skip
def test_compiled_models(name, dtype, rng):
    program, _, batch = MODELS[name]()
    every = 2 if program.update else 1
    limits = {"u": 50, "i": 70, "label": 10}
    agree(program, batch, rng, samples=2 * batch + 1, dtype=dtype, make=build, limits=limits,
          every=every, tolerance=1e-10 if dtype == "float64" else 2e-5)  # fmt: skip


POINTWISE = [r.name for r in TABLE.values() if r.kind == "pointwise"]


@pytest.mark.parametrize(("part", "dtype"), mostly_full(
    itertools.product(range(4), DTYPES),
    [(0, "float64"), (1, "float32"), (2, "float64"), (3, "float32")],
))  # fmt: skip
def test_compiled_pointwise_rows(part, dtype, seed):
    """A quarter of the rows as one kernel, on vectors so that the loops are vectorised."""
    rng, builder, outputs, values = np.random.default_rng(seed), Builder(), {}, {}
    for name in POINTWISE[part::4]:
        applied = apply_row(TABLE[name], cases(TABLE[name])[1], "all", rng)
        given = {}
        for s in applied.operands:
            new = sg.data(f"{name}_{s.name}", shape=s.shape)
            given[s] = builder.value(builder.input(new, s.shape, True))
            values[new] = applied.arrays[s]
        block = applied.builder.block({"": applied.result.operand})
        outputs[name] = splice(builder, block, given)[""].operand
    program = Program(builder.block(outputs))
    tolerance = 1e-11 if dtype == "float64" else 3e-5
    agree(program, 2, rng, samples=3, dtype=dtype, make=build, values=values, tolerance=tolerance)


def test_not_a_number_and_infinity_keep_their_meaning(rng):
    builder = Builder()
    x, y = (builder.value(builder.input(s, (), True)) for s in sg.data("x y"))
    outputs = {
        "max": builder.apply("max", x, y), "min": builder.apply("min", x, y),
        "relu": builder.apply("relu", x), "sign": builder.apply("sign", x),
        "floor at 2": builder.apply("max", x, 2), "abs": builder.apply("abs", x),
        "less": builder.apply("select", builder.apply("lt", x, y), 1, 2),
        "product": x * y * 0.5, "quotient": x / y, "power": x**3, "root": x ** sp.Rational(1, 2),
        "modulo": builder.apply("mod", x, y),
    }  # fmt: skip
    program = Program(builder.block({k: v.operand for k, v in outputs.items()}))
    special = [np.nan, np.inf, -np.inf, 0.0, 1.5, -2.5]
    grid = np.array([(a, b) for a in special for b in special])
    arrays = dict(zip(program.step.inputs, grid.T.copy(), strict=True))
    for dtype in ("float64", "float32"):
        agree(program, 7, rng, samples=len(grid), dtype=dtype, make=build, values=arrays,
              tolerance=1e-6, ordered=False)  # fmt: skip


def test_a_computed_index_out_of_range_is_an_error(rng):
    builder, T = Builder(), sg.parameter("T", shape=(4,), init=0)
    u = builder.value(builder.input(sg.data("u", dtype=int), (), True))
    table = builder.value(builder.input(T, (4,), False))
    program = Program(builder.block({"t": builder.apply("gather", table, u + 2).operand}))
    agree(program, 2, rng, limits={"u": 2}, make=build)
    with pytest.raises(IndexError):
        agree(program, 2, rng, limits={"u": 1000}, make=build)


def test_float32_kernels_compute_in_float32():
    program, _, batch = digits()
    text = generate(lower(program, "float32", batch)).text
    body = text[text.index("while left > 0") :]
    wide = [t for t in body.splitlines() if "float64" in t]
    assert all("n)" in t or re.match(r"\s+v\d+ = np.float64\(v\d+\)$", t) for t in wide), wide
