"""A network for several threads, and programs about it in processes of their own."""

import subprocess
import sys
import textwrap

import numpy as np

import symgrad as sg

ROOT = __file__.rsplit("/tests/", 1)[0]


def network(width=300, dtype="float64", target="cpu", seed=0):
    x, y = sg.data("x", shape=20), sg.data("y", shape=5)
    h = x
    for k, (m, n) in enumerate([(20, width), (width, 5)]):
        W = sg.parameter(f"W{k}", shape=(n, m), init="linear")
        z = W @ h + sg.parameter(f"b{k}", shape=n)
        h = sg.let(f"h{k}", sg.sigmoid(z))
    loss = sg.sum((z - y) ** 2)
    return sg.compile(
        loss, sg.SGD(0.01, momentum=0.5), {"z": z}, dtype=dtype, target=target, seed=seed
    )


def numbers(n=150):
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((n, 20)), "y": rng.standard_normal((n, 5))}


PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
import symgrad as sg
from tests.train.threaded import network, numbers
data, model = numbers(), network()
def fit(epochs=20):
    return model.fit(data, epochs=epochs, batch_size=50, progress=False)
"""


def run(code, before=PROGRAM):
    code = before + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=250,
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
