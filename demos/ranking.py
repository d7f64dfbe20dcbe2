"""Bayesian personalised ranking: what somebody chose should score above what was not chosen.

    python demos/ranking.py [--choices FILE] [--rank K] [--epochs N] [--output DIR]

FILE holds `user item` a line, by blanks, commas or `::`, further columns ignored, as in MovieLens'
files.  Without it scikit-learn's handwritten digits are the users, and chose the pixels that have
ink.  The item that was not chosen is drawn inside the kernel, anew at every step.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import symgrad as sg

PAIR = re.compile(r"\s*([^\s,:\0]+)(?:::|[\s,]+)([^\s,:\0]+)")


def load(file: Path | None) -> dict[str, np.ndarray]:
    """A file's choices; without one, which pixels of which image have ink."""
    if file is None:
        return dict(zip(("user", "item"), np.nonzero(load_digits().data > 8), strict=True))
    pairs: list[tuple] = []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        if not (pair := PAIR.match(line)):
            raise ValueError(f"line {number} is {line[:60]!r}")
        if number > 1 or pair[1] != "userId":  # MovieLens' heading
            pairs.append(pair.groups())
    if len(pairs) == (users := len({user for user, _ in pairs})):
        raise ValueError(f"{len(pairs)} choices by {users} users leave none to learn from")
    columns = zip(("user", "item"), np.transpose(pairs), strict=True)
    return {name: np.unique(ids, return_inverse=True)[1] for name, ids in columns}


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
    free = np.ones(scores.shape, bool)
    for part in (train, test):
        free[part["user"], part["item"]] = False
    own, others = scores[test["user"], test["item"]][:, None], scores[test["user"]]
    above = (own > others) + 0.5 * (own == others)
    free = free[test["user"]]
    return float(np.mean((above * free).sum(axis=1) / np.maximum(free.sum(axis=1), 1)))


def main(options: argparse.Namespace) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        choices = load(options.choices)
    except (OSError, ValueError) as error:
        wanted = "`user item` lines, some users on several"
        raise SystemExit(f"{options.choices}: {error}; expected {wanted}") from None
    users, items = (int(choices[name].max()) + 1 for name in ("user", "item"))
    order = np.random.default_rng(0).permutation(len(choices["user"]))
    out = order[np.unique(choices["user"][order], return_index=True)[1]]  # one of every user
    train, test = ({k: v[at] for k, v in choices.items()} for at in (np.setdiff1d(order, out), out))
    print(f"{len(train['user']):,} choices among {items:,} items by {users:,} users", end="\n\n")
    loss, scores = ranking(users, items, options.rank)
    model = sg.compile(loss, optimizer=sg.SGD(lr=0.05), outputs={"scores": scores})
    print(model, end="\n\n")
    found, every = [], {"user": np.arange(users)}

    def log(moment) -> None:
        found.append(probability(model.predict(every, "scores"), train, test))
        print(f"epoch {moment.epoch:2}: loss {moment.loss:.4f}, held-out AUC {found[-1]:.2%}")

    history = model.fit(train, options.epochs, batch_size=1, callbacks=[log], progress=False)
    history.plot().savefig(options.output / "ranking.png")
    popular = np.broadcast_to(np.bincount(train["item"], minlength=items), (users, items))
    print(f"by popularity alone: {(least := probability(popular, train, test)):.2%}")
    assert options.choices or found[-1] > least, "should know more than what is popular"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choices", type=Path, help="a file of `user item` lines")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    main(parser.parse_args())
