"""Products folded into the loops that read their rows: the same numbers, in less memory."""

import itertools

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.lower import folding
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Loop, Product, Update, statements
from symgrad.lower.processor import Processor
from tests.selection import mostly_full

RULES = {
    "adam": sg.Adam(lr=0.01), "momentum": sg.SGD(lr=0.1, momentum=0.5),
    "rmsprop": sg.RMSprop(lr=0.01),
    "decay": sg.SGD(lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
}  # fmt: skip


@pytest.fixture(autouse=True)
def every_result(monkeypatch):
    for name in ("RESULT_BYTES", "WIDE", "ADDED"):
        monkeypatch.setattr(folding, name, 0)
    yield
    sg.set_threads(None)


def layered(first=96, second=50, given=7, classes=3):
    """A network; `first` rows are a multiple of a line, `second` ones are not even of eight."""
    x, y = sg.data("x", shape=given), sg.data("y", dtype=int)
    sizes = (given, first, second, classes)
    for k, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        W = sg.parameter(f"W{k}", shape=(outputs, inputs), init="linear")
        x = sg.let(f"z{k}", W @ x + sg.parameter(f"b{k}", shape=outputs))
        x = x if k == 2 else sg.let(f"h{k}", sp.tanh(x))
    return sg.cross_entropy(x, y)


def turned():
    """Weights on the right of samples: their rows are the inputs."""
    x, y = sg.data("x", shape=48), sg.data("y", dtype=int)
    V = sg.parameter("V", shape=(48, 32), init="linear")
    return sg.cross_entropy(sp.tanh(x @ V) @ sg.parameter("U", shape=(32, 3), init="linear"), y)


def tied():
    """Two products that are added up in one memory, and weights that are read in between."""
    x, y = sg.data("x", shape=32), sg.data("y", dtype=int)
    W = sg.parameter("W", shape=(32, 32), init="linear")
    h = sg.let("h", sp.tanh(W @ x))
    return sg.cross_entropy(sp.tanh(W @ h), y)


def penalised():
    """A sum over the whole gradient comes before the update."""
    x, y = sg.data("x", shape=16), sg.data("y")
    W = sg.parameter("W", shape=(32, 16), init="linear")
    loss = sg.sum((sp.tanh(W @ x) - y) ** 2)
    g = sg.gradient(loss, W)
    return loss + sg.sum(sg.expectation(g) ** 2) / 100


SIZES = {layered: (7, 3), turned: (48, 3), tied: (32, 32), penalised: (16, 1)}


def given(loss, n):
    rng = np.random.default_rng(3)
    size, classes = SIZES[loss]
    y = rng.standard_normal(n) if classes == 1 else rng.integers(0, classes, n)
    return {"x": rng.standard_normal((n, size)), "y": y}


def fitted(loss, rule, threads=1, target="cpu", dtype="float64", **options):
    sg.set_threads(threads)
    model = sg.compile(loss(), RULES[rule], target=target, dtype=dtype, seed=1)
    model.fit(given(loss, 91), epochs=3, batch_size=20, progress=False, **options)
    return model


@pytest.mark.parametrize(("loss", "rule", "threads"), mostly_full(
    itertools.product(SIZES, RULES, (1, 2, 3)),
    [(layered, "adam", 1), (layered, "momentum", 2), (turned, "adam", 2), (tied, "momentum", 1),
     (penalised, "adam", 1)],
))  # fmt: skip
def test_trajectories_are_the_reference_targets(loss, rule, threads, monkeypatch):
    """Mini-batches of 20 and, at the end, one of 11."""
    ours, theirs = (fitted(loss, rule, threads, target) for target in ("cpu", "reference"))
    for name, value in theirs.parameters.items():
        np.testing.assert_allclose(ours.parameters[name], value, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("loss", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_those_of_whole_products(loss, dtype, monkeypatch):
    ours = fitted(loss, "adam", dtype=dtype)
    assert "for tile in range" in ours.source
    monkeypatch.setattr(folding, "REPEATED", 0)
    whole = fitted(loss, "adam", dtype=dtype)
    assert "for tile in range" not in whole.source
    for name, value in whole.parameters.items():
        rtol = 1e-3 if dtype == "float32" else 1e-10
        np.testing.assert_allclose(ours.parameters[name], value, rtol=rtol, atol=rtol / 1000)


def test_the_sum_of_several_mini_batches():
    ours, theirs = (
        fitted(layered, "adam", target=target, accumulate=2) for target in ("cpu", "reference")
    )
    for name, value in theirs.parameters.items():
        np.testing.assert_allclose(ours.parameters[name], value, rtol=1e-9, atol=1e-11)


def kernel(loss, rule, batch=20):
    model = sg.compile(loss(), RULES[rule])
    return lower(model.executables.program("step"), "float32", batch)


def tiles(kernel):
    return [s for s in kernel.step if isinstance(s, Loop) and s.axis.step > 1]


def test_a_gradient_that_only_the_update_reads_has_memory_for_a_tile_alone():
    (first, second) = tiles(kernel(layered, "adam"))
    sizes = {}
    for loop in (first, second):
        (product,) = (s for s in statements((loop,)) if isinstance(s, Product))
        assert product.beta.value == 0
        sizes[loop.axis.extent] = product.c.buffer.shape
    assert sizes == {96: (8, 7), 50: (10, 96)}


def test_momentum_stays_where_it_is():
    for loop in tiles(kernel(layered, "momentum")):
        (product,) = (s for s in statements((loop,)) if isinstance(s, Product))
        assert product.c.buffer.role == "state"


def test_weights_change_after_everybody_has_read_them():
    """The gradient of what is below a layer needs its old weights: its product moves down."""
    steps = kernel(layered, "adam").step
    for number, loop in enumerate(steps):
        if isinstance(loop, Loop) and loop.axis.step > 1:
            written = {s.buffer.home for s in statements((loop,)) if hasattr(s, "index")}
            later = [s for s in statements(steps[number + 1 :]) if isinstance(s, Product)]
            assert not any(m.buffer.home in written for s in later for m in (s.a, s.b))


def test_long_products_and_small_results_are_left_alone(monkeypatch):
    assert len(tiles(kernel(layered, "adam", batch=20))) == 2
    monkeypatch.setattr(folding, "RESULT_BYTES", 4 * 50 * 96)
    assert len(tiles(kernel(layered, "adam", batch=20))) == 1
    monkeypatch.setattr(folding, "REPEATED", (4 * 20 * 96 - 1) / Processor().second)
    assert not tiles(kernel(layered, "adam", batch=20))
    monkeypatch.undo()
    assert not tiles(kernel(layered, "adam", batch=20))


def test_a_sum_of_the_whole_gradient_needs_it():
    """What else is read of it keeps its memory whole."""
    for loop in tiles(kernel(penalised, "adam")):
        for s in statements((loop,)):
            assert not isinstance(s, Update) or s.buffer.is_local


def random_network(rng):
    """Layers whose weights stand on either side, some of them used twice, and perhaps a penalty."""
    width = int(rng.choice([8, 24, 33, 48]))
    x = sg.data("x", shape=width)
    h, weights = x, []
    for k in range(rng.integers(1, 4)):
        square = [W for W, size in weights if size == (width, width)]
        if square and rng.random() < 0.4:
            W = square[rng.integers(len(square))]
        else:
            right, width, before = rng.random() < 0.5, int(rng.choice([8, 24, 33, 48])), width
            size = (before, width) if right else (width, before)
            W = sg.parameter(f"W{k}", shape=size, init="linear")
            weights.append((W, size))
        z = h @ W if sg.shape(W)[0] == sg.shape(h)[0] else W @ h
        h = sg.let(f"h{k}", sp.tanh(z + sg.parameter(f"b{k}", shape=sg.shape(z))))
    loss = sg.mean((h - sg.data("y")) ** 2)
    if rng.random() < 0.3:
        loss += sum(sg.sum(W**2) for W, _ in weights) / 1000
    return loss, sg.shape(x)


def test_random_networks(seed, share):
    count = 0
    for k in range(share(24)):
        print("network", seed + k)
        rng = np.random.default_rng(seed + k)
        loss, shape = random_network(rng)
        rule, threads = RULES[rng.choice(list(RULES))], int(rng.integers(1, 4))
        size, accumulate = int(rng.integers(2, 40)), int(rng.choice([1, 1, 2]))
        data = {"x": rng.standard_normal((70, *shape)), "y": rng.standard_normal(70)}
        models = []
        for target in ("cpu", "reference"):
            sg.set_threads(threads)
            model = sg.compile(loss, rule, target=target, dtype="float64", seed=1)
            model.fit(data, epochs=2, batch_size=size, accumulate=accumulate, progress=False)
            models.append(model)
        count += "for tile in range" in models[0].source
        for name, value in models[1].parameters.items():
            ours = models[0].parameters[name]
            np.testing.assert_allclose(ours, value, rtol=1e-7, atol=1e-9, err_msg=str(rule))
    assert count > share(24) / 4


def test_what_is_read_again_stays_in_the_second_level_cache(monkeypatch):
    """Mini-batches of 32 are short where it has two megabytes, and not where it has half of one."""
    monkeypatch.undo()
    small, large = (Processor(second=n * 1024) for n in (512, 2048))
    for batch, expected in ((8, [True, True]), (32, [False, True]), (128, [False, False])):
        found = [folding.pays(512, 784, batch, "float32", core) for core in (small, large)]
        assert found == expected
