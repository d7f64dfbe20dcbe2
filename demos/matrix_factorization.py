"""Biased matrix factorisation, one rating a step: the model people derive by hand and write in C.

    python demos/matrix_factorization.py [--ratings FILE] [--rank K] [--epochs N] [--output DIR]

FILE is MovieLens' u.data (100K), ratings.dat (1M, 10M) or ratings.csv (20M and later).  Without it
the matrix is 1,797 handwritten digits by 64 pixels from scikit-learn, a tenth of its entries held
out: pixels that the model finds alike turn out to be neighbours in the image.
"""

import argparse
from pathlib import Path

import numpy as np

import symgrad as sg


def read_ratings(file: Path) -> dict:
    """MovieLens' three formats: tabs, `::`, or commas under a heading."""
    import pandas as pd

    with file.open() as lines:
        first = next(lines)
    sign = next(s for s in ("::", "\t", ",") if s in first)
    heading = 0 if first.startswith("userId") else None
    engine = "python" if len(sign) > 1 else "c"
    table = pd.read_csv(file, sep=sign, header=heading, usecols=[0, 1, 2], engine=engine)
    codes = {name: pd.factorize(table.iloc[:, k])[0] for k, name in enumerate(("user", "item"))}
    return codes | {"rating": table.iloc[:, 2].to_numpy(float)}


def digits() -> dict:
    """Every pixel's darkness, 0 to 16, in every image."""
    from sklearn.datasets import load_digits

    darkness = load_digits().data
    image, pixel = np.indices(darkness.shape)
    return {"user": image.ravel(), "item": pixel.ravel(), "rating": darkness.ravel()}


def held_out(ratings: dict, seed: int = 0) -> tuple[dict, dict]:
    """Nine tenths to learn from, one tenth to test on."""
    test = np.random.default_rng(seed).random(len(ratings["rating"])) < 0.1
    return tuple({k: v[rows] for k, v in ratings.items()} for rows in (~test, test))


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
        order = np.argsort(-unit @ unit[item], kind="stable")
        others = [int(k) for k in order if k != item][:4]
        print(f"nearest to item {item:4}: {', '.join(map(str, others))}")


def main(options: argparse.Namespace) -> None:
    ratings = read_ratings(options.ratings) if options.ratings else digits()
    users, items = (int(ratings[name].max()) + 1 for name in ("user", "item"))
    train, test = held_out(ratings)
    print(f"{len(train['rating']):,} ratings of {items:,} items by {users:,} users", end="\n\n")
    loss, expected = factorization(users, items, options.rank, float(train["rating"].mean()))
    rate = 0.01 if options.ratings else 0.004  # darkness goes to 16, stars to 5
    model = sg.compile(loss, optimizer=sg.SGD(lr=rate), outputs={"rating": expected})
    print(model, end="\n\n")
    errors: list[float] = []

    def log(moment) -> None:
        missed = test["rating"] - model.predict(test, "rating")
        errors.append(float(np.sqrt(np.mean(missed**2))))
        print(f"epoch {moment.epoch:2}: RMSE {errors[-1]:.4f} on {len(test['rating']):,} held out")

    model.fit(
        train, epochs=options.epochs, batch_size=1, callbacks=[log], progress=False
    ).plot().savefig(options.output / "matrix_factorization.png")
    nearest(model.parameters["Q"], range(18, min(items, 64), 9))
    assert errors[-1] < np.std(test["rating"]), "should do better than the mean"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=Path, help="a file of MovieLens ratings")
    parser.add_argument("--rank", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    main(options)
