"""A network that reads handwritten digits: 784-512-256-10 on MNIST, or on scikit-learn's digits.

    python demos/mnist_mlp.py [--data DIR] [--activation relu] [--epochs N] [--output DIR]

DIR holds MNIST's four IDX files, gzipped or not.  After 10 epochs about 90% of its test digits are
read correctly; with `--activation relu` more than 97%.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

import digits
import symgrad as sg

RECIPES = {  # how each set of digits is learnt
    "MNIST": {"epochs": 10, "lr": 0.01, "momentum": 0.5},
    "scikit-learn's digits": {"epochs": 30, "lr": 0.1, "momentum": 0.9},
}
EXPECTED = {("MNIST", "sigmoid"): 0.89, ("MNIST", "relu"): 0.97}  # test accuracy, elsewhere 0.9


def network(pixels: int = 784, activation: str = "sigmoid"):
    """The loss of one image, and the logits of its ten possible digits."""
    h, label = sg.data("image", shape=pixels), sg.data("label", dtype=int)
    for k, (before, after) in enumerate(pairwise([pixels, 512, 256, 10]), start=1):
        W = sg.parameter(f"W{k}", shape=(after, before), init="linear")
        z = sg.let(f"z{k}", W @ h + sg.parameter(f"b{k}", shape=after))
        h = sg.let(f"h{k}", getattr(sg, activation)(z))
    return sg.cross_entropy(z, label), z


def train(model, data: digits.Digits, epochs: int) -> np.ndarray:
    """Log every 200 batches and every epoch; returns the digits read in the test images."""

    def read() -> np.ndarray:
        return model.predict(data.test, "logits").argmax(axis=1)

    def log(moment) -> None:
        print(f"epoch {moment.epoch:2}, batch {moment.batch:4}: loss {moment.loss:.4f}")

    def test(moment) -> None:
        accuracy = np.mean(read() == data.test["label"])
        print(f"epoch {moment.epoch:2}: loss {moment.loss:.4f}, test accuracy {accuracy:.2%}")

    callbacks = [sg.Every(200, log), test]
    model.fit(data.train, epochs=epochs, batch_size=32, callbacks=callbacks, progress=False)
    return read()


def picture(data: digits.Digits, seen: np.ndarray, counts: np.ndarray, file: Path) -> None:
    """The confusion matrix, and the first sixteen misread digits."""
    from matplotlib.figure import Figure

    image, label = data.test["image"], data.test["label"]
    left, right = Figure(figsize=(11, 5.5), layout="constrained").subfigures(1, 2)
    axes = left.subplots()
    axes.imshow(np.sqrt(counts), cmap="Blues", alpha=0.6)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, count, ha="center", va="center", fontsize=8)
    axes.set(xlabel="read as", ylabel="digit", xticks=range(10), yticks=range(10))
    side = int(image.shape[1] ** 0.5)
    for axes, k in zip(right.subplots(4, 4).flat, np.flatnonzero(seen != label), strict=False):
        axes.imshow(image[k].reshape(side, side), cmap="gray_r")
        axes.set_title(f"{label[k]} read as {seen[k]}", fontsize=9)
    for axes in right.axes:
        axes.set_axis_off()
    left.figure.savefig(file)
    print(f"picture: {file}")


def main(options: argparse.Namespace) -> None:
    data = digits.load(options.data)
    given = {k: v for k, v in vars(options).items() if k in RECIPES["MNIST"] and v is not None}
    recipe = RECIPES[data.name] | given
    print(f"{data.name}: {len(data.train['label'])} digits to learn, {recipe}", end="\n\n")
    loss, logits = network(data.train["image"].shape[1], options.activation)
    epochs = recipe.pop("epochs")
    model = sg.compile(loss, optimizer=sg.SGD(**recipe), outputs={"logits": logits})
    print(model, end="\n\n")
    seen = train(model, data, epochs)
    counts = np.bincount(10 * data.test["label"] + seen, minlength=100).reshape(10, 10)
    print("\nrows: the digit; columns: how often it was read as", counts, sep="\n")
    picture(data, seen, counts, options.output / "mnist_mlp.png")
    least = 0 if given else EXPECTED.get((data.name, options.activation), 0.9)
    assert np.mean(seen == data.test["label"]) >= least, f"should read {least:.0%} correctly"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the directory of MNIST's four IDX files")
    parser.add_argument("--activation", choices=["sigmoid", "relu"], default="sigmoid")
    for name, kind in (("--epochs", int), ("--lr", float), ("--momentum", float)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    main(options)
