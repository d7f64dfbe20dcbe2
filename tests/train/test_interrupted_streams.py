"""A real Ctrl-C, sent to a process that trains on a stream, and the fit that goes on afterwards."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.selection import mostly_full

ROOT = Path(__file__).parents[2]

PROGRAM = """
import signal, sys, time
import numpy as np
import symgrad as sg

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
target, shuffle, N = sys.argv[1], sys.argv[2] == "shuffled", 400
rng = np.random.default_rng(0)
data = {"x": rng.normal(size=(N, 3)), "y": rng.normal(size=N)}
slow = []

def stream():
    for first in range(0, N, 20):
        if slow and first >= 200:
            print("half of it", flush=True)
            time.sleep(0.5)
        yield {name: values[first : first + 20] for name, values in data.items()}

def model():
    x, y = sg.data("x", shape=3), sg.data("y")
    w = sg.parameter("w", shape=3, init=0.1)
    return sg.compile((w @ x - y) ** 2, sg.SGD(0.01, momentum=0.9), dtype="float64", seed=5,
                      target=target)

options = {"batch_size": 8, "shuffle": shuffle, "progress": False}
whole, parts = model(), model()
whole.fit(stream, epochs=3, **options)
slow.append(True)
first = parts.fit(stream, epochs=3, **options)
assert first.interrupted and parts.epoch == 0, (parts.epoch, parts.position)
assert parts.position == 8 * parts.steps and parts.position < N
print("interrupted after", parts.steps, "steps", flush=True)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
slow.clear()
parts.fit(stream, epochs=3, resume=True, **options)
assert parts.steps == whole.steps and parts.epoch == 3
assert np.array_equal(parts.parameters["w"], whole.parameters["w"])
print("as if nothing had happened")
"""


@pytest.mark.parametrize(("target", "order"), mostly_full(
    itertools.product(["reference", "cpu"], ["in order", "shuffled"]),
    [("reference", "in order"), ("cpu", "shuffled")],
))  # fmt: skip
def test_a_fit_goes_on_after_ctrl_c(target, order):
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, target, order], text=True, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with child:
        assert child.stdout.readline() == "half of it\n", child.stderr.read()
        child.send_signal(signal.SIGINT)
        printed, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert "interrupted after" in printed and "as if nothing had happened" in printed
