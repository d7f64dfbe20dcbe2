"""Running a demo as its reader does: as the main program, with options from the command line."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DEMOS = Path(__file__).parents[2] / "demos"


def in_a_process(name: str, output: Path, *options: str) -> str:
    """What the demo prints in a process of its own; its failure is the test's."""
    command = [sys.executable, "-W", "error", DEMOS / f"{name}.py", "--output", output, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=output)
    assert done.returncode == 0, f"{name} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def here(name: str, monkeypatch: pytest.MonkeyPatch, *options: object) -> None:
    """The demo in this process, where what it imports may have been imported before."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
    monkeypatch.setattr(sys, "path", [str(DEMOS), *sys.path])
    runpy.run_path(str(DEMOS / f"{name}.py"), run_name="__main__")
