"""Whose neighbours of words are good?  symgrad's skip-gram judged beside gensim's.

    python -m tests.bench.neighbours

Nobody knows the right neighbours of a word.  So a third one judges, that counts where these two
descend: singular vectors of the words' positive pointwise mutual information, which skip-gram with
negative sampling approximates (Levy and Goldberg 2014).  Of the WORDS most frequent words with a
meaning of their own (no stop words) and the NEAREST words by cosine of each, two models are
compared by

    overlap:  the share of a word's nearest words in one model that are so in the other, too
    rank:     the mean rank that one model gives to the nearest words of the other

and neighbours are of equal quality where symgrad agrees with the counts as well as gensim does,
within three standard errors over the words.  How far two seeds of one package agree is shown, too:
more than that nobody can agree with them.
"""

import itertools
import sys

import numpy as np
import sympy as sp

from tests.bench.workloads.skip_gram import DIMENSION, NEGATIVES, RATE, WINDOW, demo

WORDS, NEAREST, EPOCHS, SEEDS = 200, 10, 10, (1, 2)


def symgrad_vectors(corpus, seed: int) -> np.ndarray:
    """As gensim does it, with a learning rate that falls with every pair."""
    import symgrad as sg

    rng = np.random.default_rng(seed)
    kept = lambda: corpus.text[rng.random(len(corpus.text)) < corpus.kept[corpus.text]]  # noqa: E731
    every = [corpus.pairs(kept(), rng) for _ in range(EPOCHS)]
    left = 1 - sg.step / sum(len(pairs["word"]) for pairs in every)
    rate = RATE * sp.Max(left, 0.004)
    loss = demo().skip_gram(corpus.counts, DIMENSION)
    model = sg.compile(loss, optimizer=sg.SGD(lr=rate), seed=seed)
    for pairs in every:
        model.fit(pairs, epochs=1, batch_size=1, shuffle=False, progress=False)
    return model.parameters["W"]


def gensim_vectors(corpus, seed: int) -> np.ndarray:
    from gensim.models import Word2Vec

    text = demo().words(None)
    model = Word2Vec(
        [text[i : i + 1000] for i in range(0, len(text), 1000)], vector_size=DIMENSION,
        window=WINDOW, negative=NEGATIVES, sg=1, min_count=demo().LEAST, alpha=RATE, epochs=EPOCHS,
        sample=demo().FREQUENT, workers=1, seed=seed,
    )  # fmt: skip
    return model.wv[corpus.vocabulary]


def counted_vectors(corpus, seed: int) -> np.ndarray:
    """From how often words stand near each other, as often as pairs of them are trained on."""
    text, kept = corpus.text, np.minimum(corpus.kept, 1)[corpus.text]
    together = np.zeros((len(corpus.vocabulary),) * 2)
    for apart in range(1, WINDOW + 1):
        weight = kept[:-apart] * kept[apart:] * (WINDOW + 1 - apart) / WINDOW
        np.add.at(together, (text[:-apart], text[apart:]), weight)
    together += together.T
    own = together.sum(axis=1)
    often = own**0.75 / (own**0.75).sum()
    ratio = together / np.maximum(own[:, None] * often, 1e-300)
    u, s, _ = np.linalg.svd(np.log(np.maximum(ratio, 1)))
    return u[:, :DIMENSION] * np.sqrt(s[:DIMENSION])


def ranks(vectors: np.ndarray, words: np.ndarray) -> np.ndarray:
    """For each of the words the ranks of all: 0 for itself, 1 for the nearest.  (words, all)."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.argsort(np.argsort(-(unit[words] @ unit.T), axis=1), axis=1)


def agreement(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each word: the overlap, and the mean rank in one model of what is nearest in the other."""
    near = [(r > 0) & (r <= NEAREST) for r in (one, two)]
    overlap = (near[0] & near[1]).sum(axis=1) / NEAREST
    mean = [(r * n).sum(axis=1) / NEAREST for r, n in zip((one, two), near[::-1], strict=True)]
    return overlap, np.mean(mean, axis=0)


def with_meaning(vocabulary: list[str]) -> np.ndarray:
    """The most frequent words that are no stop words."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    own = [k for k, w in enumerate(vocabulary) if len(w) > 2 and w not in ENGLISH_STOP_WORDS]
    return np.array(own[:WORDS])


def judged(makers: dict) -> dict[str, np.ndarray]:
    """Kind of pair of models -> overlap and rank of each word: (2, words)."""
    corpus = demo().Corpus(demo().words(None))
    words = with_meaning(corpus.vocabulary)
    found = {
        (name, seed): ranks(make(corpus, seed), words)
        for name, make in makers.items()
        for seed in (SEEDS if name != "counts" else SEEDS[:1])
    }
    pairs: dict[str, list] = {}
    for one, two in itertools.combinations(found, 2):
        pairs.setdefault(f"{one[0]} - {two[0]}", []).append(agreement(found[one], found[two]))
    return {kind: np.mean(each, axis=0) for kind, each in pairs.items()}


def main() -> int:
    makers = {"counts": counted_vectors, "gensim": gensim_vectors, "symgrad": symgrad_vectors}
    found = judged(makers)
    error = lambda x: x.std() / np.sqrt(len(x))  # noqa: E731
    for kind, (overlap, rank) in found.items():
        print(f"{kind:18} overlap {overlap.mean():.3f} +- {error(overlap):.3f}   "
              f"rank {rank.mean():6.1f} +- {error(rank):.1f}")  # fmt: skip
    more, less = found["counts - symgrad"] - found["counts - gensim"]
    equal = more.mean() > -3 * error(more) and less.mean() < 3 * error(less)
    print(
        f"symgrad's overlap with the counts less gensim's: {more.mean():.3f} +- {error(more):.3f}"
    )
    print("neighbours of equal quality" if equal else "neighbours of WORSE quality")
    return int(not equal)


if __name__ == "__main__":
    sys.exit(main())
