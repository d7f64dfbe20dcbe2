"""Random draws inside the training step: the same numbers everywhere, new ones in every step."""

import itertools

import numpy as np
import pytest
import scipy.stats as stats
import sympy as sp

import symgrad as sg
from tests.selection import mostly_full

TARGETS = ("reference", "cpu")
x = sg.data("x")
DRAWS = {
    "n": sg.random.integers("n", 1000),
    "many": sg.random.integers("many", 2**40 + 1, shape=(2, 3)),
    "c": sg.random.categorical("c", [0.0, 1.0, 2.0, 5.0], shape=3),
    "u": sg.random.uniform("u", shape=2),
    "z": sg.random.normal("z"),
}


def recording(target="reference", dtype="float64", **options):
    """A model whose losses and predictions show the draws."""
    w = sg.parameter("w")
    loss = DRAWS["n"] + x + w - sg.stop_gradient(w)
    return sg.compile(loss, sg.SGD(0.1), DRAWS, target=target, dtype=dtype, **options)


def samples(n):
    return {"x": np.zeros(n)}


def losses(model, n, batch_size, **options):
    return model.fit(
        samples(n), batch_size=batch_size, progress=False, **{"epochs": 2, **options}
    ).step_loss


# ---- the same numbers


@pytest.mark.parametrize(("batch_size", "shuffle", "accumulate"), mostly_full(
    itertools.product([1, 7, 64], [True, False], [1, 3]),
    [(1, True, 1), (7, True, 3), (64, False, 1)],
))  # fmt: skip
def test_steps_draw_the_same_on_every_target(batch_size, shuffle, accumulate):
    options = {"shuffle": shuffle, "accumulate": accumulate}
    want = losses(recording(), 100, batch_size, **options)
    assert len(np.unique(want)) > len(want) / 2
    for target in TARGETS:
        for dtype in ("float32", "float64"):
            got = losses(recording(target, dtype), 100, batch_size, **options)
            np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_draw_the_same_on_every_target(dtype):
    by_target = [recording(t, dtype).predict(samples(3000)) for t in TARGETS]  # several pieces
    for label in DRAWS:
        first, second = (p[label] for p in by_target)
        assert first.shape == (3000, *sg.shape(DRAWS[label]))
        if label == "z":
            np.testing.assert_allclose(first, second, rtol=0, atol=2e-6 if "32" in dtype else 1e-14)
        else:
            assert np.array_equal(first, second)


def test_dtypes_differ_by_rounding_only():
    single, double = (recording("cpu", d).predict(samples(3000)) for d in ("float32", "float64"))
    for label in ("n", "many", "c"):
        assert np.array_equal(single[label], double[label])
    np.testing.assert_allclose(single["u"], double["u"], rtol=0, atol=2**-24)
    np.testing.assert_allclose(single["z"], double["z"], rtol=1e-5, atol=1e-6)


def test_seeds_and_names_decide():
    first, other = (recording(seed=s).predict(samples(50)) for s in (0, 1))
    assert (first["n"] != other["n"]).any()
    a, b = sg.random.integers("a b", 1000)
    w = sg.parameter("w")
    model = sg.compile(w * x, outputs={"a": a, "b": b, "again": a + a}, target="reference")
    drawn = model.predict(samples(50))
    assert (drawn["a"] != drawn["b"]).any()
    assert np.array_equal(drawn["again"], 2 * drawn["a"])


# ---- where they come from: step and position


def test_every_step_draws_anew_by_position_in_the_mini_batch():
    model = recording()
    at = []
    for step in range(3):
        assert model.steps == step
        at.append(model.predict(samples(4), "n"))
        np.testing.assert_allclose(model.loss(samples(4)), at[-1].mean())
        np.testing.assert_allclose(model.step(samples(4)), at[-1].mean())
    assert len(np.unique(at)) > 9
    again = recording()
    fitted = losses(again, 4, 4, epochs=3)
    np.testing.assert_allclose(fitted, np.mean(at, axis=1))


def test_accumulated_mini_batches_are_one_update():
    model, whole = recording(), recording().predict(samples(6), "n")
    got = losses(model, 6, 2, epochs=1, accumulate=3, shuffle=False)
    np.testing.assert_allclose(got, whole.reshape(3, 2).mean(axis=1))


def test_callbacks_and_interruption_change_nothing():
    want = losses(recording("cpu"), 64, 1, epochs=5)
    watched = losses(recording("cpu"), 64, 1, epochs=5, callbacks=[lambda moment: None])
    model = recording("cpu")
    parts = [losses(model, 64, 1, epochs=k) for k in (1, 3, 1)]
    assert np.array_equal(want, watched)
    assert np.array_equal(want, np.concatenate(parts))


@pytest.mark.parametrize("target", TARGETS)
def test_gradients_are_those_of_the_next_step(target, rng):
    Q, n = sg.parameter("Q", shape=(9, 2), init="normal"), sg.random.integers("n", 9, shape=4)
    eps = sg.random.normal("eps", shape=(4, 2))
    loss = sg.sum(Q[n] ** 2 * (1 + x)) + sg.sum(eps * Q[n])
    model = sg.compile(loss, sg.SGD(0.5), target=target, dtype="float64")
    data = {"x": rng.normal(size=7)}
    for _ in range(2):
        before, g = model.parameters["Q"].copy(), model.gradients(data)["Q"]
        model.step(data)
        np.testing.assert_allclose(model.parameters["Q"], before - 0.5 * g, rtol=1e-12)


# ---- how they are distributed, inside the kernel


def test_draws_have_their_distributions():
    drawn = recording("cpu").predict(samples(20_000))
    assert stats.chisquare(np.bincount(drawn["n"], minlength=1000)).pvalue > 1e-4
    assert stats.kstest(drawn["many"].ravel() / (2**40 + 1), "uniform").pvalue > 1e-4
    counts = np.bincount(drawn["c"].ravel(), minlength=4)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:], counts.sum() * np.array([1, 2, 5]) / 8).pvalue > 1e-4
    assert stats.kstest(drawn["u"].ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(drawn["z"], "norm").pvalue > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_draws_are_finite_in_the_tails(dtype):
    shape, n = (64,), 4096
    model = sg.compile(sg.parameter("w") * x, outputs={"z": sg.random.normal("z", shape)},
                       dtype=dtype)  # fmt: skip
    z = model.predict(samples(n), "z")
    assert np.isfinite(z).all()
    assert 4.5 < np.abs(z).max() < 7
    assert stats.skewtest(z.ravel()[::7]).pvalue > 1e-4
    assert stats.kurtosistest(z.ravel()[::7]).pvalue > 1e-4


# ---- models


def test_negative_sampling_finds_who_belongs_together(rng):
    """Two groups of ten: words of a group occur together."""
    P, Q = (sg.parameter(k, shape=(20, 4), init="xavier_normal") for k in "PQ")
    u, v = sg.data("u", dtype=int), sg.data("v", dtype=int)
    n = sg.random.categorical("n", np.ones(20), shape=5)
    loss = sg.softplus(-(P[u] @ Q[v])) + sg.sum(sg.softplus(Q[n] @ P[u]))
    model = sg.compile(loss, sg.SGD(0.1))
    assert "clamp" not in model.source
    assert str(model).startswith("n ~ Categorical(20 weights)\nminimise: ")
    group = rng.integers(0, 2, 5000) * 10
    data = {"u": group + rng.integers(0, 10, 5000), "v": group + rng.integers(0, 10, 5000)}
    model.fit(data, epochs=5, batch_size=1, progress=False)
    score = model.parameters["P"] @ model.parameters["Q"].T
    same = np.kron(np.eye(2), np.ones((10, 10))) > 0
    assert score[same].min() > score[~same].max()


def test_reparametrised_gradients_find_the_posterior(rng):
    """Variational inference of a normal mean with the prior N(0, 1): the posterior is known."""
    mu, rho, y = sg.parameter("mu"), sg.parameter("rho"), sg.data("y")
    theta = sg.let("theta", mu + sp.exp(rho) * sg.random.normal("eps"))
    n = 50
    loss = (y - theta) ** 2 / 2 + (theta**2 / 2 - rho) / n
    model = sg.compile(loss, sg.SGD(0.5 / (1 + sg.step / 200)), dtype="float64")
    values = 2 + rng.normal(size=n)
    model.fit({"y": values}, epochs=20_000, batch_size=n, progress=False)
    assert abs(model.parameters["mu"] - values.sum() / (n + 1)) < 0.01
    assert abs(np.exp(model.parameters["rho"]) * np.sqrt(n + 1) - 1) < 0.05


def test_a_draw_that_may_leave_its_axis_is_refused():
    Q, n = sg.parameter("Q", shape=(9, 2), init="normal"), sg.random.integers("n", 10)
    with pytest.raises(IndexError, match="draw 'n' takes values from 0 to 9, .* axis of 9 entries"):
        sg.compile(sg.sum(Q[n]), sg.SGD(0.1))


def test_two_draws_of_one_name_are_refused():
    n, m = sg.random.integers("n", 10), sg.random.integers("n", 11)
    with pytest.raises(ValueError, match="two different symbols are called 'n'"):
        sg.compile(sg.parameter("w") * (n + m), sg.SGD(0.1))


def test_draws_are_not_data():
    model = recording()
    assert [s.name for s in model.data] == ["x"]
    with pytest.raises(KeyError, match="'n'"):
        model.step({"x": [1.0], "n": [3]})


@pytest.mark.parametrize("target", TARGETS)
def test_a_function_takes_draws_like_data(target):
    eps, w = sg.random.normal("eps", shape=2), sg.parameter("w")
    f = sg.function(sg.gradient(sg.sum((w * eps) ** 2), w), [w, eps], target=target)
    np.testing.assert_allclose(f(3.0, [[1.0, 2.0], [0.0, 1.0]]), [30.0, 6.0])
    with pytest.raises(ValueError, match="'eps', which are not among the inputs"):
        sg.function(w * eps, [w])


@pytest.mark.parametrize("target", TARGETS)
def test_a_loaded_model_draws_on(target, tmp_path):
    model = recording(target, "float32", seed=7)
    losses(model, 20, 3)
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    for label, drawn in model.predict(samples(20)).items():
        assert np.array_equal(loaded.predict(samples(20), label), drawn)
    assert np.array_equal(losses(loaded, 20, 3), losses(model, 20, 3))
