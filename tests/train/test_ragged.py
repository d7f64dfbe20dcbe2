"""Lists of varying length: embedding bags against torch, and both targets against each other."""

import itertools

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.build import executable
from symgrad.train.orders import shuffled
from tests.selection import mostly_full

ROWS, K, N = 11, 4, 30


@pytest.fixture
def lists(rng):
    """Index lists with repetitions, some of them empty; a weight for each index; targets."""
    lengths = rng.integers(0, 6, N)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    bag = rng.integers(0, ROWS, offsets[-1])
    bag[1::4] = bag[::4][: len(bag[1::4])]
    return {"bag": (bag, offsets), "wt": (rng.normal(size=len(bag)), offsets),
            "y": rng.normal(size=N)}  # fmt: skip


BAG = sg.data("bag", dtype=int, ragged=True)
WT = sg.data("wt", ragged=BAG)
POOLS = {
    "sum": lambda P, a: sg.sum(P[BAG], axis=0),
    "mean": lambda P, a: sg.mean(P[BAG], axis=0),
    "weighted": lambda P, a: WT @ P[BAG],
    "weighted rows": lambda P, a: sg.sum(WT[:, None] * P[BAG], axis=0),
    "scaled by length": lambda P, a: sg.sum(P[BAG] ** 2, axis=0) / sp.sqrt(1 + BAG.shape[0]),
    "attention": lambda P, a: sg.softmax(P[BAG] @ a * WT) @ P[BAG],
    "largest": lambda P, a: sg.clamp(sg.max(P[BAG], axis=0), -9, 9),
    "two tables": lambda P, a: sg.sum(sp.tanh(P[BAG][:, :2]) * P[BAG][:, 2:], axis=0)[[0, 1, 1, 0]],
    "pairs": lambda P, a: sg.einsum("ri,si->i", P[BAG], P[BAG]),
    "log of sums": lambda P, a: sg.clamp(sg.logsumexp(P[BAG], axis=0), -9, 9),
}


def compiled(pool, table, a, **options):
    P, v = sg.parameter("P", table.shape, init=table), sg.parameter("a", a.shape, init=a)
    h = pool(P, v)
    loss = (sp.tanh(h) @ v - sg.data("y")) ** 2
    return sg.compile(loss, sg.SGD(0.1), outputs={"h": h}, dtype="float64", **options)


def only(data, model):
    return {s.name: data[s.name] for s in model.data}


BATCHED = ["weighted rows", "scaled by length", "attention", "two tables", "pairs", "log of sums"]


@pytest.mark.parametrize(("name", "batch"), mostly_full(
    itertools.product(POOLS, [1, 7]), [("attention", 1), *((name, 7) for name in BATCHED)]
))  # fmt: skip
def test_the_targets_agree(name, batch, lists, rng):
    table, a = rng.normal(size=(ROWS, K)), rng.normal(size=K)
    found = []
    for target in ("reference", "cpu"):
        model = compiled(POOLS[name], table, a, target=target)
        data = only(lists, model)
        model.fit(data, epochs=2, batch_size=batch, progress=False)
        found.append([model.parameters["P"].copy()])
        if batch == 1:  # kernels of their own, in which larger mini-batches are added up
            gradient = model.gradients(data)["P"]
            data.pop("y")
            found[-1] += gradient, model.predict(data, "h")
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)


MODES = ["sum", "mean", "weighted", "largest"]
WAYS = [("reference", 7), ("cpu", 7), ("cpu", 1)]
ORDINARY = [*itertools.product(MODES, WAYS[:2]), ("mean", WAYS[2])]


@pytest.mark.parametrize(("mode", "way"), mostly_full(itertools.product(MODES, WAYS), ORDINARY))
def test_embedding_bags_are_torchs(mode, way, lists, rng):
    """torch's EmbeddingBag, its gradients sparse where it has them."""
    target, batch = way
    if mode == "largest":  # the largest of nothing is -inf here and 0 there
        bag, offsets = lists["bag"]
        offsets = np.concatenate([[0], np.cumsum(np.maximum(np.diff(offsets), 1))])
        lists["bag"] = (rng.permuted(np.resize(bag, offsets[-1])), offsets)
        del lists["wt"]
    table, a = rng.normal(size=(ROWS, K)), rng.normal(size=K)
    model = compiled(POOLS[mode], table, a, target=target)
    data = only(lists, model)
    model.fit(data, epochs=10, batch_size=batch, progress=False)
    kind = {"weighted": "sum", "largest": "max"}.get(mode, mode)
    bags = torch.nn.EmbeddingBag.from_pretrained(
        torch.tensor(table), freeze=False, mode=kind, sparse=kind != "max"
    )
    v = torch.tensor(a, requires_grad=True)
    optimizer = torch.optim.SGD([*bags.parameters(), v], lr=0.1)
    (values, offsets), y = lists["bag"], torch.tensor(lists["y"])
    for epoch in range(10):
        for rows in np.split(shuffled(0, epoch, N), range(batch, N, batch)):
            at = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in rows])
            starts = np.cumsum([0, *(offsets[i + 1] - offsets[i] for i in rows[:-1])])
            weights = torch.tensor(lists["wt"][0][at]) if mode == "weighted" else None
            h = bags(torch.tensor(values[at]), torch.tensor(starts), per_sample_weights=weights)
            optimizer.zero_grad()
            ((torch.tanh(h) @ v - y[rows]) ** 2).mean().backward()
            optimizer.step()
    expected = bags.weight.detach().numpy()
    assert np.linalg.norm(model.parameters["P"] - expected) < 1e-10 * np.linalg.norm(expected)


def test_a_list_of_lists_is_the_same_as_values_and_offsets(lists, rng):
    table, a = rng.normal(size=(ROWS, K)), rng.normal(size=K)
    model = compiled(POOLS["weighted"], table, a)
    (bag, offsets), (wt, _) = lists["bag"], lists["wt"]
    expected = model.loss(lists)
    bags, weights = (np.split(x, offsets[1:-1]) for x in (bag, wt))
    split = {"bag": bags, "wt": [list(w) for w in weights]}
    assert model.loss({**lists, **split}) == expected
    assert model.loss({**lists, "bag": [x.tolist() for x in split["bag"]]}) == expected


def test_lists_of_vectors(rng):
    points = sg.data("points", shape=(3,), ragged=True)
    center = sg.parameter("center", shape=3)
    loss = sg.sum((points - center) ** 2)
    lists = [rng.normal(size=(n, 3)) for n in (2, 0, 5)]
    model = sg.compile(loss, sg.SGD(0.1), dtype="float64")
    assert model.loss({"points": lists}) == pytest.approx(sum((x**2).sum() for x in lists) / 3)
    found = model.gradients({"points": lists})["center"]
    np.testing.assert_allclose(found, sum(-2 * x.sum(0) for x in lists) / 3, rtol=1e-12)


def test_a_model_of_lists_is_saved(tmp_path, lists, rng):
    model = compiled(POOLS["attention"], rng.normal(size=(ROWS, K)), rng.normal(size=K))
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    for m in (model, loaded):
        m.fit(lists, epochs=1, progress=False)
    np.testing.assert_array_equal(loaded.parameters["P"], model.parameters["P"])
    assert "softmax" in str(loaded)


REFUSED = {
    "the output 'o' has the shape": lambda P: sg.sum(P[BAG], axis=1),
    "may not change or join": lambda P: sg.sum(sg.reshape(P[BAG], (BAG.shape[0] * K,))),
    "expectation is not available": lambda P: sg.sum(sg.expectation(P[BAG])),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_lists_cannot_do_says_so(why):
    P = sg.parameter("P", shape=(ROWS, K), init=0)
    with pytest.raises(ValueError, match=why):
        sg.compile(sg.sum(P[BAG]), None, outputs={"o": REFUSED[why](P)})


def test_symbols_of_one_length():
    assert WT.shape == BAG.shape and sg.data("bag", dtype=int, ragged=True) == BAG
    with pytest.raises(ValueError, match="do not broadcast"):
        sg.shape(BAG * sg.data("other", ragged=True))
    with pytest.raises(TypeError, match="ragged is True or other ragged data"):
        sg.data("x", ragged=sg.data("y"))


@pytest.mark.parametrize("batch", [1, 7])
def test_gradients_of_ones_are_as_long_as_each_list(batch, lists, rng):
    """Nothing in `sum(P[bag])` depends on a sample but how many rows there are."""
    table, found = rng.normal(size=(ROWS, K)), []
    for target in ("reference", "cpu"):
        P = sg.parameter("P", table.shape, init=table)
        model = sg.compile(sg.sum(P[BAG]), sg.SGD(0.1), dtype="float64", target=target)
        model.fit({"bag": lists["bag"]}, epochs=2, batch_size=batch, shuffle=False, progress=False)
        found.append(np.array(model.parameters["P"]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    if batch == 1:
        counts = np.bincount(lists["bag"][0], minlength=ROWS)
        np.testing.assert_allclose(found[0], table - 2 * 0.1 * counts[:, None], rtol=1e-12)


def pooled(**options):
    P = sg.parameter("P", shape=(ROWS, 64), init="normal")
    return sg.compile(sg.sum(sg.logsumexp(P[BAG], axis=0)), sg.SGD(0.1), **options)


def test_a_summary_says_how_long_lists_may_be():
    model = pooled()
    assert "in a step with 8 samples of up to 64 entries, peak" in model.summary(8)
    model.executables.admit({BAG.shape[0]: np.array([0, 3, 103])})
    assert "in a step with 8 samples of up to 128 entries, peak" in model.summary(8)
    assert "entries" not in sg.compile(sg.data("x") * sg.parameter("w"), sg.SGD(0.1)).summary()


def test_lists_too_long_for_memory_are_named(monkeypatch):
    def too_large(shape, dtype):
        raise MemoryError(f"Unable to allocate {shape}")

    monkeypatch.setattr(executable, "aligned_zeros", too_large)
    model = pooled()
    with pytest.raises(MemoryError, match=r"for 4 samples of up to 128 entries takes [\d,]+ bytes"):
        model.step({"bag": [[0], [0] * 99, [], [1, 2]]})
    with pytest.raises(MemoryError, match=r"for 2 samples takes [\d,]+ bytes, .* take less$"):
        narrow = sg.parameter("V", shape=(9, 9), init="normal")
        z = sg.softmax(narrow @ sg.data("x", shape=9))
        sg.compile(sg.sum(z @ narrow), sg.SGD(0.1)).step({"x": np.ones((2, 9))})
