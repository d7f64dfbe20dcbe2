"""Large mini-batches in tiles: the same numbers as the reference target, in less memory."""

import itertools

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.lower import products, tiles
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Loop, Product, Update, statements
from symgrad.lower.parallel import Shared, parallel
from tests.lower.random_programs import agree_at_random
from tests.selection import mostly_full


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_BYTES", 1)
    yield
    sg.set_threads(None)


def parameter(name, *shape):
    value = np.random.default_rng(len(name)).standard_normal(shape) / 2
    return sg.parameter(name, shape=shape, init=value)


def hidden(x):
    """Two layers; activations and products of every kind."""
    h = sg.let("h", sp.tanh(parameter("W1", 12, 5) @ x + parameter("b1", 12)))
    return sg.let("z", parameter("W22", 6, 12) @ h + parameter("b22", 6))


def squares():
    x, y = sg.data("x", shape=5), sg.data("y")
    return sg.sum((hidden(x) - y) ** 2)


def classes():
    x, y = sg.data("x", shape=5), sg.data("label", dtype=int)
    return sg.cross_entropy(hidden(x), y)


def normalised():
    """What is computed after a mean over the whole mini-batch is known."""
    x, y = sg.data("x", shape=5), sg.data("y")
    z = hidden(x)
    mean = sg.let("mean", sg.expectation(z))
    variance = sg.let("variance", sg.expectation((z - mean) ** 2))
    return sg.sum(((z - mean) / sp.sqrt(variance + 0.1) - y) ** 2)


def scalars():
    x, y = sg.data("t y")
    a, b = sg.parameter("a b", init=0.5)
    return (a * sp.exp(-b * x) - y) ** 2


def rows():
    """Rows of a table are updated in place while others are read."""
    u, y = sg.data("u", dtype=int), sg.data("y")
    return (sg.sum(parameter("table", 9, 5)[u]) - y) ** 2


def coupled():
    """Samples that meet each other."""
    x, y = sg.data("x", shape=5), sg.data("y")
    z = sg.let("p", parameter("W", 5, 5) @ x)
    return -sg.dot(z, x) + sg.logsumexp(sg.batch(z) @ x / 5) + y**2


def heaviest():
    """A maximum over samples."""
    x, y = sg.data("x", shape=5), sg.data("y")
    return sg.sum((hidden(x) - y) ** 2) + sg.amax(sg.batch(parameter("v", 5) @ x)) ** 2


TILED, OTHERS = (squares, classes, normalised, heaviest), (scalars, rows, coupled)
DATA = {
    "x": (squares, classes, normalised, heaviest, coupled), "t": (scalars,), "u": (rows,),
    "y": (squares, normalised, scalars, rows, coupled, heaviest), "label": (classes,),
}  # fmt: skip


def given(loss, n=911):
    rng = np.random.default_rng(3)
    arrays = {
        "x": rng.standard_normal((n, 5)), "y": rng.standard_normal(n), "t": rng.random(n),
        "label": rng.integers(0, 6, n), "u": rng.integers(0, 9, n),
    }  # fmt: skip
    return {name: array for name, array in arrays.items() if loss in DATA[name]}


def compiled(loss, target, dtype="float64", **options):
    return sg.compile(loss(), sg.SGD(lr=0.01, **options), target=target, dtype=dtype, seed=1)


def close(ours, theirs, rtol=1e-9):
    for name, value in theirs.parameters.items():
        np.testing.assert_allclose(ours.parameters[name], value, rtol=rtol, atol=rtol / 100)


RULES = {"plain": {}, "momentum": {"momentum": 0.5, "weight_decay": 0.1}}
LOSSES = [*TILED, *OTHERS]


@pytest.mark.filterwarnings("ignore:SGD also changes the rows")
@pytest.mark.parametrize(("loss", "rule"), mostly_full(
    itertools.product(LOSSES, RULES),
    [(f, "momentum" if f is normalised else "plain") for f in LOSSES],
))  # fmt: skip
def test_trajectories_are_the_reference_targets(loss, rule):
    options = RULES[rule]
    size = 300 if loss is coupled else 700  # 911 samples: the last mini-batch is smaller
    models = [compiled(loss, target, **options) for target in ("cpu", "reference")]
    histories = [m.fit(given(loss), epochs=2, batch_size=size, progress=False) for m in models]
    close(*models)
    ours, theirs = (h.step_loss for h in histories)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert loss in OTHERS or "for tile in range" in models[0].source


def test_the_sum_of_several_mini_batches():
    models = [compiled(squares, target) for target in ("cpu", "reference")]
    for m in models:
        m.fit(given(squares), epochs=3, batch_size=300, accumulate=2, progress=False)
    close(*models)


def test_gradients_losses_and_predictions():
    ours, theirs = (compiled(squares, target) for target in ("cpu", "reference"))
    assert ours.loss(given(squares)) == pytest.approx(theirs.loss(given(squares)), rel=1e-12)
    wanted = theirs.gradients(given(squares))
    for name, g in ours.gradients(given(squares)).items():
        np.testing.assert_allclose(g, wanted[name], rtol=1e-10, atol=1e-12)


def test_sums_within_a_tile_are_float32_and_over_tiles_float64():
    n = 300_000
    data = {"t": np.full(n, 0.1), "y": np.full(n, -0.3)}
    ours, exact = compiled(scalars, "cpu", "float32"), compiled(scalars, "reference")
    assert ours.loss(data) == pytest.approx(exact.loss(data), rel=2e-7)
    ours.fit(data, batch_size=n, progress=False)
    assert "for tile in range" in ours.source


def kernel(loss, batch):
    model = compiled(loss, "cpu")
    return lower(model.executables.program("step"), "float32", batch)


def test_memory_of_a_tile_is_all_that_samples_take():
    small, large = (kernel(squares, batch).scratch_bytes for batch in (1_000, 100_000))
    assert small == large


def test_parameters_are_not_updated_before_the_last_tile_has_read_them():
    found = kernel(squares, 1_000)
    (loop,) = (s for s in found.step if isinstance(s, Loop) and s.axis.step > 1)
    targets = {s.c.buffer.role for s in statements((loop,)) if isinstance(s, Product)}
    targets |= {s.buffer.role for s in statements((loop,)) if isinstance(s, Update)}
    assert targets == {"scratch"}


def test_what_waits_for_a_mean_comes_in_a_later_loop_over_the_tiles():
    loops = [s for s in kernel(normalised, 1_000).step if isinstance(s, Loop) and s.axis.step > 1]
    assert len(loops) > 1


def test_large_programs_have_tiles_for_their_sums_alone(monkeypatch):
    """Else every float32 term would be added in float64."""
    monkeypatch.setattr(tiles, "MOST_STATEMENTS", 0)
    for loss, expected in ((scalars, True), (squares, False)):
        steps = kernel(loss, 10_000).step
        assert any(s.axis.step > 1 for s in steps if isinstance(s, Loop)) is expected


def test_small_mini_batches_have_no_tiles():
    assert not any(s.axis.step > 1 for s in kernel(squares, 127).step if isinstance(s, Loop))


@pytest.mark.parametrize("loss", [squares, classes])
def test_threads_share_tiles(loss):
    found = parallel(kernel(loss, 10_000), 2)
    (loop,) = (s for s in found.step if isinstance(s, Loop) and s.axis.step > 1)
    assert loop.shared


@pytest.mark.parametrize("loss", mostly_full([squares, classes, normalised], [normalised]))
def test_any_number_of_threads_gives_the_same_trajectory(loss):
    models = []
    for threads in (1, 3):
        sg.set_threads(threads)
        model = compiled(loss, "cpu")
        model.fit(given(loss), epochs=2, batch_size=700, shuffle=False, progress=False)
        models.append(model)
    for model in models[1:]:
        close(model, models[0])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [2, 3])
def test_random_programs(size, threads, seed, share, monkeypatch):
    """Whatever can be tiled is, in tiles of two or three samples."""
    monkeypatch.setattr(tiles, "LEAST", 2)
    monkeypatch.setattr(tiles, "_size", lambda phase, batch: size if phase.samplewise else None)
    monkeypatch.setattr(products, "SMALLEST_SIDE", 2)
    monkeypatch.setattr(products, "SMALLEST_WORK", 4)

    def lowered(program, dtype, batch):
        made = lower(program, dtype, batch)
        return made if threads == 1 else Shared(made, threads).kernel.check()

    agree_at_random(share(8), 30, seed, (5, 9), lambda rng: lowered, samples=13)
