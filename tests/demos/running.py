"""Running a demo as its reader does: a process of its own, from the command line."""

import subprocess
import sys
from pathlib import Path

DEMOS = Path(__file__).parents[2] / "demos"


def run_demo(name: str, output: Path, *options: str) -> str:
    """What the demo prints; its failure is the test's."""
    command = [sys.executable, "-W", "error", DEMOS / f"{name}.py", "--output", output, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=output)
    assert done.returncode == 0, f"{name} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
