"""Demos run in the tests' own process; `make test-full` starts one for each of them, too."""

import pytest

from tests.demos.running import here, in_a_process


@pytest.fixture(params=["here", pytest.param("in a process", marks=pytest.mark.full)])
def run_demo(request, tmp_path, monkeypatch, capsys):
    """Runs a demo, which writes to `tmp_path`, and returns what it prints."""

    def run(name, *options):
        if request.param != "here":
            return in_a_process(name, tmp_path, *options)
        monkeypatch.chdir(tmp_path)
        here(name, monkeypatch, "--output", tmp_path, *options)
        return capsys.readouterr().out

    return run
