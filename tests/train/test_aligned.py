"""Parameters and what is kept beside them begin at a cache line."""

import numpy as np
import pytest

import symgrad as sg
from symgrad.language.aligned import aligned_copy, aligned_empty, aligned_zeros

INITS = {
    "name": "xavier_normal",
    "number": 0.5,
    "array": np.arange(21.0).reshape(7, 3),
    "function": lambda rng, shape: rng.normal(size=shape),
}


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (7, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_shapes_and_values(shape, dtype, rng):
    given = np.asarray(100 * rng.normal(size=shape))
    for array in (aligned_empty(shape, dtype), aligned_zeros(shape, dtype)):
        assert array.shape == shape and array.dtype == dtype and array.flags.c_contiguous
    assert not array.any()
    copy = aligned_copy(given.T, dtype)
    np.testing.assert_array_equal(copy, given.T.astype(dtype))
    assert copy.flags.c_contiguous and copy.flags.writeable
    assert copy.ctypes.data % 64 == 0 or not copy.size


@pytest.mark.filterwarnings("ignore::symgrad.DenseUpdateWarning")
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    "rule", [sg.SGD(0.1, momentum=0.5), sg.Adagrad(0.1, initial_accumulator_value=1)]
)
def test_a_models_arrays_begin_at_a_cache_line(init, columns, rule, tmp_path):
    i, x = sg.data("i", dtype=int), sg.data("x", shape=7)
    W, b = sg.parameter("W", shape=(7, 3), init=INITS[init]), sg.parameter("b", shape=7)
    loss = sg.sum((W[:, i] if columns else W[i]) ** 2) + sg.sum(b * x)
    model = sg.compile(loss, rule, target="reference")
    model.fit({"i": [0, 1, 2], "x": np.ones((3, 7))}, epochs=1, batch_size=1)
    model.save(tmp_path / "model")
    for m in (model, sg.load(tmp_path / "model")):
        arrays = {s: a for s, a in m.arrays.items() if a.ndim}
        assert len(arrays) >= 4
        assert not [s for s, a in arrays.items() if a.ctypes.data % 64]
