"""Gradient descent as one would do it by hand: a line in ten updates, then the parabola x**2.

python demos/gradient_descent_by_hand.py [--output DIR]
"""

import argparse
from pathlib import Path

import numpy as np

import symgrad as sg

X = [-2, -1, 0, 1, 2]
Y = [-4, -1, 2, 5, 8]
RATES = [0.01, 0.1, 0.3, 0.9, 1.02]


def line() -> None:
    """Fit w x + b to five points, one sample at a time, two epochs."""
    x, y = sg.data("x y")
    w, b = sg.parameter("w b", init=1)
    loss = (w * x + b - y) ** 2
    print(f"loss: {loss}", sg.gradient(loss, [w, b]), sep="\n", end="\n\n")

    model = sg.compile(loss, optimizer=sg.SGD(lr=0.1), dtype="float64")
    by_hand = np.array([1.0, 1.0])
    print("update  x   y      loss    dloss/dw    dloss/db    w, b before       w, b after")
    for update, (xi, yi) in enumerate([*zip(X, Y, strict=True)] * 2, start=1):
        sample = {"x": [xi], "y": [yi]}
        before, gradient = values(model.parameters), values(model.gradients(sample))
        lost = model.step(sample)
        after = values(model.parameters)
        print(
            f"{update:6} {xi:2} {yi:3} {lost:9.4f} {gradient[0]:11.4f} {gradient[1]:11.4f}"
            f"    {before[0]:.4f}, {before[1]:.4f} -> {after[0]:.4f}, {after[1]:.4f}"
        )
        error = by_hand @ [xi, 1] - yi
        by_hand -= 0.1 * 2 * error * np.array([xi, 1])
        np.testing.assert_allclose(after, by_hand, rtol=1e-12, err_msg=f"after update {update}")
    np.testing.assert_allclose(after, [3, 2], atol=0.1, err_msg="the line should be near 3 x + 2")
    print(f"\nThe points lie on 3 x + 2; found {after[0]:.4f} x + {after[1]:.4f}.\n")


def values(pair) -> np.ndarray:
    """The numbers called w and b."""
    return np.array([float(pair["w"]), float(pair["b"])])


def parabola() -> dict[float, np.ndarray]:
    """Ten steps down x**2 from x = 3 with each learning rate: rate -> x before and after each."""
    x = sg.parameter("x", init=3)
    print(f"f(x): {x**2}", f"df/dx: {sg.gradient(x**2, x)}", sep="\n", end="\n\n")

    model = sg.compile(x**2, optimizer=sg.SGD(lr=0.1), dtype="float64")
    paths = {}
    for rate in RATES:
        model.hyper["lr"], model.parameters["x"] = rate, 3  # nothing is compiled again
        path = [3.0]
        for _ in range(10):
            model.step({})
            path.append(float(model.parameters["x"]))
        paths[rate] = np.array(path)
        print(f"learning rate {rate:<4}: x = {path[-1]:8.4f} after 10 steps")
        expected = 3 * (1 - 2 * rate) ** np.arange(11.0)
        np.testing.assert_allclose(path, expected, rtol=1e-9, err_msg=f"learning rate {rate}")
    return paths


def picture(paths: dict[float, np.ndarray], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(paths), 3.2), layout="constrained")
    grid = np.linspace(-4.5, 4.5, 200)
    panels = figure.subplots(1, len(paths), sharey=True)
    for axes, (rate, path) in zip(panels, paths.items(), strict=True):
        axes.plot(grid, grid**2, color="lightgray")
        axes.plot(path, path**2, "o-", markersize=4)
        axes.set(title=f"learning rate {rate}", xlabel="x")
    panels[0].set_ylabel("f(x)")
    figure.savefig(file)
    print(f"\npicture: {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    line()
    picture(parabola(), output / "gradient_descent_by_hand.png")
