"""Small models that the training tests share."""

import numpy as np
import pytest

import symgrad as sg

both_targets = pytest.mark.parametrize("target", ["reference", "cpu"])


def line(optimizer=None, **options):
    """f = w x + b with a squared error, in float64 on the reference target."""
    x, y = sg.data("x y")
    w, b = sg.parameter("w b")
    options = {"target": "reference", "dtype": "float64", **options}
    if optimizer is None:
        optimizer = sg.SGD(0.05)
    return sg.compile((w * x + b - y) ** 2, optimizer, outputs={"f": w * x + b}, **options)


def points(n=10):
    x = np.linspace(-1, 1, n)
    return {"x": x, "y": 3 * x + 2}


def values(model):
    return [float(a) for a in model.parameters.values()]
