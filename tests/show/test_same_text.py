"""Texts depend on nothing but the model: the same for every hash seed."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.show.text import block_text
from tests.corpus import MODELS

for make in MODELS.values():
    model = make(np.random.default_rng(0))
    loss = sg.expectation(model.loss)
    block = capture({"loss": loss})
    names = [block.inputs[p] for p in model.parameters]
    print(sg.gradient(loss, model.parameters))
    print(block_text(derive(block, block.outputs["loss"], names)[0]))
"""


def test_gradients_and_blocks_are_the_same_for_every_hash_seed():
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=root, stdout=subprocess.PIPE, text=True,
        )
        for seed in "01"
    ]  # fmt: skip
    first, second = (process.communicate()[0] for process in running)
    assert len(first.splitlines()) > 200
    assert first == second
