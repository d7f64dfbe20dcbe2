"""Lock-free training: as good a model, every step counted and recorded, nonsense refused."""

import numpy as np
import pytest

import symgrad as sg

USERS, ITEMS, RANK, RATINGS = 300, 200, 8, 20_000


@pytest.fixture(autouse=True)
def two_threads():
    sg.set_threads(2)
    yield
    sg.set_threads(None)


def ratings():
    """Numbers that a model of their rank explains, with noise of variance 0.01."""
    rng = np.random.default_rng(0)
    P, Q = rng.standard_normal((USERS, RANK)) / 2, rng.standard_normal((ITEMS, RANK)) / 2
    u, i = rng.integers(0, USERS, RATINGS), rng.integers(0, ITEMS, RATINGS)
    r = 3 + (P[u] * Q[i]).sum(1) + 0.1 * rng.standard_normal(RATINGS)
    return {"u": u, "i": i, "r": r}


def factorisation(optimizer=None, target="cpu", dtype="float32"):
    u, i = sg.data("u i", dtype=int)
    r, mean = sg.data("r"), sg.parameter("mean")
    P = sg.parameter("P", shape=(USERS, RANK), init=sg.init.normal(std=0.3))
    Q = sg.parameter("Q", shape=(ITEMS, RANK), init=sg.init.normal(std=0.3))
    b, c = sg.parameter("b", shape=USERS), sg.parameter("c", shape=ITEMS)
    loss = (mean + b[u] + c[i] + P[u] @ Q[i] - r) ** 2
    return sg.compile(loss, optimizer or sg.SGD(0.03), target=target, dtype=dtype)


@pytest.mark.parametrize("batch", [1, 8])
def test_the_loss_is_that_of_one_thread(batch):
    """In one of three trainings: in another, a thread may lose its processor for long."""
    data, rate = ratings(), sg.SGD(0.03 * batch**0.75)

    def trained(parallel):
        model = factorisation(rate)
        epochs = 10 + 2 * batch
        history = model.fit(data, epochs, batch_size=batch, progress=False, parallel=parallel)
        return min(history.loss[-5:]), model.parameters

    one, exact = trained(None)
    several, found = min((trained("hogwild") for _ in range(3)), key=lambda pair: pair[0])
    print("losses", one, several)
    assert several < 0.05 and abs(several - one) < 0.15 * one + 0.002
    assert all(np.isfinite(p).all() for p in found.values())
    assert found["mean"] == pytest.approx(exact["mean"], abs=0.2)


def test_every_step_is_counted_and_its_loss_recorded():
    data, model = ratings(), factorisation(sg.SGD(1e-9))
    seen = []
    callback = sg.Every(1000, lambda m: seen.append(m.batch))
    history = model.fit(data, epochs=2, batch_size=3, shuffle=False, progress=False,
                        callbacks=[callback], parallel="hogwild")  # fmt: skip
    steps = -(-RATINGS // 3)
    assert model.steps == 2 * steps == len(history.step_loss) and model.epoch == 2
    assert seen[:3] == [1000, 2000, 3000] and len(history.loss) == 2
    expected = factorisation(sg.SGD(1e-9))
    alone = expected.fit(data, epochs=2, batch_size=3, shuffle=False, progress=False)
    np.testing.assert_allclose(history.step_loss, alone.step_loss, rtol=1e-3, atol=1e-5)


def test_one_thread_is_the_ordinary_training():
    sg.set_threads(1)
    data, models = ratings(), [factorisation() for _ in range(2)]
    for m, parallel in zip(models, (None, "hogwild"), strict=True):
        m.fit(data, epochs=2, batch_size=1, progress=False, parallel=parallel)
    for name, value in models[0].parameters.items():
        np.testing.assert_array_equal(models[1].parameters[name], value)


def test_a_schedule_counts_the_steps_of_all():
    model = factorisation(sg.SGD(0.03 / (1 + sg.step / RATINGS)))
    history = model.fit(ratings(), epochs=4, batch_size=1, progress=False, parallel="hogwild")
    assert model.steps == 4 * RATINGS and history.loss[-1] < history.loss[0]


def test_rows_that_catch_up_are_refused():
    model = factorisation(sg.SGD(0.03, momentum=0.5, lazy="catch_up"))
    with pytest.raises(ValueError, match="do not go together"):
        model.fit(ratings(), epochs=1, parallel="hogwild")


@pytest.mark.parametrize(
    ("options", "target", "words"),
    [
        ({"parallel": "threads"}, "cpu", "parallel is None or 'hogwild', not 'threads'"),
        ({"parallel": True}, "cpu", "parallel is None or 'hogwild', not True"),
        ({"parallel": "hogwild", "accumulate": 2}, "cpu", "accumulate is 1, not 2"),
        ({"parallel": "hogwild"}, "reference", "needs target='cpu'"),
    ],
)
def test_what_is_refused(options, target, words):
    model = factorisation(target=target)
    before = model.parameters["P"].copy()
    with pytest.raises(ValueError, match=words):
        model.fit(ratings(), epochs=1, **options)
    assert np.array_equal(model.parameters["P"], before)


def test_threads_draw_different_numbers():
    """Of 2**62 numbers no two are equal by chance."""
    x, w, n = sg.data("x"), sg.parameter("w"), sg.random.integers("n", 2**62)
    loss = n + x + w - sg.stop_gradient(w)
    model = sg.compile(loss, sg.SGD(1e-9), dtype="float64")
    drawn = model.fit({"x": np.zeros(5000)}, epochs=2, batch_size=1, parallel="hogwild").step_loss
    assert len(np.unique(drawn)) == 10_000
