"""A network of two layers fitted to random numbers, its loss beside torch's.

python demos/two_layer_network.py [--output DIR]
"""

import argparse
from pathlib import Path

import numpy as np

import symgrad as sg

SAMPLES, INPUTS, HIDDEN, OUTPUTS = 64, 1000, 100, 10
RATE, UPDATES, SHOWN = 1e-6, 500, 100


def network(w1: np.ndarray, w2: np.ndarray):
    """relu(x w1) w2, by the sum of squares over the batch."""
    x, y = sg.data("x", shape=INPUTS), sg.data("y", shape=OUTPUTS)
    w1 = sg.parameter("w1", shape=w1.shape, init=w1)
    w2 = sg.parameter("w2", shape=w2.shape, init=w2)
    h = sg.let("h", sg.relu(x @ w1))
    loss = sg.sum((h @ w2 - y) ** 2)
    return sg.compile(loss, optimizer=sg.SGD(lr=RATE), reduction="sum")


def torch_losses(x: np.ndarray, y: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """The same training in torch; NaN where it is not installed."""
    try:
        import torch
    except ImportError:
        print("torch is not installed, so there is nothing to compare with")
        return np.full(UPDATES + 1, np.nan)
    torch.set_num_threads(1)  # for products this small, threads mostly wait for each other
    x, y = (torch.tensor(a, dtype=torch.float32) for a in (x, y))
    w1, w2 = (torch.tensor(w, dtype=torch.float32, requires_grad=True) for w in weights)
    optimizer = torch.optim.SGD([w1, w2], lr=RATE)
    losses = []
    for _ in range(UPDATES + 1):
        loss = torch.sum((torch.relu(x @ w1) @ w2 - y) ** 2)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.array(losses)


def compare() -> tuple[np.ndarray, np.ndarray]:
    """The loss before each update and after the last, ours and torch's."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((SAMPLES, INPUTS)), rng.standard_normal((SAMPLES, OUTPUTS))
    weights = [rng.standard_normal((INPUTS, HIDDEN)), rng.standard_normal((HIDDEN, OUTPUTS))]
    data = {"x": x, "y": y}

    model = network(*weights)
    print(model, end="\n\n")
    history = model.fit(data, epochs=UPDATES, batch_size=SAMPLES, shuffle=False, progress=False)
    losses = np.append(history.loss, model.loss(data))
    peer = torch_losses(x, y, weights)
    print("updates         loss  torch's loss")
    for updates in range(SHOWN, UPDATES + 1, SHOWN):
        print(f"{updates:7} {losses[updates]:12.6g} {peer[updates]:13.6g}")
    if not np.isnan(peer).all():
        # What is left of 3e7 below 1 is decided by float32's rounding.
        np.testing.assert_allclose(losses, peer, rtol=1e-3, atol=1e-2, err_msg="loss and torch's")
    assert losses[-1] < 1e-3, f"the loss should fall below 0.001; it is {losses[-1]:g}"
    return losses, peer


def picture(losses: np.ndarray, peer: np.ndarray, file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(losses, label="symgrad")
    axes.semilogy(peer, "--", label="torch")
    axes.set(xlabel="update", ylabel="sum of squares")
    axes.legend()
    figure.savefig(file)
    print(f"\npicture: {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    picture(*compare(), output / "two_layer_network.png")
