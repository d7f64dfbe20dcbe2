"""A compiled model: step, loss, gradients, predict, and what it says of itself."""

import re

import numpy as np
import pandas as pd
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.lower import parallel
from symgrad.train import pieces
from symgrad.train.targets import KEPT
from tests.train.models import line, points

x, y = sg.data("x", shape=5), sg.data("label", dtype=int)


@pytest.fixture
def numbers(rng):
    return {"x": rng.normal(size=(30, 5)), "label": rng.integers(0, 3, 30)}


def classifier(optimizer=None, **options):
    W = sg.parameter("W", shape=(3, 5), init="linear")
    b = sg.parameter("b", shape=3)
    z = sg.let("z", W @ x + b)
    outputs = {"logits": z, "class": sg.softmax(z), "bias": 2 * b, "margin": sg.max(z)}
    options = {"outputs": outputs, "target": "reference", "dtype": "float64", **options}
    return sg.compile(sg.cross_entropy(z, y), optimizer or sg.SGD(0.1), **options)


def test_step_returns_the_loss_before_it(numbers):
    model = classifier()
    loss = model.loss(numbers)
    assert model.step(numbers) == loss
    assert model.loss(numbers) < loss
    assert model.steps == 1


def test_losses_and_gradients_are_torchs(numbers):
    model = classifier()
    W, b = (torch.tensor(model.parameters[k], requires_grad=True) for k in "Wb")
    z = torch.tensor(numbers["x"]) @ W.T + b
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(numbers["label"]))
    loss.backward()
    assert model.loss(numbers) == pytest.approx(loss.item(), rel=1e-12)
    gradients = model.gradients(numbers)
    np.testing.assert_allclose(gradients["W"], W.grad, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(gradients["b"], b.grad, rtol=1e-10, atol=1e-14)
    assert set(gradients) == {"W", "b"}
    np.testing.assert_allclose(model.predict(numbers, "logits"), z.detach(), rtol=1e-10)


def test_evaluation_changes_nothing(numbers):
    model = classifier(sg.SGD(0.1, momentum=0.9))
    before = {s: a.copy() for s, a in model.arrays.items()}
    model.loss(numbers), model.gradients(numbers), model.predict(numbers)
    assert all(np.array_equal(before[s], a) for s, a in model.arrays.items())


def test_predictions_by_label(numbers, monkeypatch):
    model = classifier()
    found = model.predict({"x": numbers["x"]})
    W, b = model.parameters["W"], model.parameters["b"]
    z = numbers["x"] @ W.T + b
    np.testing.assert_allclose(found["logits"], z, rtol=1e-12)
    np.testing.assert_allclose(found["margin"], z.max(1), rtol=1e-12)
    np.testing.assert_allclose(found["class"].sum(1), np.ones(30), rtol=1e-12)
    assert found["bias"].tolist() == (2 * b).tolist()
    monkeypatch.setattr(pieces, "LARGEST", 4)
    parts = classifier()
    parts.parameters["W"] = W
    np.testing.assert_allclose(parts.predict({"x": numbers["x"]}, "logits"), z, rtol=1e-12)


def test_predictions_have_the_models_dtype(numbers):
    model = classifier(dtype="float32")
    found = model.predict(numbers)
    assert {a.dtype for a in found.values()} == {np.dtype(np.float32)}
    assert {g.dtype for g in model.gradients(numbers).values()} == {np.dtype(np.float32)}
    assert type(model.loss(numbers)) is float and type(model.step(numbers)) is float


@pytest.mark.parametrize(
    "through", [sg.expectation, sg.batch, lambda z: z * sg.batch_size], ids=["E", "batch", "size"]
)
def test_predicting_through_the_mini_batch_is_refused(through):
    z = sg.data("x", shape=2)
    model = sg.compile(sg.sum(z), outputs={"f": sg.sum(through(z)) + z[0]}, target="reference")
    with pytest.raises(ValueError, match=r"keep a running average in an sg\.state"):
        model.predict({"x": [[1, 2]]}, "f")


BAD = {
    "a missing name": ({"x": np.ones((2, 5))}, KeyError, "data 'label' missing"),
    "an unknown name": (
        {"x": np.ones((2, 5)), "lable": [0, 1]}, KeyError, "'lable'; did you mean 'label'?",
    ),
    "a wrong shape": (
        {"x": np.ones((2, 4)), "label": [0, 1]}, ValueError, "shape (2, 4); expected (N, 5)",
    ),
    "different numbers": ({"x": np.ones((2, 5)), "label": [0]}, ValueError, "'x' 2, 'label' 1"),
    "no samples": ({"x": np.ones((0, 5)), "label": []}, ValueError, "the data are empty"),
    "a label too large": (
        {"x": np.ones((2, 5)), "label": [0, 3]}, IndexError, "sample 1 holds 3",
    ),
    "a negative label": ({"x": np.ones((2, 5)), "label": [-1, 0]}, IndexError, "sample 0 holds -1"),
    "half a label": ({"x": np.ones((2, 5)), "label": [0, 0.5]}, ValueError, "sample 1 holds 0.5"),
    "strings": ({"x": np.ones((2, 5)), "label": ["a", "b"]}, TypeError, "'label' holds strings"),
    "None": ({"x": [[None] * 5], "label": [0]}, TypeError, "'x' holds None"),
    "no mapping": ([1, 2], TypeError, "a dict or a DataFrame"),
}  # fmt: skip


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_refused_and_nothing_is_lost(case, target):
    data, error, words = BAD[case]
    model = classifier(target=target)
    before = model.parameters["W"].copy()
    for use in (model.step, model.fit, model.loss, model.gradients):
        with pytest.raises(error) as raised:
            use(data)
        assert words in str(raised.value)
    assert np.array_equal(model.parameters["W"], before) and model.steps == 0


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_all_kinds_of_arrays_give_one_result(target, tmp_path):
    xs, ys = points().values()
    wide = np.stack([xs, ys]).T
    read_only = xs.copy()
    read_only.setflags(write=False)
    xs.tofile(tmp_path / "x")
    kinds = [
        {"x": list(xs), "y": list(ys)},
        {"x": wide[:, 0], "y": wide[:, 1]},
        {"x": read_only, "y": ys.astype(">f8")},
        {"x": np.memmap(tmp_path / "x", float, "r"), "y": ys.astype(np.longdouble)},
        pd.DataFrame({"x": xs, "y": ys, "note": "text"}),
        pd.DataFrame({"x": xs, "y": ys}).sample(frac=1, random_state=0).sort_index(),
    ]
    losses = [line(target=target).fit(data, epochs=3, batch_size=4).loss for data in kinds]
    assert all(loss == losses[0] for loss in losses)


def test_few_kernels_serve_many_sizes():
    model = line()
    for n in (32, 7, 20, 9, 4):
        model.step(points(n))
    assert {size for _, size, _ in model.executables.made} == {32, 7}
    for n in range(33, 200):
        model.step(points(n))
    assert {size for _, size, _ in model.executables.made} == {7, 32, 64, 128, 256}


def test_what_was_not_used_for_longest_goes_first():
    model = line()
    for size in range(1, KEPT + 3):
        model.executables.exactly("step", size)
        model.executables.exactly("step", 1)
    kept = [size for _, size, _ in model.executables.made]
    assert len(kept) == KEPT and 1 in kept and 2 not in kept


def test_a_model_that_is_only_evaluated():
    model = line()
    only = sg.compile((sg.data("x") - 1) ** 2, target="reference")
    assert only.loss({"x": [3, 3]}) == 4
    for use in (only.step, only.fit):
        with pytest.raises(ValueError, match="this model has no optimiser"):
            use({"x": [1]})
    with pytest.raises(KeyError, match="no output is called 'g' \\(there is 'f'\\)"):
        model.predict({"x": [1]}, "g")


# --- what it says ---------------------------------------------------------------------------------


def test_a_model_prints_its_objective_and_gradient():
    assert str(line()).splitlines() == [
        "minimise: E[(b + w*x - y)**2]",
        "gradient w: E[2*x*(b + w*x - y)]",
        "gradient b: E[2*(b + w*x - y)]",
    ]


def test_objective_and_gradient_are_expressions():
    model = line()
    assert type(model.objective) is sg.Expectation
    w, b = model.gradient
    assert (w.name, b.name) == ("w", "b") and type(model.gradient[w]) is sg.Expectation
    assert sp.diff(model.gradient[b], b) == 2


def test_a_summary_counts():
    text = classifier(sg.SGD(0.1, momentum=0.9)).summary()
    assert re.search(r"^W +\(3, 5\) +15 +120$", text, re.M)
    assert re.search(r"^b +\(3,\) +3 +24$", text, re.M)
    assert "parameters  18 numbers, 144 bytes" in text
    assert "optimiser   SGD, state 144 bytes" in text
    assert "data        x float (5,), label int scalar" in text


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [1, 30])
def test_a_summary_states_the_memory_of_a_step(size, threads, numbers, monkeypatch):
    monkeypatch.setattr(parallel, "GAIN", np.inf)  # shared whether that pays or not
    model = classifier(sg.SGD(0.1, momentum=0.9), target="cpu")
    sg.set_threads(threads)
    try:
        text = model.summary(size)
        assert not model.executables.made  # nothing is compiled for it
        model.step({k: v[:size] for k, v in numbers.items()})
    finally:
        sg.set_threads(None)
    (made,) = model.executables.made.values()
    scratch = sum(a.nbytes for a in made._scratch)
    scratch += sum(a.nbytes for _, copies in made._own for a in copies)
    peak = scratch + sum(a.nbytes for a in model.arrays.values())
    samples = f"with {size} samples"
    assert f"activations {scratch:,} bytes in a step {samples}, peak {peak:,} bytes" in text


@pytest.mark.parametrize("rule", [sg.SGD(0.1), sg.SGD(0.1, momentum=0.9)])
def test_a_summary_knows_what_accumulation_holds(rule, numbers):
    """It stated a step's memory, which has no array of the gradient and no sum of gradients."""
    line = lambda text: re.search("activations.*", text)[0]  # noqa: E731
    model = classifier(rule, target="cpu")
    before, one = line(model.summary(10, accumulate=3)), line(model.summary(10))
    assert before != one
    model.fit(numbers, epochs=1, batch_size=10, accumulate=3, progress=False)
    (made,) = model.executables.made.values()
    scratch = sum(a.nbytes for a in made._scratch)
    peak = scratch + sum(a.nbytes for a in model.arrays.values())
    assert f"activations {scratch:,} bytes in a step with 10 samples, peak {peak:,} " in before
    assert line(model.summary(10)) == before
    with pytest.raises(ValueError, match="accumulate is 0, and should be at least 1"):
        model.summary(10, accumulate=0)


def test_a_summary_is_of_a_number_of_samples():
    with pytest.raises(ValueError, match="batch_size is 0, and should be at least 1"):
        classifier().summary(0)


def test_every_stage_is_explained():
    text = line().explain()
    titles = re.findall(r"^--- (\w+)", text, re.M)
    assert titles == ["expression", "capture", "derive", "update", "simplify", "source"]


def test_the_source_is_that_of_the_training_step():
    model = line(target="cpu")
    assert "def " in model.source and "v" in model.source
    model.loss(points())
    assert model.source == model.executables.latest("step").source
