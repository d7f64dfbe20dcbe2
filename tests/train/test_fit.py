"""Epochs: order, last mini-batches, accumulation, callbacks."""

import numpy as np
import pytest

import symgrad as sg
from symgrad.train import fit as fit_module
from symgrad.train.orders import shuffled
from tests.train.models import both_targets, line, points, values


def by_hand(data, order, batch, lr=0.05, every=1, start=(0.0, 0.0)):
    """Parameters and mini-batch losses of the line after one pass over `order`."""
    (w, b), losses, waiting, sums = start, [], 0, np.zeros(2)
    for k in range(0, len(order), batch):
        x, y = (data[name][order[k : k + batch]] for name in "xy")
        r = w * x + b - y
        losses.append((r**2).mean())
        sums += (2 * r * x).mean(), (2 * r).mean()
        waiting += 1
        if waiting == every:
            w, b = (w, b) - lr * sums
            waiting, sums = 0, np.zeros(2)
    return (w, b), np.array(losses)


@both_targets
@pytest.mark.parametrize("batch", [1, 3, 4, 10, 99])
@pytest.mark.parametrize("shuffle", [False, True])
def test_epochs_are_mini_batch_descent(batch, shuffle, target):
    data, model, start, losses = points(), line(seed=5, target=target), (0.0, 0.0), []
    history = model.fit(data, epochs=3, batch_size=batch, shuffle=shuffle)
    for epoch in range(3):
        order = shuffled(5, epoch, 10) if shuffle else np.arange(10)
        start, part = by_hand(data, order, batch, start=start)
        losses.append(part)
    np.testing.assert_allclose(values(model), start, rtol=1e-12)
    np.testing.assert_allclose(history.step_loss, np.concatenate(losses), rtol=1e-12)
    sizes = np.minimum(batch, 10 - np.arange(0, 10, batch))
    means = [np.average(part, weights=sizes) for part in losses]
    np.testing.assert_allclose(history.loss, means, rtol=1e-12)


@both_targets
@pytest.mark.parametrize("every", [2, 3, 7])
def test_groups_of_mini_batches_cross_epochs_and_fits(every, target):
    data, model = points(), line(seed=1, target=target)
    model.fit(data, epochs=2, batch_size=3, accumulate=every)
    model.fit(data, epochs=1, batch_size=3, accumulate=every)
    order = np.concatenate([shuffled(1, e, 10) for e in range(3)])
    batches = [order[e * 10 : (e + 1) * 10][k : k + 3] for e in range(3) for k in range(0, 10, 3)]
    (w, b), waiting, sums = (0.0, 0.0), 0, np.zeros(2)
    for rows in batches:
        x, y = data["x"][rows], data["y"][rows]
        r = w * x + b - y
        sums += (2 * r * x).mean(), (2 * r).mean()
        waiting += 1
        if waiting == every:
            (w, b), waiting, sums = (w, b) - 0.05 * sums, 0, np.zeros(2)
    np.testing.assert_allclose(values(model), (w, b), rtol=1e-12)
    assert model.steps == len(batches) // every


def test_another_number_begins_new_groups():
    data, model, other = points(), line(), line()
    model.fit(data, epochs=1, batch_size=10, accumulate=3)  # one of three: no update
    assert values(model) == [0, 0]
    model.fit(data, epochs=1, batch_size=10)
    other.fit(data, epochs=1, batch_size=10)
    assert values(model) == values(other)


def test_twenty_one_gradients_of_two_are_forty_two():
    w = sg.parameter("w", init=1)
    loss = 2 * w
    model = sg.compile(loss, lambda p, g: p - g, target="reference")
    model.fit({}, epochs=21, accumulate=21)
    assert model.parameters["w"] == 1 - 42
    assert [model.gradients({})["w"] for _ in range(21)] == [2] * 21


def test_two_fits_continue_one():
    data, once, twice = points(), line(), line()
    once.fit(data, epochs=4, batch_size=3)
    twice.fit(data, epochs=1, batch_size=3)
    twice.fit(data, epochs=3, batch_size=3)
    assert values(once) == values(twice) and once.epoch == twice.epoch == 4


@both_targets
def test_same_seed_same_bits(target):
    runs = []
    for seed in (3, 3, 4):
        model = line(seed=seed, target=target)
        model.fit(points(), epochs=3, batch_size=3)
        runs.append(values(model))
    assert runs[0] == runs[1] != runs[2]


@both_targets
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("samples", [12, 13, 20])
def test_many_small_epochs_in_one_call_are_the_same(
    samples, shuffle, accumulate, target, monkeypatch
):
    """The last mini-batch of an epoch may be smaller; draws and steps are counted on."""
    data, ends, call = points(samples), [], fit_module.Fit._call

    def noted(self, *positions):
        ends.append(positions[-1])
        call(self, *positions)

    def run(**options):
        ends.clear()
        model = noisy(target)
        history = model.fit(data, epochs=9, batch_size=3, accumulate=accumulate, shuffle=shuffle,
                            **options)  # fmt: skip
        return model, history, max(ends)

    monkeypatch.setattr(fit_module.Fit, "_call", noted)
    together, first, end = run()
    apart, second, end_of_one = run(callbacks=[lambda moment: None])
    assert (end, end_of_one) == (9 * samples, samples)
    assert values(together) == values(apart) and together.steps == apart.steps
    assert first.loss == second.loss and [e.number for e in first.epochs] == [*range(1, 10)]
    assert np.array_equal(first.step_loss, second.step_loss)
    monkeypatch.setattr(fit_module, "CALL", 1e-9)  # calls end anywhere
    cut, third, _ = run()
    assert len(ends) > 20
    assert values(cut) == values(together) and first.loss == third.loss


def noisy(target):
    x, y = sg.data("x y")
    w, b = sg.parameter("w b", init=0.5)
    loss = (w * x + b + 0.1 * sg.random.normal("e") - y) ** 2
    return sg.compile(loss, optimizer=sg.SGD(lr=0.05, momentum=0.5), dtype="float64", seed=2,
                      target=target)  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_epochs_loss_does_not_depend_on_the_calls_that_it_takes(reduction, monkeypatch):
    model, calls, call = line(target="cpu", reduction=reduction), [], fit_module.Fit._call

    def count(self, *positions):
        calls.append(self.executable.totals["loss"].item())
        call(self, *positions)

    monkeypatch.setattr(fit_module.Fit, "_call", count)
    one = model.fit(points(1000), epochs=2, batch_size=1, shuffle=False)
    monkeypatch.setattr(fit_module, "CALL", 1e-6)
    model = line(target="cpu", reduction=reduction)
    many = model.fit(points(1000), epochs=2, batch_size=1, shuffle=False)
    assert len(calls) > 4 and calls[0] == 0 < calls[-1]
    assert one.loss == many.loss
    by_epoch = many.step_loss.reshape(2, 1000)
    expected = by_epoch.sum(axis=1) if reduction == "sum" else by_epoch.mean(axis=1)
    np.testing.assert_allclose(many.loss, expected, rtol=1e-13)
    watched = line(target="cpu", reduction=reduction)
    idle = watched.fit(points(1000), epochs=2, batch_size=1, shuffle=False,
                       callbacks=[lambda moment: None])  # fmt: skip
    assert idle.loss == many.loss
    went_on = line(target="cpu", reduction=reduction)
    first = went_on.partial_fit(points(1000), batch_size=1)
    np.testing.assert_allclose(first, expected[0], rtol=1e-13)


def test_an_epochs_loss_is_its_own_where_callbacks_make_steps_too():
    other = {"x": np.full(2, 5.0), "y": np.full(2, -9.0)}
    meanwhile = [lambda m: m.model.step({"x": [5.0], "y": [-9.0]})]
    meanwhile += [lambda m: m.model.partial_fit(other, batch_size=1)]
    for call in meanwhile:
        often = sg.Every(100, call)
        history = line(target="cpu").fit(points(1000), 2, batch_size=1, callbacks=[often])
        by_epoch = history.step_loss.reshape(2, 1000)
        np.testing.assert_allclose(history.loss, by_epoch.mean(axis=1), rtol=1e-13)


def test_an_epochs_loss_is_its_own_where_the_next_one_is_interrupted(monkeypatch):
    call = fit_module.Fit._call

    def interrupt(self, *positions):
        call(self, *positions)
        self.interruption.asked = self.model.epoch == 1 and self.model.position > 0

    monkeypatch.setattr(fit_module.Fit, "_call", interrupt)
    monkeypatch.setattr(fit_module, "CALL", 1e-6)
    data = {"x": np.linspace(-1, 1, 1000), "y": np.arange(1000) % 2}
    history = line(target="cpu").fit(data, epochs=3, batch_size=1)
    assert history.interrupted and 1000 < len(history.step_loss) < 2000
    np.testing.assert_allclose(history.loss, [history.step_loss[:1000].mean()], rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_the_calls_that_a_fit_takes(dtype, monkeypatch, rng):
    x, y = sg.data("x y")
    p, q = sg.parameter("p q", init=0.3)
    optimizer = sg.SGD(1e-3, momentum=0.9, nesterov=True, weight_decay=0.01)
    data = {"x": rng.standard_normal(600), "y": rng.standard_normal(600)}

    def losses():
        model = sg.compile((p * x + q - y) ** 2, optimizer=optimizer, dtype=dtype)
        return model.fit(data, epochs=2, batch_size=1).step_loss

    whole = losses()
    monkeypatch.setattr(fit_module, "CALL", 1e-6)
    monkeypatch.setattr(fit_module, "FIRST", 1e-9)
    assert np.array_equal(losses(), whole)


def test_a_loss_without_data():
    w = sg.parameter("w", init=3)
    model = sg.compile(w**2, sg.SGD(0.1), dtype="float64", target="reference")
    assert model.step({}) == 9
    history = model.fit({}, epochs=4)
    expected = (3 * 0.8 ** np.arange(1, 5)) ** 2
    np.testing.assert_allclose(history.loss, expected, rtol=1e-12)
    np.testing.assert_allclose(history.step_loss, expected, rtol=1e-12)
    assert model.steps == 5


def test_the_sum_instead_of_the_mean():
    data = points(7)
    model = line(sg.SGD(0.01), reduction="sum")
    history = model.fit(data, epochs=1, batch_size=3, shuffle=False)
    (w, b), total = (0.0, 0.0), 0.0
    for k in range(0, 7, 3):
        x, y = data["x"][k : k + 3], data["y"][k : k + 3]
        r = w * x + b - y
        total += (r**2).sum()
        w, b = w - 0.01 * (2 * r * x).sum(), b - 0.01 * (2 * r).sum()
    np.testing.assert_allclose(values(model), (w, b), rtol=1e-12)
    np.testing.assert_allclose(history.loss, [total], rtol=1e-12)


def test_validation_after_every_epoch():
    model, data = line(), points()
    seen = []
    history = model.fit(
        data,
        epochs=3,
        validation=points(7),
        callbacks=[lambda m: seen.append(m.model.loss(points(7)))],
    )
    assert history.validation == seen and len(seen) == 3


# --- callbacks ------------------------------------------------------------------------------------


def test_callbacks_learn_where_the_fit_is():
    model, epochs, batches = line(), [], []
    history = model.fit(
        points(), epochs=2, batch_size=2,
        callbacks=[epochs.append, sg.Every(2, batches.append)],
    )  # fmt: skip
    assert [(m.epoch, m.batch, m.batches) for m in epochs] == [(1, 5, 5), (2, 5, 5)]
    assert [m.loss for m in epochs] == history.loss
    assert [(m.epoch, m.batch) for m in batches] == [(1, 2), (1, 4), (2, 2), (2, 4)]
    assert batches[1].loss == history.step_loss[2:4].mean()
    assert epochs[0].model is model and epochs[0].history is history


def test_one_callback_needs_no_list():
    seen = []
    line().fit(points(), epochs=2, callbacks=seen.append)
    assert len(seen) == 2


def test_a_callback_ends_the_fit():
    model = line()
    history = model.fit(
        points(), epochs=9, batch_size=2, callbacks=[sg.Every(3, lambda m: m.stop())]
    )
    assert history.interrupted and history.loss == [] and len(history.step_loss) == 3
    history = model.fit(points(), epochs=9, callbacks=[lambda m: m.epoch == 2 and m.stop()])
    assert history.interrupted and len(history.loss) == 2


@pytest.mark.parametrize("callbacks", [[3], 3, [None], ["f"]])
def test_what_is_no_callback(callbacks):
    with pytest.raises(TypeError):
        line().fit(points(), callbacks=callbacks)
    with pytest.raises(ValueError, match="Every's number of mini-batches is 0"):
        sg.Every(0, print)


# --- progress and what is refused -----------------------------------------------------------------


def test_no_bar_where_nobody_looks(capsys):
    line().fit(points(), epochs=2)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    line().fit(points(), epochs=2, batch_size=2)
    assert "10/10" in capsys.readouterr().err
    line().fit(points(), epochs=2, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-3, ValueError), (2.0, TypeError)])
def test_counts(name, value, error):
    with pytest.raises(error, match=name):
        line().fit(points(), **{name: value})


def test_bad_validation_data_are_found_before_training():
    model = line()
    with pytest.raises(KeyError, match="data 'y' missing"):
        model.fit(points(), validation={"x": [1]})
    assert values(model) == [0, 0] and model.epoch == 0


@pytest.mark.parametrize("batch", [4, 12])
def test_epochs_in_the_given_order_are_the_same_in_one_call(batch):
    t, z = sg.data("t z")
    rng = np.random.default_rng(0)
    data = {"t": rng.standard_normal(12), "z": rng.standard_normal(12)}
    models = []
    for _ in range(2):
        w, b = sg.parameter("w b", init=1)
        models.append(sg.compile((w * t + b - z) ** 2, sg.SGD(lr=0.1), dtype="float64"))
    together, apart = models
    history = together.fit(data, epochs=7, batch_size=batch, shuffle=False, progress=False)
    losses = [
        apart.fit(data, epochs=1, batch_size=batch, shuffle=False, progress=False).loss[0]
        for _ in range(7)
    ]
    assert history.loss == losses
    for name, value in apart.parameters.items():
        assert together.parameters[name] == value
