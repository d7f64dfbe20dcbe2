"""One model in several Python threads: what one of them trains is no other one's to change."""

import os
import threading
import time

import numpy as np
import pytest

import symgrad as sg
from tests.train.threaded import network, numbers

HERE = "reference"  # steps slow enough to meet, and nothing to compile


class InThreads:
    """Calls in threads of their own, all at the same time; their results or errors in order."""

    def __init__(self, *calls):
        self.found = [None] * len(calls)
        self.threads = [
            threading.Thread(target=self._call, args=(k, call), daemon=True)
            for k, call in enumerate(calls)
        ]
        for thread in self.threads:
            thread.start()

    def _call(self, k, call):
        try:
            self.found[k] = call()
        except BaseException as error:
            self.found[k] = error

    def results(self):
        for thread in self.threads:
            thread.join(100)
            assert not thread.is_alive()
        return self.found


class Held:
    """A fit of one thread that waits in a callback until it is let go on."""

    def __init__(self, model, data, **options):
        self.at, self.on = threading.Event(), threading.Event()
        self.call = InThreads(
            lambda: model.fit(data, epochs=2, callbacks=[self._wait], progress=False, **options)
        )
        assert self.at.wait(100)

    def _wait(self, moment):
        self.at.set()
        assert self.on.wait(100)

    def end(self):
        self.on.set()
        return self.call.results()[0]


@pytest.mark.parametrize("target", [HERE, "cpu"])
def test_a_second_fit_is_refused(target):
    data = numbers()
    model, alone = network(target=target), network(target=target)
    held = Held(model, data)
    refused = InThreads(
        lambda: model.fit(data, progress=False), lambda: model.step(data),
        lambda: model.partial_fit(data),
    ).results()  # fmt: skip
    for error in refused:
        assert isinstance(error, RuntimeError) and "another thread is fitting" in str(error)
    assert len(held.end().epochs) == 2 and model.epoch == 2
    alone.fit(data, epochs=2, progress=False)
    for name, value in alone.parameters.items():
        assert np.array_equal(value, model.parameters[name])
    assert len(model.fit(data, epochs=1, progress=False).epochs) == 1  # the other one has ended


def test_models_that_share_arrays_are_fitted_one_after_the_other():
    x, y, w, b = sg.data("x"), sg.data("y"), sg.parameter("w"), sg.parameter("b")
    one = sg.compile((w * x - y) ** 2, sg.SGD(0.01), target=HERE)
    two = sg.compile((w * x + b - y) ** 2, sg.SGD(0.01), target=HERE, share=one)
    data = {"x": [1.0, 2.0], "y": [2.0, 4.0]}
    held = Held(one, data)
    (error,) = InThreads(lambda: two.fit(data, progress=False)).results()
    assert isinstance(error, RuntimeError)
    held.end()
    two.fit(data, epochs=1, progress=False)


def test_a_fit_that_fails_is_over():
    model, data = network(target=HERE), numbers()

    def fails(moment):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        model.fit(data, epochs=1, callbacks=[fails], progress=False)
    (history,) = InThreads(lambda: model.fit(data, epochs=1, progress=False)).results()
    assert len(history.epochs) == 1


def test_a_callback_may_train_and_evaluate():
    model, data = network(target=HERE), numbers()
    found = []

    def call(moment):
        found.append((model.step(data), model.loss(data)))
        model.fit(data, epochs=1, progress=False)
        found.append(InThreads(lambda: model.loss(data)).results())
        (error,) = InThreads(lambda: model.step(data)).results()
        assert isinstance(error, RuntimeError)

    model.fit(data, epochs=1, callbacks=[call], progress=False)
    assert len(found) == 2 and model.steps == 2 * 5 + 1


def test_steps_wait_for_each_other():
    data = numbers(40)
    model, alone = network(target=HERE), network(target=HERE)

    def steps():
        return [model.step(data) for _ in range(20)]

    def passes():
        return [model.partial_fit(data, batch_size=None) for _ in range(20)]

    losses = InThreads(steps, steps, passes).results()
    assert model.steps == 60
    found = [loss for part in losses for loss in part]
    assert sorted(found) == sorted(alone.step(data) for _ in range(60))


@pytest.mark.parametrize("target", [HERE, "cpu"])
def test_evaluation_beside_a_fit_is_of_whole_steps(target, tmp_path):
    """w and v take the same steps, so that they differ within a step alone."""
    x = sg.data("x")
    w, v = sg.parameter("w", shape=500, init=0.0), sg.parameter("v", shape=500, init=0.0)
    loss = sg.sum((w - x) ** 2) + sg.sum((v - x) ** 2)
    model = sg.compile(loss, sg.SGD(1e-4), {"apart": sg.sum(abs(w - v))}, target=target)
    data, done = {"x": np.ones(64)}, threading.Event()

    def fit():
        model.fit(data, epochs=40, batch_size=1, progress=False)
        done.set()

    def look():
        apart = []
        while not done.is_set() or not apart:
            apart.append(float(model.predict({}, "apart")))
            model.save(tmp_path / "model")
            saved = sg.load(tmp_path / "model").parameters
            apart.append(np.abs(saved["w"] - saved["v"]).sum())
            model.gradients(data), model.loss(data)
        return apart

    model.predict({}, "apart")
    _, apart = InThreads(fit, look).results()
    assert not np.any(apart) and model.steps == 40 * 64


def test_rows_are_caught_up_for_another_thread_between_steps():
    """Whoever read a table beside a fit had its rows caught up while the fit's kernel ran."""
    index, y = sg.data("index", dtype=int), sg.data("y")
    rng, done = np.random.default_rng(0), threading.Event()
    data = {"index": rng.integers(0, 50, 100), "y": rng.normal(size=100)}

    def fresh():
        P = sg.parameter("P", shape=(50, 3), init=0.1)
        rule = sg.SGD(0.01, momentum=0.9, weight_decay=0.01, lazy="catch_up")
        return sg.compile((sg.sum(P[index]) - y) ** 2, rule, dtype="float64", target=HERE)

    read, alone = fresh(), fresh()

    def fit():
        read.fit(data, epochs=1, batch_size=1, progress=False)
        done.set()

    def look():
        while not done.is_set():
            read.parameters["P"]
            time.sleep(1e-4)

    InThreads(fit, look).results()
    alone.fit(data, epochs=1, batch_size=1, progress=False)
    np.testing.assert_allclose(read.parameters["P"], alone.parameters["P"], rtol=1e-9)


def test_assigning_waits_for_its_turn():
    """A kernel that runs meanwhile could write over what was assigned."""
    model = network(target=HERE)
    with model.turns.turn():
        call = InThreads(lambda: model.parameters.update(b1=7.0), lambda: model.hyper.update(lr=0))
        time.sleep(0.05)
        assert not np.any(model.parameters["b1"] == 7) and model.hyper["lr"] != 0
    call.results()
    assert np.all(model.parameters["b1"] == 7) and model.hyper["lr"] == 0


def test_a_fit_lets_others_have_their_turn():
    """Those who wait have theirs at the end of a call, and not of the fit."""
    model, data, over = network(target=HERE), numbers(), threading.Event()

    def stop(moment):
        if over.is_set():
            moment.stop()

    call = InThreads(lambda: model.fit(data, epochs=10**6, callbacks=[stop], progress=False))
    losses = InThreads(lambda: [model.loss(data) for _ in range(5)]).results()[0]
    over.set()
    assert len(losses) == 5 and call.results()[0].interrupted


def test_a_process_that_is_forked_off_holds_nothing():
    """While a thread fits, another one forks: the child has no such thread, and may train."""
    model, data = network(target=HERE), numbers()
    held = Held(model, data)
    with model.turns.turn():  # held by this thread, which forks in `forked`
        child = InThreads(lambda: forked(lambda: model.fit(data, epochs=1, progress=False)))
        assert child.results() == [0]
    held.end()


def test_a_fork_within_a_callback():
    model, data = network(target=HERE), numbers()
    codes = []

    def call(moment):
        codes.append(forked(lambda: (model.step(data), model.fit(data, epochs=1, progress=False))))

    model.fit(data, epochs=2, callbacks=[call], progress=False)
    assert codes == [0, 0] and model.steps == 2 * 5


def forked(work):
    """The exit code of a child that does this; -1 where it hangs."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    begin = time.perf_counter()
    while time.perf_counter() - begin < 60:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1
