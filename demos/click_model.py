"""Clicks from sparse features: logistic regression, then a factorisation machine, with Adagrad.

    python demos/click_model.py [--libsvm FILE] [--rank K] [--epochs N] [--output DIR]

FILE holds a line a sample, `label column:value ...`; labels above 0 are clicks.  Without it the
features are the inked pixels of scikit-learn's digits, and a click is an odd digit: something that
no single pixel says, and pairs of pixels do.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import scipy.sparse
from matplotlib.figure import Figure
from sklearn.datasets import load_digits, load_svmlight_file
from sklearn.preprocessing import maxabs_scale

import symgrad as sg


def load(file: Path | None) -> dict:
    """The features as a CSR matrix, scaled to 1 at most, and 1 for a click."""
    if file:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            if not re.fullmatch(rb"\s*([-+.\deE]+(\s+\d+:[-+.\deE]+)*\s*)?(#.*)?", line):
                raise ValueError(f"line {number} is {line[:60]!r}")
        x, label = load_svmlight_file(str(file))
    else:
        digits = load_digits()
        x, label = scipy.sparse.csr_array(digits.data), digits.target % 2
    order = np.random.default_rng(0).permutation(len(label))
    return {"x": scipy.sparse.csr_array(maxabs_scale(x))[order], "click": (label > 0)[order]}


def logistic_regression(features: int):
    """The loss of one sample, and the logit of a click."""
    x, click = sg.data("x", shape=features, sparse=True), sg.data("click")
    w, b = sg.parameter("w", shape=features), sg.parameter("b")
    z = sg.let("z", w @ x + b)
    return sg.binary_cross_entropy_with_logits(z, click), z


def factorization_machine(features: int, rank: int):
    """Every pair of features has a weight, the product of their rows of V (Rendle 2010)."""
    x, click = sg.data("x", shape=features, sparse=True), sg.data("click")
    w, b = sg.parameter("w", shape=features), sg.parameter("b")
    V = sg.parameter("V", shape=(rank, features), init=sg.init.normal(std=0.05))
    together = sg.let("together", V @ x)
    pairs = sg.let("pairs", sg.sum(together**2 - V**2 @ x**2) / 2)
    z = sg.let("z", w @ x + b + pairs)
    return sg.binary_cross_entropy_with_logits(z, click), z


def learn(name: str, loss, z, data: dict, epochs: int) -> np.ndarray:
    """Train; the loss of the first epoch is progressive: every sample is new to the model."""
    model = sg.compile(loss, optimizer=sg.Adagrad(lr=0.1), outputs={"z": z})
    print(f"--- {name}", model, "", sep="\n")
    history = model.fit(data, epochs=epochs, batch_size=1, progress=False)
    right = np.mean((model.predict({"x": data["x"]}, "z") > 0) == data["click"])
    print(f"progressive validation loss {history.loss[0]:.4f}; after {epochs} epochs the loss is "
          f"{history.loss[-1]:.4f} and {right:.1%} are right\n")  # fmt: skip
    return np.cumsum(history.step_loss) / np.arange(1, len(history.step_loss) + 1)


def picture(curves: dict[str, np.ndarray], samples: int, file: Path) -> None:
    axes = Figure(figsize=(6, 4), layout="constrained").subplots()
    for name, curve in curves.items():
        axes.plot(curve[:samples], label=name)
    axes.set(xlabel="samples seen once", ylabel="progressive validation loss", xscale="log")
    axes.legend()
    axes.figure.savefig(file)
    print(f"picture: {file}")


def main(options: argparse.Namespace) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        data = load(options.libsvm)
    except (OSError, ValueError) as error:
        wanted = "`label column:value ...` lines, columns rising"
        raise SystemExit(f"{options.libsvm}: {error}; expected {wanted}") from None
    samples, features = data["x"].shape
    print(f"{samples:,} samples, {features:,} features, {data['x'].nnz / samples:.1f} in each\n")
    models = {
        "logistic regression": logistic_regression(features),
        "factorisation machine": factorization_machine(features, options.rank),
    }
    curves = {name: learn(name, *m, data, options.epochs) for name, m in models.items()}
    picture(curves, samples, options.output / "click_model.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libsvm", type=Path, help="a file in libsvm's format")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    main(parser.parse_args())
