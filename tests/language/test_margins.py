"""Losses with a margin beside torch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from tests.language.against_torch import compare

SIGNS = np.array([1.0, -1.0, 1.0, -1.0, 1.0])


OF_SCORES = {
    "hinge": (
        lambda z: sg.hinge(z, SIGNS),
        lambda z: F.relu(1 - torch.tensor(SIGNS) * z).mean(),
    ),
    "hinge_embedding": (
        lambda z: sg.hinge_embedding(z, SIGNS, 0.7),
        lambda z: F.hinge_embedding_loss(z, torch.tensor(SIGNS), margin=0.7),
    ),
    "soft_margin": (
        lambda z: sg.soft_margin(z, SIGNS),
        lambda z: F.soft_margin_loss(z, torch.tensor(SIGNS)),
    ),
}
OF_PAIRS = {
    "cosine_similarity": (sg.cosine_similarity, lambda a, b: F.cosine_similarity(a, b, -1)),
    "cosine_embedding": (
        lambda a, b: sg.cosine_embedding(a, b, SIGNS, 0.1),
        lambda a, b: F.cosine_embedding_loss(a, b, torch.tensor(SIGNS), margin=0.1),
    ),
    "margin_ranking": (
        lambda a, b: sg.margin_ranking(a, b, SIGNS[:, None] * np.ones(4), 0.2),
        lambda a, b: F.margin_ranking_loss(
            a, b, torch.tensor(SIGNS[:, None] * np.ones(4)), margin=0.2
        ),
    ),
}


@pytest.mark.parametrize("name", OF_SCORES)
def test_loss_of_scores_is_torchs(name, rng):
    compare(*OF_SCORES[name], [rng.standard_normal(5)])


@pytest.mark.parametrize("name", OF_PAIRS)
def test_loss_of_pairs_is_torchs(name, rng):
    compare(*OF_PAIRS[name], [rng.standard_normal((5, 4)), rng.standard_normal((5, 4))])


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("swap", [False, True])
def test_triplet_margin_is_torchs(p, swap, rng):
    compare(
        lambda a, b, c: sg.triplet_margin(a, b, c, p=p, swap=swap),
        lambda a, b, c: F.triplet_margin_loss(a, b, c, p=p, swap=swap),
        [rng.standard_normal((5, 4)) for _ in range(3)],
        order=1 if p == 3 else 2,
    )
