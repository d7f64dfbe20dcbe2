"""Skip-gram with negative sampling (word2vec): words that stand among the same words come close.

    python demos/word2vec.py [--text FILE] [--dimension D] [--epochs N] [--words W ...]

FILE is any text.  Without it: the documentation of Python's language that Python itself carries,
`pydoc_data.topics`.  The negatives are drawn inside the kernel, in proportion to frequency**0.75.
"""

import argparse
import re
import time
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

import symgrad as sg

WINDOW, NEGATIVES, FREQUENT, LEAST = 5, 5, 1e-3, 5
SHOWN = ["list", "string", "class", "integer", "exception", "true"]


def words(file: Path | None) -> list[str]:
    if file is None:
        text = "\n".join(topics.values())
    elif "\0" in (text := file.read_text(errors="replace")):
        raise ValueError("zeros are in it, and in no text")
    return re.findall(r"[a-z_]+", text.lower())


class Corpus:
    """The words that occur often enough, as numbers, most frequent first."""

    def __init__(self, text: list[str]) -> None:
        counts = [(w, n) for w, n in Counter(text).most_common() if n >= LEAST]
        self.vocabulary = [w for w, _ in counts]
        self.number = {w: k for k, w in enumerate(self.vocabulary)}
        self.counts = np.array([n for _, n in counts], float)
        self.text = np.array([self.number[w] for w in text if w in self.number])
        if len(self.text) < 200:
            raise ValueError(f"{len(self.text)} of {len(text)} words stand {LEAST} times or more")
        share = self.counts / self.counts.sum()
        self.kept = np.sqrt(FREQUENT / share) + FREQUENT / share  # a probability

    def pairs(self, text: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Every word with those around it, each window's width drawn, in the order of the text."""
        apart = np.array([d for d in range(-WINDOW, WINDOW + 1) if d])
        place = np.arange(len(text))[:, None] + apart
        width = rng.integers(1, WINDOW + 1, len(text))[:, None]
        near = (np.abs(apart) <= width) & (place >= 0) & (place < len(text))
        word = np.repeat(text, near.sum(axis=1))
        return {"word": word, "context": text[place[near]]}


def skip_gram(counts: np.ndarray, dimension: int) -> tuple:
    """The loss of one word and one word near it."""
    c, o = sg.data("word context", dtype=int)
    n = sg.random.categorical("negatives", counts**0.75, shape=NEGATIVES)
    shape, spread = (len(counts), dimension), sg.init.uniform(-1 / dimension, 1 / dimension)
    W, C = sg.parameter("W", shape=shape, init=spread), sg.parameter("C", shape=shape, init=0)
    w, near, far = sg.let("w", W[c]), sg.let("near", C[o]), sg.let("far", C[n])
    return -sg.log_sigmoid(near @ w) - sg.sum(sg.log_sigmoid(-(far @ w)))


def neighbours(corpus: Corpus, W: np.ndarray, shown: list[str]) -> None:
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    for word in [w for w in shown if w in corpus.number] or corpus.vocabulary[:6]:
        order = np.argsort(-unit @ unit[corpus.number[word]], kind="stable")[1:6]
        print(f"{word:>12}: {', '.join(corpus.vocabulary[k] for k in order)}")


def main(options: argparse.Namespace) -> None:
    try:
        corpus = Corpus(words(options.text))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{options.text}: {error}; expected some hundred words of text") from None
    print(f"{len(corpus.text):,} words, {len(corpus.vocabulary):,} different ones", end="\n\n")
    model = sg.compile(skip_gram(corpus.counts, options.dimension), optimizer=sg.SGD(lr=0.025))
    print(model, end="\n\n")
    rng = np.random.default_rng(0)
    for epoch in range(options.epochs):
        text = corpus.text[rng.random(len(corpus.text)) < corpus.kept[corpus.text]]
        pairs, begin = corpus.pairs(text, rng), time.perf_counter()
        model.hyper["lr"] = 0.025 * (1 - epoch / options.epochs)
        (mean,) = model.fit(pairs, epochs=1, batch_size=1, progress=False).loss
        rate = len(pairs["word"]) / (time.perf_counter() - begin) / 1e6
        print(f"epoch {epoch + 1:2}: loss {mean:.4f}, {rate:.2f} million pairs a second")
    print()
    neighbours(corpus, model.parameters["W"], options.words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="a file of text")
    parser.add_argument("--dimension", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--words", nargs="+", default=SHOWN, help="whose neighbours to print")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    main(parser.parse_args())
