"""Biased matrix factorisation, one rating a step: the model people derive by hand and write in C.

    python demos/matrix_factorization.py [--ratings FILE] [--rank K] [--epochs N] [--output DIR]

FILE is MovieLens' u.data (100K), ratings.dat (1M, 10M) or ratings.csv (20M and later).  Without it:
scikit-learn's 1,797 digits rate 64 pixels, and pixels found alike are neighbours in the image.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import symgrad as sg


def load(file: Path | None) -> dict:
    """A file's ratings; without one every pixel's darkness, 0 to 16, in every image."""
    if file is None:
        darkness = load_digits().data
        image, pixel = np.indices(darkness.shape)
        return {"user": image.ravel(), "item": pixel.ravel(), "rating": darkness.ravel()}
    with file.open(errors="replace") as lines:
        first = lines.readline()
    sign = next((s for s in ("::", "\t", ",") if s in first), None)
    if sign is None:
        raise ValueError(f"line 1 is {first[:60]!r}")
    heading, columns = int(first.startswith("userId")), np.arange(3) * len(sign)
    table = pd.read_csv(file, sep=sign[0], names=range(columns[-1] + 1), usecols=columns,
                        skiprows=heading, index_col=False, encoding_errors="replace",
                        skip_blank_lines=False, low_memory=False)  # fmt: skip
    user, item = (pd.factorize(table[k])[0] for k in columns[:2])
    rating = pd.to_numeric(table[columns[2]], errors="coerce").to_numpy(float)
    if (wrong := ~np.isfinite(rating) | (user < 0) | (item < 0)).any():
        at = int(wrong.argmax())
        raise ValueError(f"line {heading + 1 + at} holds {[str(table[k][at]) for k in columns]}")
    if len(rating) < 100:
        raise ValueError(f"{len(rating)} ratings are too few to hold a tenth out")
    return {"user": user, "item": item, "rating": rating}


def factorization(users: int, items: int, rank: int, mean: float):
    """The loss of one rating, and the rating that the model expects."""
    u, i = sg.data("user item", dtype=int)
    rating, lam = sg.data("rating"), sg.hyper("lam", 0.1)
    P, Q = (sg.parameter(name, shape=(n, rank), init=sg.init.normal(std=0.1))
            for name, n in (("P", users), ("Q", items)))  # fmt: skip
    b, c = sg.parameter("b", shape=users), sg.parameter("c", shape=items)
    p, q = sg.let("p", P[u]), sg.let("q", Q[i])
    expected = mean + b[u] + c[i] + p @ q
    error = sg.let("error", expected - rating)
    return error**2 + lam * (p @ p + q @ q + b[u] ** 2 + c[i] ** 2), expected


def nearest(Q: np.ndarray, items: range) -> None:
    """The items whose factors point most nearly the same way."""
    unit = Q / np.maximum(np.linalg.norm(Q, axis=1, keepdims=True), 1e-12)
    for item in items:
        others = [str(k) for k in np.argsort(-unit @ unit[item], kind="stable") if k != item]
        print(f"nearest to item {item:4}: {', '.join(others[:4])}")


def main(options: argparse.Namespace) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        ratings = load(options.ratings)
    except (OSError, ValueError) as error:
        wanted = "user, item and rating, with tabs, `::` or commas between them"
        raise SystemExit(f"{options.ratings}: {error}; expected {wanted}") from None
    users, items = (int(ratings[name].max()) + 1 for name in ("user", "item"))
    out = np.random.default_rng(0).random(len(ratings["rating"])) < 0.1
    train, test = ({k: v[rows] for k, v in ratings.items()} for rows in (~out, out))
    print(f"{len(train['rating']):,} ratings of {items:,} items by {users:,} users", end="\n\n")
    loss, expected = factorization(users, items, options.rank, float(train["rating"].mean()))
    model = sg.compile(loss, optimizer=sg.SGD(lr=0.005), outputs={"rating": expected})
    print(model, end="\n\n")
    errors: list[float] = []

    def log(moment) -> None:
        missed = test["rating"] - model.predict(test, "rating")
        errors.append(float(np.sqrt(np.mean(missed**2))))
        print(f"epoch {moment.epoch:2}: RMSE {errors[-1]:.4f} on {len(test['rating']):,} held out")

    history = model.fit(train, options.epochs, batch_size=1, callbacks=[log], progress=False)
    history.plot().savefig(options.output / "matrix_factorization.png")
    nearest(model.parameters["Q"], range(18, min(items, 64), 9))
    assert options.ratings or errors[-1] < np.std(test["rating"]), "should do better than the mean"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=Path, help="a file of MovieLens ratings")
    parser.add_argument("--rank", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    main(parser.parse_args())
