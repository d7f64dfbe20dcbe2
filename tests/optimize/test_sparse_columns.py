"""Rules that are not linear in the gradient, on parameters that sparse data read by columns."""

import itertools

import numpy as np
import pytest
import scipy.sparse

import symgrad as sg
from tests.selection import mostly_full

SAMPLES, FEATURES = 40, 17


def trained(sparse: bool, optimizer, batch: int, dtype: str, target: str) -> dict[str, np.ndarray]:
    """The parameters after two epochs of a factorisation machine."""
    rng = np.random.default_rng(3)
    x = sg.data("x", shape=FEATURES, sparse=sparse)
    w = sg.parameter("w", shape=FEATURES, init=rng.normal(size=FEATURES))
    V = sg.parameter("V", shape=(3, FEATURES), init=rng.normal(size=(3, FEATURES)))
    z = w @ x + sg.sum((V @ x) ** 2 - V**2 @ x**2) / 2
    loss = (z - sg.data("y")) ** 2
    model = sg.compile(loss, optimizer=optimizer, dtype=dtype, target=target)
    features = scipy.sparse.random_array((SAMPLES, FEATURES), density=0.3, rng=rng, format="csr")
    data = {"x": features if sparse else features.toarray(), "y": rng.normal(size=SAMPLES)}
    model.fit(data, epochs=2, batch_size=batch, progress=False)
    return dict(model.parameters)


@pytest.mark.parametrize(("batch", "dtype", "target"), mostly_full(
    itertools.product([1, 7], ["float32", "float64"], ["cpu", "reference"]),
    [(1, "float64", "cpu"), (7, "float32", "cpu"), (7, "float64", "reference")],
))  # fmt: skip
def test_adagrad_on_sparse_columns_is_adagrad(batch, dtype, target):
    ours = trained(True, sg.Adagrad(lr=0.05), batch, dtype, target)
    dense = trained(False, sg.Adagrad(lr=0.05), batch, "float64", "reference")
    for name, value in dense.items():
        tolerance = 1e-10 if dtype == "float64" else 2e-3
        np.testing.assert_allclose(ours[name], value, rtol=tolerance, atol=tolerance)
