"""Texts depend on nothing but the model: the same for every hash seed."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[2]

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
    """In a process with this seed, and here, where it is another one in every run."""
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    there = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout  # fmt: skip
    with redirect_stdout(io.StringIO()) as here:
        exec(PROGRAM, {})
    assert len(there.splitlines()) > 200
    assert here.getvalue() == there
