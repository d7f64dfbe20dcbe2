"""Bayesian personalised ranking: what somebody chose should score above what was not chosen.

    python demos/ranking.py [--choices FILE] [--rank K] [--epochs N] [--output DIR]

FILE holds `user item` a line, by blanks, tabs or commas, further columns ignored (MovieLens' u.data
will do).  Without it the users are scikit-learn's handwritten digits, and they chose the pixels
that have ink.  The item that was not chosen is drawn inside the kernel, anew at every step.
"""

import argparse
import re
from pathlib import Path

import numpy as np

import symgrad as sg


def read_choices(file: Path) -> dict[str, np.ndarray]:
    with file.open() as lines:
        pairs = np.array([re.split(r"[\s,]+", line.strip())[:2] for line in lines if line.strip()])
    return {
        k: np.unique(pairs[:, j], return_inverse=True)[1] for j, k in enumerate(("user", "item"))
    }


def ink() -> dict[str, np.ndarray]:
    """Which pixels of which image have ink."""
    from sklearn.datasets import load_digits

    return dict(zip(("user", "item"), np.nonzero(load_digits().data > 8), strict=True))


def last_held_out(choices: dict[str, np.ndarray]) -> tuple[dict, dict]:
    """One choice of every user to test on, the others to learn from."""
    order = np.random.default_rng(0).permutation(len(choices["user"]))
    user = choices["user"][order]
    test = np.zeros(len(user), bool)
    test[np.unique(user, return_index=True)[1]] = True
    return tuple({k: v[order][rows] for k, v in choices.items()} for rows in (~test, test))


def ranking(users: int, items: int, rank: int):
    """The loss of one choice against an item drawn at random, and every item's score."""
    u, i = sg.data("user item", dtype=int)
    j, lam = sg.random.integers("drawn", items), sg.hyper("lam", 0.002)
    P, Q = (sg.parameter(name, shape=(n, rank), init=sg.init.normal(std=0.1))
            for name, n in (("P", users), ("Q", items)))  # fmt: skip
    c = sg.parameter("c", shape=items)
    p, chosen, other = sg.let("p", P[u]), sg.let("chosen", Q[i]), sg.let("other", Q[j])
    margin = sg.let("margin", p @ (chosen - other) + c[i] - c[j])
    penalty = lam * (p @ p + chosen @ chosen + other @ other)
    return penalty - sg.log_sigmoid(margin), Q @ P[u] + c


def probability(scores: np.ndarray, train: dict, test: dict) -> float:
    """How probably a held-out choice scores above an item that its user did not choose: the AUC."""
    chosen = np.zeros(scores.shape, bool)
    for part in (train, test):
        chosen[part["user"], part["item"]] = True
    own = scores[test["user"], test["item"]][:, None]
    others = scores[test["user"]]
    above = (own > others) + 0.5 * (own == others)
    free = ~chosen[test["user"]]
    return float(np.mean((above * free).sum(axis=1) / np.maximum(free.sum(axis=1), 1)))


def main(options: argparse.Namespace) -> None:
    choices = read_choices(options.choices) if options.choices else ink()
    users, items = (int(choices[name].max()) + 1 for name in ("user", "item"))
    train, test = last_held_out(choices)
    print(f"{len(train['user']):,} choices among {items:,} items by {users:,} users", end="\n\n")
    loss, scores = ranking(users, items, options.rank)
    model = sg.compile(loss, optimizer=sg.SGD(lr=0.05), outputs={"scores": scores})
    print(model, end="\n\n")
    found: list[float] = []

    def log(moment) -> None:
        every = model.predict({"user": np.arange(users)}, "scores")
        found.append(probability(every, train, test))
        print(f"epoch {moment.epoch:2}: loss {moment.loss:.4f}, held-out AUC {found[-1]:.2%}")

    model.fit(
        train, epochs=options.epochs, batch_size=1, callbacks=[log], progress=False
    ).plot().savefig(options.output / "ranking.png")
    popular = np.broadcast_to(np.bincount(train["item"], minlength=items), (users, items))
    print(f"by popularity alone: {probability(popular, train, test):.2%}")
    assert found[-1] > probability(popular, train, test), "should know more than what is popular"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choices", type=Path, help="a file of `user item` lines")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    main(options)
