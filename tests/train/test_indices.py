"""Indices that a model computes from its data are checked before anything runs."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import symgrad as sg
from symgrad.train import fit


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_computed_index_out_of_range_changes_nothing(target: str) -> None:
    P, u = sg.parameter("P", shape=(5, 3), init=1.0), sg.data("u", dtype=int)
    model = sg.compile(sg.sum(P[2 * u] ** 2), sg.SGD(lr=0.1), target=target)
    with pytest.raises(IndexError, match="is 6 for sample 2, which is out of range"):
        model.step({"u": [0, 1, 3]})
    assert (model.parameters["P"] == 1).all()
    model.step({"u": [0, 1, 2]})
    assert (model.parameters["P"] != 1).any()


def test_a_function_checks_them_too() -> None:
    v, k = sg.data("v", shape=4), sg.data("k", dtype=int)
    f = sg.function(v[k - 1], [v, k], target="reference")
    assert f(np.arange(8.0).reshape(2, 4), [1, 2]).tolist() == [0, 5]
    with pytest.raises(IndexError, match="is -1 for sample 1"):
        f(np.arange(8.0).reshape(2, 4), [1, 0])


def looking_up(**options):
    P, u = sg.parameter("P", shape=(5, 3), init=1.0), sg.data("u", dtype=int)
    return sg.compile(sg.sum(P[u] ** 2), sg.SGD(lr=0.1), target="reference", **options)


@pytest.mark.parametrize("again", [0, fit.AGAIN])  # a call's indices alone, and all of them
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_indices_that_a_callback_changes_are_looked_at_again(
    again, shuffle, mapped, monkeypatch, tmp_path
):
    monkeypatch.setattr(fit, "AGAIN", again)
    u = np.arange(40) % 5
    if mapped:
        u = np.memmap(tmp_path / "u", np.int64, "w+", shape=40)
    model = looking_up()

    def change(moment):
        u[:] = 3 if moment.batch < 6 else 5

    with pytest.raises(IndexError, match="have changed since the fit began: data 'u'.*holds 5"):
        model.fit({"u": u}, 2, 4, shuffle, callbacks=sg.Every(3, change))
    before = model.steps
    assert before == (10 if mapped and shuffle else 6)  # a block that is shuffled is a copy
    u[:] = 2
    model.fit({"u": u}, 2, 4, shuffle, callbacks=lambda moment: u.fill(4))
    assert model.steps == before + 20


def test_computed_indices_are_looked_at_again():
    P, u = sg.parameter("P", shape=(9, 3), init=1.0), sg.data("u", dtype=int)
    model = sg.compile(sg.sum(P[2 * u] ** 2), sg.SGD(lr=0.1), target="reference")
    data = {"u": np.arange(40) % 5}
    with pytest.raises(IndexError, match="have changed since the fit began: an index that"):
        model.fit(data, 2, 4, callbacks=lambda moment: data["u"].fill(5))
    assert model.steps == 10


def test_indices_of_validation_data_are_looked_at_again():
    model, held_out = looking_up(), {"u": np.zeros(40, int)}
    with pytest.raises(IndexError, match="have changed since the fit began: data 'u'.*holds 7"):
        model.fit(
            {"u": np.arange(40) % 5}, 3, 4, validation=held_out,
            callbacks=lambda moment: held_out["u"].fill(7),
        )  # fmt: skip
    assert model.steps == 20


@pytest.mark.parametrize("form", ["lists", "sparse"])
def test_lists_and_sparse_data_are_as_they_were(form):
    if form == "lists":
        bag = sg.data("bag", dtype=int, ragged=True)
        P = sg.parameter("P", shape=(5, 3), init=1.0)
        loss = sg.sum(sg.sum(P[bag], axis=0) ** 2)
        entries = np.arange(40) % 5
        data: dict = {"bag": (entries, np.arange(0, 41, 4))}
    else:
        w, x = sg.parameter("w", shape=5, init=1.0), sg.data("x", shape=5, sparse=True)
        loss = (w @ x) ** 2
        entries = np.arange(40, dtype=np.int32) % 5
        data = {"x": csr_array((np.ones(40), entries, np.arange(0, 41, 4)), shape=(10, 5))}
    histories = []
    for callback in (None, lambda moment: entries.fill(10**9)):
        model = sg.compile(loss, sg.SGD(lr=0.001), target="reference")
        callbacks = callback or ()
        histories.append(model.fit(data, 3, 2, validation=data, callbacks=callbacks))
    assert histories[0].loss == histories[1].loss
    assert histories[0].validation == histories[1].validation
