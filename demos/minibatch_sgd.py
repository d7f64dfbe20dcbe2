"""Full-batch, mini-batch and one-sample gradient descent on one weight, side by side.

python demos/minibatch_sgd.py [--output DIR]
"""

import argparse
from pathlib import Path

import numpy as np

import symgrad as sg

START, RATE = 100, 0.001


def model(**options):
    """y = w x by squared error, from w = 100."""
    x, y = sg.data("x y")
    w = sg.parameter("w", init=START)
    loss = (y - w * x) ** 2
    return sg.compile(loss, optimizer=sg.SGD(lr=RATE), dtype="float64", **options)


def one_step(x: list[int]) -> None:
    """One update on samples with y = x: the gradient is 2 (w - 1) times the mean of x**2."""
    regression = model()
    regression.step({"x": x, "y": x})
    w = float(regression.parameters["w"])
    print(f"one step on {len(x):2} samples with y = x: w = {w:.4f}")
    by_hand = START - RATE * 2 * (START - 1) * np.mean(np.square(x))
    np.testing.assert_allclose(w, by_hand, rtol=1e-12, err_msg=f"one step on {x}")


def descend(data: dict[str, np.ndarray], batch_size: int, epochs: int) -> np.ndarray:
    """The weight before the first update and after each."""
    regression = model()
    rng = np.random.default_rng(0)
    path = [float(START)]
    for _ in range(epochs):
        for batch in rng.permutation(len(data["x"])).reshape(-1, batch_size):
            regression.step({name: column[batch] for name, column in data.items()})
            path.append(float(regression.parameters["w"]))
    return np.array(path)


def compare(epochs: int = 10) -> dict[str, np.ndarray]:
    """Descend on noisy samples of y = 3 x in three ways: name -> the weight's path."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 5, 100)
    data = {"x": x, "y": 3 * x + rng.normal(0, 10, 100)}
    best = (data["x"] @ data["y"]) / (x @ x)
    ways = {"full batch": len(x), "mini-batches of 10": 10, "one sample": 1}
    paths = {way: descend(data, size, epochs) for way, size in ways.items()}

    print(f"\nleast squares: w = {best:.4f}; after {epochs} epochs of 100 samples")
    for way, path in paths.items():
        print(f"{way:>18}: {len(path) - 1:4} updates, w = {path[-1]:.4f}")
    steps = np.arange(epochs + 1)
    exact = best + (START - best) * (1 - 2 * RATE * np.mean(x**2)) ** steps
    np.testing.assert_allclose(paths["full batch"], exact, rtol=1e-9, err_msg="full batch")
    distance = [abs(path[-1] - best) for path in paths.values()]
    assert distance[1] < distance[0], "equal work, more updates: mini-batches should get nearer"
    assert distance[2] < 1, f"one-sample descent should end near {best}, not {distance[2]} away"
    return paths


def picture(paths: dict[str, np.ndarray], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for way, path in reversed(paths.items()):
        axes.plot(np.linspace(0, 10, len(path)), path, label=way)
    axes.set(xlabel="epoch", ylabel="weight", yscale="log")
    axes.legend()
    figure.savefig(file)
    print(f"\npicture: {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    print(model(), end="\n\n")
    one_step([1])
    one_step(list(range(1, 11)))
    picture(compare(), output / "minibatch_sgd.png")
