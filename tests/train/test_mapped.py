"""Memory-mapped arrays: as if they stood in memory, and never copied there whole."""

import numpy as np
import pytest

import symgrad as sg
from symgrad.train import blocks as blocks_module
from tests.train.models import both_targets, line, points, values
from tests.train.streaming import mapped, showing, small_blocks


@both_targets
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", [None, ">f4", "float32"])
def test_mapped_arrays_are_as_good_as_memory(target, shuffle, dtype, tmp_path):
    data = {k: v.astype(np.float32) for k, v in points(100).items()}
    files, model, other = mapped(data, tmp_path, dtype), line(target=target), line(target=target)
    history = model.fit(files, epochs=3, batch_size=8, shuffle=shuffle)
    want = other.fit(data, epochs=3, batch_size=8, shuffle=shuffle)
    assert values(model) == values(other)
    assert np.array_equal(history.step_loss, want.step_loss)


def test_mapped_blocks_come_in_random_order_and_all(tmp_path, monkeypatch):
    small_blocks(monkeypatch, 8, columns=1)
    files = mapped({"x": np.arange(100.0)}, tmp_path)
    moments = []
    history = showing().fit(files, epochs=2, batch_size=2, callbacks=moments.append)
    assert [m.batches for m in moments] == [50, 50]
    seen = 2 * history.step_loss.reshape(2, 50)  # sums of pairs
    np.testing.assert_allclose(seen.sum(axis=1), np.arange(100).sum())
    starts = [(epoch, k) for epoch in seen for k in range(0, 48, 4)]
    blocks = [np.unique(epoch[k : k + 4] // 16).tolist() for epoch, k in starts]
    assert all(len(b) == 1 for b in blocks)
    assert sorted(blocks[:12]) == [[k] for k in range(12)] != blocks[:12] != blocks[12:]


def test_mapped_arrays_are_not_copied_whole(tmp_path, monkeypatch):
    """64 MB on disk, in another dtype; NumPy's own memory is traced."""
    import tracemalloc

    n, block = 2**23, 2**22
    monkeypatch.setattr(blocks_module, "BYTES", block)
    for name in "xy":
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, (n,))
    files = {k: np.load(tmp_path / f"{k}.npy", mmap_mode="r") for k in "xy"}
    model = line(target="cpu")
    model.fit(points(2**15), epochs=1, batch_size=2**14)  # compiling takes memory, too
    tracemalloc.start()
    try:
        model.fit(files, epochs=1, batch_size=2**14, shuffle=True)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 8 * block < sum(f.nbytes for f in files.values())


def test_errors_in_mapped_arrays_come_before_anything_runs(tmp_path):
    P, u = sg.parameter("P", shape=(50, 2), init=1.0), sg.data("u", dtype=int)
    model = sg.compile(sg.sum(P[u] ** 2), sg.SGD(0.1), target="reference")
    index = np.arange(60) % 50
    index[44] = 50
    files = mapped({"u": index}, tmp_path)
    with pytest.raises(IndexError, match="samples 0 to 59: data 'u': sample 44 holds 50"):
        model.fit(files, batch_size=1)
    assert model.steps == 0
    with pytest.raises(KeyError, match="data 'u' missing|no data"):
        model.fit({"v": files["u"]}, batch_size=1)
    with pytest.raises(ValueError, match="different numbers of samples: 'y' 3, 'x' 60"):
        line().fit({"x": files["u"], "y": [1, 2, 3]}, batch_size=1)


@both_targets
def test_mapped_arrays_without_samples_are_refused(target, tmp_path):
    empty = mapped({name: values[:0] for name, values in points(4).items()}, tmp_path)
    for train in (line(target=target).fit, line(target=target).partial_fit):
        with pytest.raises(ValueError, match="the data are empty: '.' holds 0 samples"):
            train(empty)
