"""Ctrl-C: when a fit ends, what it leaves, and how long its calls may take."""

import _thread
import os
import signal
import threading

import pytest

import symgrad as sg
from symgrad.train import fit as fit_module
from tests.train.models import both_targets, line, points, values


def test_ctrl_c_ends_a_fit_after_a_whole_step():
    model, pressed = line(), []

    def press(moment):
        if moment.epoch == 3:
            pressed.append(values(model))
            os.kill(os.getpid(), signal.SIGINT)

    history = model.fit(points(), epochs=50, batch_size=2, callbacks=[sg.Every(2, press)])
    assert history.interrupted and len(history.loss) == 2 and model.epoch == 2
    assert len(history.step_loss) == 2 * 5 + 2
    assert values(model) == pressed[0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_among_small_epochs_keeps_those_that_are_done(monkeypatch):
    model, calls, call = line(), [], fit_module.Fit._call

    def press(self, *arguments):
        call(self, *arguments)
        calls.append(arguments)
        if len(calls) == 3:  # after 1, 5 and 21 mini-batches
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(fit_module.Fit, "_call", press)
    monkeypatch.setattr(fit_module, "CALL", 1e9)
    monkeypatch.setattr(fit_module, "GROWTH", 4)
    history = model.fit(points(12), epochs=100, batch_size=3)
    assert history.interrupted and len(history.step_loss) == model.steps == 21
    assert len(history.loss) == model.epoch == 5
    other = line().fit(points(12), epochs=5, batch_size=3)
    assert other.loss == history.loss


def test_a_second_fit_begins_at_the_pace_of_the_first(monkeypatch):
    model, lengths, call = line(), [], fit_module.Fit._call

    def count(self, order, losses, first, last):
        lengths.append(len(losses))
        call(self, order, losses, first, last)

    monkeypatch.setattr(fit_module.Fit, "_call", count)
    monkeypatch.setattr(fit_module, "CALL", 1e9)  # seconds, so that the first call is a 32nd of it
    monkeypatch.setattr(fit_module, "FIRST", 1e9 / 32)
    history = model.fit(points(1000), epochs=1, batch_size=1)
    assert lengths == [1, 16, 256, 727] and len(history.step_loss) == 1000
    lengths.clear()
    model.fit(points(1000), epochs=1, batch_size=1)
    assert lengths == [1000]
    model.paces["step", 1] = 1e9  # seconds a mini-batch
    lengths.clear()
    model.fit(points(1000), epochs=1, batch_size=1)
    assert lengths[0] == 1


@both_targets
def test_ctrl_c_at_any_time_leaves_a_whole_step(target):
    line(target=target).fit(points(10), epochs=2, batch_size=1)  # compiles what is not yet
    model = line(target=target)
    thread = threading.Timer(0.3, _thread.interrupt_main)
    thread.start()
    history = model.fit(points(100_000), epochs=1_000_000, batch_size=1)
    thread.join()
    assert history.interrupted
    other, (whole, rest) = line(target=target), divmod(model.steps, 100_000)
    stop = [sg.Every(rest, lambda m: m.epoch > whole and m.stop())] if rest else []
    other.fit(points(100_000), epochs=whole + len(stop), batch_size=1, callbacks=stop)
    assert other.steps == model.steps and values(other) == values(model)
    assert len(history.loss) == model.epoch == whole


def test_orders_of_very_small_epochs_are_drawn_in_time_for_ctrl_c(monkeypatch):
    drawn, of = [], fit_module.Orders.of
    monkeypatch.setattr(
        fit_module.Orders, "of", lambda self, e, *rest: drawn.append(len(e)) or of(self, e, *rest)
    )
    line().fit(points(2), epochs=3000, batch_size=1)
    assert sum(drawn) == 3000 and max(drawn) <= 1024


@pytest.mark.parametrize("cost", [1e-7, 1e-4, 0.011, 0.3])
def test_python_is_asked_often_enough(cost, monkeypatch):
    """By a clock that only the kernel moves: no call takes 50 ms unless a single step does."""
    model, clock, calls = line(), [0.0], []

    class Kernel:
        def run(self, arrays, order, first, last, every, pending, outputs, epoch, made):
            clock[0] += (last - first) * cost
            calls.append((last - first) * cost)
            outputs["loss"][:] = 0
            made.append(0)
            return 0

    monkeypatch.setattr(fit_module.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(model.executables, "exactly", lambda key, size: Kernel())
    model.fit(points(100), epochs=20_000 if cost < 1e-6 else 20, batch_size=1)
    assert calls[0] == cost
    assert max(calls) <= max(0.05, cost)
    assert cost > 1e-3 or max(calls) > 0.005  # and not more often than that


def test_the_second_ctrl_c_ends_a_callback():
    def stubborn(moment):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    history = line().fit(points(), epochs=3, callbacks=[stubborn])
    assert history.interrupted and len(history.loss) == 1


def test_another_handler_stays_and_is_called():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        history = line().fit(
            points(), epochs=2, callbacks=[lambda m: os.kill(os.getpid(), signal.SIGINT)]
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1, 1] and not history.interrupted


def test_a_fit_outside_the_main_thread():
    histories = []
    thread = threading.Thread(target=lambda: histories.append(line().fit(points(), epochs=2)))
    thread.start()
    thread.join()
    assert len(histories[0].loss) == 2


def test_an_error_in_a_callback_reaches_the_user():
    with pytest.raises(ZeroDivisionError):
        line().fit(points(), callbacks=[lambda m: 1 / 0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
