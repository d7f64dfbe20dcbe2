"""Streams for tests, and models that show what they were given."""

import numpy as np

import symgrad as sg
from symgrad.train import blocks as blocks_module


def cut(data, size):
    """A function that gives an iterator over pieces of this size, or of these sizes in turn."""
    n, sizes = len(data["x"]), [size] if isinstance(size, int) else size

    def stream():
        at = k = 0
        while at < n:
            rows = slice(at, at + sizes[k % len(sizes)])
            yield {name: values[rows] for name, values in data.items()}
            at, k = rows.stop, k + 1

    return stream


def small_blocks(monkeypatch, samples, columns=2):
    """Blocks of so many samples of float64 columns."""
    monkeypatch.setattr(blocks_module, "BYTES", samples * 8 * columns)


def showing(**options):
    """A model whose loss is the sample's number."""
    x, w = sg.data("x"), sg.parameter("w")
    loss = x + w - sg.stop_gradient(w)
    return sg.compile(loss, sg.SGD(1.0), dtype="float64", target="reference", **options)


def mapped(data, folder, dtype=None):
    found = {}
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array if dtype is None else array.astype(dtype))
        found[name] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return found


def fitted(model, data, epochs, **options):
    model.fit(data, **{"epochs": epochs, "batch_size": 4, **options})
    return model
