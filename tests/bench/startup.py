"""How long one waits: for the import, the first gradient, the first step."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEMOS = Path(__file__).parents[2] / "demos"
# as of an installed package: byte code is there, or is written by the first import
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
IMPORT = "import time; t = time.perf_counter(); import symgrad; print(time.perf_counter() - t)"
FIRST_STEP = """
import time
begin = time.perf_counter()
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, symgrad as sg, mnist_mlp
imported = time.perf_counter()
loss, logits = mnist_mlp.network()
model = sg.compile(loss, optimizer=sg.SGD(lr=0.01, momentum=0.5))
model.step({"image": np.zeros((32, 784), np.float32), "label": np.zeros(32, np.int64)})
print(time.perf_counter() - imported, time.perf_counter() - begin)
"""


def import_time() -> float:
    """Seconds that `import symgrad` takes in a new interpreter."""
    return float(output([sys.executable, "-c", IMPORT]))


def first_gradient() -> float:
    """Seconds from the start of demo 1's process until its gradient is printed."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-u", DEMOS / "gradient_descent_by_hand.py"]
        begin = time.perf_counter()
        demo = subprocess.Popen(
            [*command, "--output", directory], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        for line in demo.stdout:
            if line.startswith("b: "):
                break
        seconds = time.perf_counter() - begin
        demo.communicate()
    return seconds


def first_step(cache: Path) -> tuple[float, float]:
    """Seconds to demo 5's first step: from the built model's start, and from before the import."""
    environment = ENVIRONMENT | {"SYMGRAD_CACHE_DIR": str(cache)}
    seconds = output([sys.executable, "-c", FIRST_STEP, str(DEMOS)], env=environment).split()
    return float(seconds[0]), float(seconds[1])


def output(command: list, env: dict[str, str] = ENVIRONMENT) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def waits(rounds: int) -> dict[str, list[float]]:
    """Seconds of every round, for each thing that one waits for."""
    import_time()  # writes the byte code
    found: dict[str, list[float]] = {
        "import symgrad": [import_time() for _ in range(rounds)],
        "demo 1: start of the process to the first gradient": [
            first_gradient() for _ in range(rounds)
        ],
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            for state in ("cold", "warm"):
                after, whole = first_step(Path(directory))
                title = f"demo 5, {state}: "
                found.setdefault(title + "model to the first step", []).append(after)
                found.setdefault(title + "import to the first step", []).append(whole)
    return found


def summarised(found: dict[str, list[float]]) -> list[dict[str, object]]:
    return [
        {"wait": k, "median": statistics.median(v), "fastest": min(v), "slowest": max(v)}
        for k, v in found.items()
    ]
