"""The reference target: mini-batches, writes, accumulation, precision, and where a NaN began."""

import tracemalloc

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.block import Block
from symgrad.calculus.builder import Builder
from symgrad.calculus.capture import capture
from symgrad.calculus.program import Program
from symgrad.calculus.reference import Reference, evaluate

x = sg.data("x")
w = sg.parameter("w")


def descent(**outputs):
    """w <- w - mean(x w), with outputs."""
    block = capture({"new": w - sg.expectation(x * w), **outputs})
    return Program(Block(block.inputs, block.equations, {k: block.outputs[k] for k in outputs},
                         {w: block.outputs["new"]})).check()  # fmt: skip


def test_minibatches_with_a_smaller_last_one():
    arrays = {x: np.arange(5.0), w: np.array(1.0)}
    out = {"mean": np.zeros(3), "own": np.zeros(5)}
    program = descent(mean=sg.expectation(x * w), own=x * w)
    assert Reference(program, "float64", 2).run(arrays, None, 0, 5, outputs=out) == 0
    steps = [1.0, 0.5, -0.75]
    assert arrays[w] == pytest.approx(-0.75 - -0.75 * 4)
    np.testing.assert_allclose(out["mean"], [0.5, 0.5 * 2.5, -0.75 * 4])
    np.testing.assert_allclose(out["own"], np.arange(5.0) * np.repeat(steps, 2)[:5])


def test_the_order_of_samples():
    arrays = {x: np.arange(4.0), w: np.array(2.0)}
    out = {"own": np.zeros(2)}
    Reference(descent(own=x), "float64", 1).run(arrays, np.array([3, 1, 2, 0]), 1, 3, outputs=out)
    np.testing.assert_array_equal(out["own"], [1.0, 2.0])


def test_reads_see_old_values():
    a, b = sg.parameter("a b")
    block = capture({"a": b + 0, "b": a + 1})
    program = Program(
        Block(block.inputs, block.equations, {}, {a: block.inputs[b], b: block.outputs["b"]})
    )
    arrays = {a: np.array(1.0), b: np.array(10.0)}
    Reference(program, "float64", 1).run(arrays, None, 0, 1)
    assert arrays == {a: 10.0, b: 2.0}


@pytest.mark.parametrize("every", [1, 2, 3])
def test_accumulation_crosses_calls(every):
    total = sg.parameter("total")
    adding, applying = (
        capture({"t": total + sg.expectation(x)}),
        capture({"w": w - total, "z": 0 * w}),
    )
    zero = Builder(applying.inputs)
    zero.adopt(applying.equations)
    program = Program(
        Block(adding.inputs, adding.equations, {}, {total: adding.outputs["t"]}),
        Block(
            applying.inputs,
            applying.equations,
            {},
            {w: applying.outputs["w"], total: applying.outputs["z"]},
        ),
    )
    arrays = {x: np.ones(7), w: np.array(0.0), total: np.array(0.0)}
    target = Reference(program, "float64", 1)
    pending = target.run(arrays, None, 0, 4, every=every)
    pending = target.run(arrays, None, 4, 7, every=every, pending=pending)
    assert pending == 7 % every
    assert arrays[w] == -(7 - 7 % every) and arrays[total] == 7 % every


def test_losses_are_summed_in_double_precision():
    block = capture({"loss": sg.expectation(x), "per": x * 2})
    arrays = {x: np.full(3, np.float32(0.1))}
    values = evaluate(block, arrays, dtype=np.float32)
    assert values[block.outputs["loss"]].dtype == np.float64
    assert values[block.outputs["per"]].dtype == np.float32


def test_numbers_of_the_step_are_double_precision():
    lr = sg.hyper("lr", 0.1)
    block = capture({"rate": lr / (1 + sg.step), "v": w * lr})
    arrays = {lr: np.array(0.1), sg.step: np.array(3), w: np.array(1.0, np.float32)}
    values = evaluate(block, arrays, dtype=np.float32)
    assert values[block.outputs["rate"]] == 0.1 / 4
    assert values[block.outputs["v"]].dtype == np.float32


def test_the_equation_that_made_a_nan_is_named():
    h = sg.let("ratio", sp.log(x) * w)
    block = capture({"loss": sg.expectation(h + 1)})
    arrays = {x: np.array([1.0, -1.0]), w: 2.0}
    with pytest.raises(FloatingPointError, match=r"NaN first appears in .*log"):
        evaluate(block, arrays, nan="raise")
    assert np.isnan(evaluate(block, arrays)[block.outputs["loss"]])


def test_a_batch_of_nothing_per_sample():
    block = capture({"loss": w**2})
    assert evaluate(block, {w: 3.0})[block.outputs["loss"]] == 9


def test_sources_are_the_blocks():
    text = Reference(descent(own=x), "float64", 2).source
    assert "input x: sample float ()" in text and "w := " in text


def test_a_large_outer_product_is_averaged_without_a_copy_for_each_sample(rng):
    """500 samples of a 400 x 300 product would take 480 MB."""
    x, y = sg.data("x", shape=300), sg.data("y", shape=400)
    W = sg.parameter("W", shape=(400, 300), init=0)
    block = capture({"g": sg.gradient(sg.expectation(sg.mse(W @ x, y)), W)})
    arrays = {x: rng.normal(size=(500, 300)), y: rng.normal(size=(500, 400)), W: np.ones(W.shape)}
    tracemalloc.start()
    found = evaluate(block, arrays)[block.outputs["g"]]
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    error = arrays[x] @ arrays[W].T - arrays[y]
    np.testing.assert_allclose(found, 2 * error.T @ arrays[x] / 400 / 500, rtol=1e-10)


def test_contractions_of_the_whole_minibatch_have_symbolic_sizes(rng):
    v = sg.data("v", shape=2)
    block = capture(
        {"loss": sg.expectation(sg.logsumexp(sg.batch(v) @ v) + sg.sum(sg.batch(v) @ v))}
    )
    arrays = {v: rng.standard_normal((5, 2))}
    products = arrays[v] @ arrays[v].T
    want = (np.log(np.exp(products).sum(1)) + products.sum(1)).mean()
    np.testing.assert_allclose(evaluate(block, arrays)[block.outputs["loss"]], want, rtol=1e-13)


def test_large_products_that_are_only_averaged_are_not_held(rng):
    x, y = sg.data("x", shape=40), sg.data("y", shape=50)
    block = capture({"mean": sg.expectation(sg.outer(x, y))})
    arrays = {x: rng.standard_normal((6, 40)), y: rng.standard_normal((6, 50))}
    values = evaluate(block, arrays)
    assert max(np.size(v) for v in values.values()) == 2000
    np.testing.assert_allclose(
        values[block.outputs["mean"]], arrays[x].T @ arrays[y] / 6, rtol=1e-12
    )


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_products_of_integers_wrap_as_numpys_and_those_with_floats_are_floats(target):
    i, j = sg.data("i j", dtype=int)
    x, v = sg.data("x"), sg.data("v", shape=(2,), dtype=int)
    given = [
        np.array([2**40, 3]),
        np.array([2**40, -4]),
        np.array([0.5, 2.0]),
        np.full((2, 2), 2**40),
    ]
    expected = [given[0] * given[1], given[0] * (given[1] * given[2]), np.full(2, 2.0**81)]
    found = sg.function([i * j, i * j * x, sg.dot(v, v)], [i, j, x, v], dtype="float64",
                        target=target)(*given)  # fmt: skip
    for value, want in zip(found, expected, strict=True):
        assert value.dtype == want.dtype
        np.testing.assert_array_equal(value, want)
