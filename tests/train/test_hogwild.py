"""Lock-free training: as good a model, every step counted and recorded, nonsense refused."""

import threading

import numpy as np
import pytest

import symgrad as sg
import symgrad.train.hogwild as hogwild_module
from symgrad.train.hogwild import Calls, hogwild
from symgrad.train.schedule import in_cells

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


def factorisation(optimizer=None, target="cpu", dtype="float32", mean=True):
    u, i = sg.data("u i", dtype=int)
    r, mean = sg.data("r"), sg.parameter("mean") if mean else 3
    P = sg.parameter("P", shape=(USERS, RANK), init=sg.init.normal(std=0.3))
    Q = sg.parameter("Q", shape=(ITEMS, RANK), init=sg.init.normal(std=0.3))
    b, c = sg.parameter("b", shape=USERS), sg.parameter("c", shape=ITEMS)
    loss = (mean + b[u] + c[i] + P[u] @ Q[i] - r) ** 2
    return sg.compile(loss, optimizer or sg.SGD(0.03), target=target, dtype=dtype)


@pytest.mark.parametrize("batch", [1, 8])
def test_the_loss_is_that_of_one_thread(batch):
    data, models = ratings(), [factorisation(sg.SGD(0.03 * batch**0.75)) for _ in range(2)]
    histories = [
        m.fit(data, epochs=10 + 2 * batch, batch_size=batch, progress=False, parallel=parallel)
        for m, parallel in zip(models, (None, "hogwild"), strict=True)
    ]
    one, several = (min(h.loss[-5:]) for h in histories)  # an epoch may lose its processor
    print("losses", one, several)
    assert several < 0.05 and abs(several - one) < 0.15 * one + 0.002
    assert all(np.isfinite(p).all() for p in models[1].parameters.values())
    assert models[1].parameters["mean"] == pytest.approx(models[0].parameters["mean"], abs=0.2)


@pytest.mark.parametrize("batch", [1, 3])
def test_every_step_is_counted_and_its_loss_recorded(batch):
    data, model = ratings(), factorisation(sg.SGD(1e-9))
    seen = []
    callback = sg.Every(1000, lambda m: seen.append(m.batch))
    history = model.fit(data, epochs=2, batch_size=batch, shuffle=False, progress=False,
                        callbacks=[callback], parallel="hogwild")  # fmt: skip
    steps = -(-RATINGS // batch)
    assert model.steps == 2 * steps == len(history.step_loss) and model.epoch == 2
    assert seen[:3] == [1000, 2000, 3000] and len(history.loss) == 2
    expected = factorisation(sg.SGD(1e-9))
    alone = expected.fit(data, epochs=2, batch_size=batch, shuffle=False, progress=False)
    np.testing.assert_allclose(history.loss, alone.loss, rtol=1e-4)
    if batch == 1:  # each sample's is there, in the order in which they were taken
        losses = (np.sort(h.step_loss[:RATINGS]) for h in (history, alone))
        np.testing.assert_allclose(*losses, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("ordered", [False, True])
def test_threads_that_never_meet_do_what_one_would(monkeypatch, rng, threads, batch, ordered):
    """The same as one thread that works off the cells one after the other."""
    sg.set_threads(threads)
    models = [factorisation(sg.SGD(0.02), dtype="float64", mean=False) for _ in range(2)]
    schedules, data = [], ratings()

    def kept(*given):
        schedules.append(in_cells(*given))
        return schedules[-1]

    monkeypatch.setattr(hogwild_module, "in_cells", kept)
    order = rng.permutation(RATINGS) if ordered else None
    losses = np.zeros((2, -(-RATINGS // batch)))
    arrays = [{**m.arrays, **m.evaluator.accepted("loss", data)[0]} for m in models]
    several = hogwild(models[0].executables, batch)
    several.run(arrays[0], order, 0, RATINGS, outputs={"loss": losses[0]})
    several.close()
    (schedule,) = schedules
    stretches = [s for row in schedule.rounds for s in row] + [schedule.rest]
    taken = np.concatenate([s.order for s in stretches])
    one = models[1].executables.exactly("step", batch, threads=1)
    one.run(arrays[1], taken, 0, RATINGS, outputs={"loss": losses[1]})
    assert models[0].steps == models[1].steps
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
    for name, value in models[1].parameters.items():
        np.testing.assert_allclose(models[0].parameters[name], value, rtol=1e-12, atol=1e-14)


def test_what_goes_wrong_between_sorting_and_working_comes_through(monkeypatch):
    """And leaves no thread waiting."""

    def fails(*given):
        raise MemoryError("no room")

    monkeypatch.setattr(hogwild_module, "in_cells", fails)
    model = factorisation()
    with pytest.raises(MemoryError, match="no room"):
        model.fit(ratings(), epochs=2, batch_size=1, progress=False, parallel="hogwild")
    assert not threads_alive()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_no_thread_is_left_behind(error):
    def stop(moment):
        raise error

    model = factorisation()
    options = {"batch_size": 1, "progress": False, "parallel": "hogwild"}
    if error is KeyboardInterrupt:
        assert model.fit(ratings(), 2, callbacks=[sg.Every(5000, stop)], **options).interrupted
    else:
        with pytest.raises(error):
            model.fit(ratings(), 2, callbacks=[sg.Every(5000, stop)], **options)
    assert not threads_alive() and model.position == 5000
    history = model.fit(ratings(), epochs=1, resume=True, **options)
    assert len(history.step_loss) == RATINGS - 5000 and not threads_alive()


def threads_alive():
    return [t for t in threading.enumerate() if t.name.startswith("symgrad-hogwild")]


def test_a_computed_index_that_is_out_of_range_is_an_error():
    given = type("", (), {"results": np.array([[0, -1]])})()
    executable = factorisation().executables.exactly("step", 1, threads=1)
    with pytest.raises(IndexError, match="outside the axis"):
        Calls(given, [executable], [], {}, 1).made()


def test_streams_are_sorted_block_by_block():
    data, model = ratings(), factorisation()
    cut = [{k: v[s : s + 700] for k, v in data.items()} for s in range(0, RATINGS, 700)]
    for shuffle in (False, True):
        history = model.fit(cut, epochs=4, batch_size=1, shuffle=shuffle, progress=False,
                            parallel="hogwild")  # fmt: skip
        assert len(history.step_loss) == 4 * RATINGS
    assert model.steps == 8 * RATINGS and history.loss[-1] < 0.1


def test_pairs_of_one_table_are_ranked():
    """Two indices into one table: threads meet in its rows, and not in those of users."""
    u, i, j = sg.data("u i j", dtype=int)
    P = sg.parameter("P", shape=(USERS, RANK), init=sg.init.normal(std=0.1))
    Q = sg.parameter("Q", shape=(ITEMS, RANK), init=sg.init.normal(std=0.1))
    model = sg.compile(sg.softplus(-P[u] @ (Q[i] - Q[j])), sg.SGD(0.1))
    rng = np.random.default_rng(0)
    i, j = (rng.integers(k * ITEMS // 2, (k + 1) * ITEMS // 2, RATINGS) for k in (1, 0))
    data = {"u": rng.integers(0, USERS, RATINGS), "i": i, "j": j}
    history = model.fit(data, epochs=5, batch_size=1, progress=False, parallel="hogwild")
    assert history.loss[-1] < 0.3 and model.steps == 5 * RATINGS


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
