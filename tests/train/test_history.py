"""The record of a fit: as numbers, a table, a frame and a picture."""

import builtins
import copy
import gc
import pickle

import numpy as np
import pytest

from symgrad.train import history as history_module
from symgrad.train.history import Epoch, History, Room
from tests.train.models import line, points


@pytest.fixture
def history():
    return line().fit(points(), epochs=3, batch_size=4, validation=points(5))


def test_a_table(history):
    rows = str(history).splitlines()
    assert rows[0].split() == ["epoch", "loss", "validation", "seconds"]
    assert [row.split()[0] for row in rows[1:]] == ["1", "2", "3"]
    assert rows[1].split()[1:3] == [f"{history.loss[0]:.6g}", f"{history.validation[0]:.6g}"]


def test_a_long_table_is_cut():
    record = line().fit(points(), epochs=100)
    rows = repr(record).splitlines()
    assert len(rows) == 1 + 15 + 1 + 15 and rows[-1].split()[0] == "100"


def test_an_empty_interrupted_table():
    assert str(History(interrupted=True)) == "epoch  loss  seconds\ninterrupted"


def test_a_frame(history):
    frame = history.to_dataframe()
    assert frame.index.name == "epoch" and list(frame.index) == [1, 2, 3]
    assert list(frame["loss"]) == history.loss
    assert list(frame["validation"]) == history.validation


def test_a_picture(history, tmp_path):
    figure = history.plot()
    mini_batch, epoch, validation = figure.axes[0].lines
    assert list(mini_batch.get_ydata()) == list(history.step_loss)
    assert list(epoch.get_xdata()) == [3, 6, 9] and list(epoch.get_ydata()) == history.loss
    assert list(validation.get_ydata()) == history.validation
    figure.savefig(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_the_picture_of_a_fit_that_was_interrupted():
    record = History()
    record.record(np.arange(5.0))
    record.record(np.arange(2.0))
    record.epochs.append(Epoch(1, 2.0, None, 0.1, 5))
    record.interrupted = True
    assert list(record.plot().axes[0].lines[1].get_xdata()) == [5]


def test_epochs_that_nobody_asks_for_are_no_objects():
    model, data = line(), points()
    model.fit(data, epochs=1, shuffle=False)
    gc.collect()
    before = len(gc.get_objects())
    record = model.fit(data, epochs=3000, shuffle=False)
    assert len(gc.get_objects()) < before + 100
    assert [e.number for e in record.epochs] == [*range(2, 3002)]
    assert {(e.validation, e.steps) for e in record.epochs} == {(None, 1)}
    assert record.loss == list(record.step_loss)


def test_who_holds_the_epochs_sees_them_grow():
    seen = []
    record = line().fit(points(), epochs=3, callbacks=lambda m: seen.append(m.history.epochs))
    assert all(epochs is record.epochs for epochs in seen)
    assert [e.number for e in seen[0]] == [1, 2, 3]


def test_epochs_are_a_list_like_others():
    record, more = (line().fit(points(), epochs=2) for _ in range(2))
    record.epochs += more.epochs
    assert [e.number for e in record.epochs] == [1, 2, 1, 2]
    record.epochs = more.epochs[:1]
    assert record.loss == more.loss[:1] and [*History(more.epochs).epochs] == more.epochs


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))]
)
def test_copies_have_all_epochs(copied, history):
    record = line().fit(points(), epochs=3, batch_size=4, validation=points(5))
    other = copied(record)
    for found in (other, record):
        assert found.loss == history.loss and found.validation == history.validation
        assert list(found.step_loss) == list(history.step_loss)


@pytest.mark.parametrize(
    ("package", "use"),
    [("pandas", History.to_dataframe), ("matplotlib", History.plot)],
)
def test_what_needs_a_package_says_so(package, use, history, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        use(history)


def test_only_so_many_steps_are_kept(monkeypatch):
    monkeypatch.setattr(history_module, "RECORDED", 7)
    record = History()
    for k in range(3):
        record.record(np.full(3, float(k)))
    assert list(record.step_loss) == [0, 0, 0, 1, 1, 1, 2]


def test_rooms_for_losses_do_not_overlap_and_their_memory_grows(monkeypatch):
    monkeypatch.setattr(history_module, "PIECE", 64)
    room, counts = Room(), [3, 3, 30, 1, 100, 5]
    taken = [room.take(count) for count in counts]
    for k, part in enumerate(taken):
        part.fill(k)
    assert np.array_equal(np.concatenate(taken), np.repeat(range(len(counts)), counts))
    pieces = [len(t) if t.base is None else len(t.base) for t in taken]
    assert pieces == [3, 24, 48, 48, 100, 64]
