"""Skip-gram with negative sampling on the English of `pydoc_data.topics`: effective words a second.

A word is effective when it is in the vocabulary and was not thinned out; every peer thins out,
draws window widths and negatives anew in every epoch, in the time that is measured.
"""

import functools
import sys
from pathlib import Path

import numpy as np

from tests.bench.workload import Run, Workload

DIMENSION, NEGATIVES, WINDOW, RATE, EPOCHS = 100, 5, 5, 0.025, 5
DEMOS = Path(__file__).parents[3] / "demos"


@functools.cache
def demo():
    sys.path.insert(0, str(DEMOS))
    import word2vec

    return word2vec


def symgrad_fit(cores: int) -> Run:
    import symgrad as sg

    corpus = demo().Corpus(demo().words(None))
    model = sg.compile(demo().skip_gram(corpus.counts, DIMENSION), optimizer=sg.SGD(lr=RATE))
    rng = np.random.default_rng(0)
    more = {"parallel": "hogwild"} if cores > 1 else {}

    def run() -> int:
        effective = 0
        for _ in range(EPOCHS):
            text = corpus.text[rng.random(len(corpus.text)) < corpus.kept[corpus.text]]
            pairs = corpus.pairs(text, rng)
            model.fit(pairs, epochs=1, batch_size=1, shuffle=False, progress=False, **more)
            effective += len(text)
        return effective

    return run


def gensim_word2vec(cores: int) -> Run:
    from gensim.models import Word2Vec

    text = demo().words(None)
    sentences = [text[i : i + 1000] for i in range(0, len(text), 1000)]
    model = Word2Vec(
        vector_size=DIMENSION, window=WINDOW, negative=NEGATIVES, sg=1, min_count=demo().LEAST,
        sample=demo().FREQUENT, alpha=RATE, workers=cores, seed=1,
    )  # fmt: skip
    model.build_vocab(sentences)

    def run() -> int:
        effective, _ = model.train(
            sentences, total_examples=model.corpus_count, epochs=EPOCHS, compute_loss=False
        )
        return effective

    return run


EPOCH = Workload(
    title=f"skip-gram, dimension {DIMENSION}, {NEGATIVES} negatives, float32",
    unit="word",
    scale="ns",
    aim="gensim's words a second 1.3x, then 3x",
    peers={"symgrad": symgrad_fit, "gensim": gensim_word2vec},
)

ROWS = {"skip_gram": EPOCH}
