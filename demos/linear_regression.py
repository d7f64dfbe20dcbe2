"""Linear regression of three points, its cost beside torch's, and what accumulating means.

python demos/linear_regression.py [--output DIR]
"""

import argparse
from pathlib import Path

import numpy as np

import symgrad as sg

POINTS = {"x": [1, 2, 3], "y": [2, 4, 6]}
RATE, EPOCHS, SHOWN = 0.01, 1000, 100


def regression(model, file: Path) -> None:
    """Train for 1,000 epochs, beside torch."""
    print(model, end="\n\n")
    history = model.fit(POINTS, epochs=EPOCHS, batch_size=3, progress=False)
    figure = history.plot()
    figure.axes[0].set_yscale("log")
    figure.savefig(file)
    cost = np.append(history.loss, model.loss(POINTS))  # before each epoch, and after the last
    peer = torch_costs()
    print("epoch      cost  torch's cost")
    for epoch in range(SHOWN, EPOCHS + 1, SHOWN):
        print(f"{epoch:5} {cost[epoch]:9.6f} {peer[epoch]:13.6f}")
    if not np.isnan(peer).all():
        np.testing.assert_allclose(cost, peer, rtol=1e-9, err_msg="our cost and torch's")
    found = float(model.parameters["W"]), float(model.parameters["b"])
    np.testing.assert_allclose(found, [1.970783, 0.066418], atol=1e-6, err_msg="W and b")
    print(f"y = {found[0]:.4f} x + {found[1]:.4f}\npicture: {file}\n")


def torch_costs() -> np.ndarray:
    """The same training in torch; NaN where it is not installed."""
    try:
        import torch
    except ImportError:
        print("torch is not installed, so there is nothing to compare with")
        return np.full(EPOCHS + 1, np.nan)
    x, y = (torch.tensor(column, dtype=torch.float64) for column in POINTS.values())
    W, b = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([W, b], lr=RATE)
    costs = []
    for _ in range(EPOCHS + 1):
        cost = torch.mean((W * x + b - y) ** 2)
        costs.append(cost.item())
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    return np.array(costs)


def errors_of_a_guess(model) -> None:
    """The mean squared error of y = 13 x + 1 on four points: 2, -10, 11 and 5 squared."""
    model.parameters["W"], model.parameters["b"] = 13, 1
    for third, expected in ((42, 62.5), (44, 52.5)):
        error = model.loss({"x": [2, 3, 4, 5], "y": [25, 50, third, 61]})
        print(f"mean squared error of y = 13 x + 1 with the point (4, {third}): {error}")
        np.testing.assert_allclose(error, expected, rtol=1e-12, err_msg="mean squared error")


def nothing_accumulates() -> None:
    """The gradient of 2 w is 2 however often it is taken; `accumulate` adds up when asked."""
    w = sg.parameter("w")
    print(f"\nd(2 w)/dw = {sg.gradient(2 * w, w)}")
    model = sg.compile(2 * w, optimizer=sg.SGD(lr=1), dtype="float64")
    gradients = [float(model.gradients({})["w"]) for _ in range(21)]
    assert gradients == [2] * 21, f"each gradient should be 2: {gradients}"
    model.fit({}, epochs=21, accumulate=21, progress=False)
    total = -float(model.parameters["w"])
    assert total == 42, f"one update by 21 accumulated gradients should be 42, not {total}"
    print(f"21 gradients are {gradients[0]:g} each; accumulated in one update they are {total:g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)

    x, y = sg.data("x y")
    W, b = sg.parameter("W b")
    line = sg.compile(sg.mse(W * x + b, y), optimizer=sg.SGD(lr=RATE), dtype="float64")
    regression(line, output / "linear_regression.png")
    errors_of_a_guess(line)
    nothing_accumulates()
