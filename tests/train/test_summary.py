"""What a summary states before anything runs, and what the process then takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


PEAK = r"""
import re
import numpy as np
import symgrad as sg

sg.set_threads({threads})

def status(name):  # resource's maximum would be inherited from the tests' own process
    with open("/proc/self/status") as text:
        return int(re.search(rf"{{name}}:\s+(\d+) kB", text.read())[1]) * 1024

def trained(sizes, n):
    x, y = sg.data("x", shape=sizes[0]), sg.data("y", shape=sizes[-1])
    h = x
    for k in range(1, len(sizes)):
        W = sg.parameter(f"W{{k}}", shape=(sizes[k], sizes[k - 1]), init="linear")
        h = W @ (sg.relu(h) if k > 1 else h) + sg.parameter(f"b{{k}}", shape=sizes[k])
    model = sg.compile(sg.sum((h - y) ** 2), {optimizer})
    text = model.summary(n)
    data = {{"x": np.ones((n, sizes[0]), np.float32), "y": np.ones((n, sizes[-1]), np.float32)}}
    for _ in range(2):
        model.step(data)
    return text, sum(array.nbytes for array in data.values())

sizes = {sizes}
trained([size // 50 + 1 for size in sizes], 16)  # everything is imported
before = status("VmRSS")
text, data = trained(sizes, {batch_size})
grown = status("VmHWM") - before
print(re.search(r"peak ([\d,]+) bytes", text)[1].replace(",", ""), grown, data)
"""


@pytest.mark.full
@pytest.mark.parametrize(
    ("sizes", "optimizer", "batch_size", "threads"),
    [
        ((9000, 9000, 10), "sg.SGD(0.01)", 32, 1),
        ((6000, 8000, 10), "sg.SGD(0.01, momentum=0.9)", 32, 2),
        ((500, 4000, 4000, 4000, 10), "sg.SGD(0.01)", 2048, 1),
    ],
)
def test_the_process_grows_by_what_is_stated(sizes, optimizer, batch_size, threads, tmp_path):
    """Within 10%, and the data: parameters, state, or what a step computes and keeps."""
    code = PEAK.format(sizes=sizes, optimizer=optimizer, batch_size=batch_size, threads=threads)
    command = [sys.executable, "-c", code]
    new = os.environ | {"SYMGRAD_CACHE_DIR": str(tmp_path)}  # the small model is compiled, too
    found = subprocess.run(command, cwd=ROOT, env=new, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr
    promised, grown, data = map(int, found.stdout.split())
    assert promised > 3e8
    assert 0.9 * promised <= grown <= 1.1 * promised + data
