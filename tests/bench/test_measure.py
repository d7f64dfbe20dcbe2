"""The benchmark harness: peers answer from processes of their own, rows hold what was measured."""

import dataclasses
import io

import pytest
from rich.console import Console

from tests.bench import curves, page, report
from tests.bench.measure import measure
from tests.bench.peer import Peer
from tests.bench.workloads import WORKLOADS


def test_peers_run_in_turn_and_become_rows():
    workload = WORKLOADS["linear_regression"]
    chosen = {name: workload.peers[name] for name in ("symgrad", "numba by hand")}
    workload, said = dataclasses.replace(workload, peers=chosen), []
    rows = measure("linear_regression", workload, (1, 10_000), 2, said.append)
    assert [row["peer"] for row in rows] == list(chosen)
    for row in rows:
        assert 0 < row["fastest"] <= row["median"] <= row["slowest"]
    assert "10000 cores are not available" in said[-1]

    console = Console(width=120, record=True, file=io.StringIO())
    report.show(console, workload, rows)
    assert "numba by hand" in console.export_text()


def test_a_page_has_a_line_for_each_number_of_cores():
    times = {"median": 2e-3, "fastest": 1e-3, "slowest": 3e-3}
    rows = [
        {"peer": peer, "cores": cores, **{key: k * x for key, x in times.items()}}
        for cores in (1, 2)
        for peer, k in (("torch eager", 4), ("symgrad", 1), ("JAX scan", 2))
    ]
    rows.append({"peer": "torch.compile", "cores": 2, "absent": "no compiler"})
    wait = {"wait": "import symgrad", "median": 0.3, "fastest": 0.25, "slowest": 0.5}
    found = {
        "machine": {"processor": "one", "cores": 2}, "rounds": 3, "waits": [wait],
        "workloads": {"network_small": rows},
    }  # fmt: skip
    lines = page.page([found, found]).splitlines()
    assert lines.count("| import symgrad | 0.30 | 0.25 .. 0.50 |") == 2
    works = [line.split(" | ") for line in lines if "(`network_small`)" in line]
    assert [work[1:4] for work in works[:2]] == [
        [cores, "2,000 us (1,000 .. 3,000)", "0.50x"] for cores in ("1", "2")
    ]
    assert works[0] == [*works[1][:1], "1", *works[1][2:]]
    told = "JAX scan 4,000 us (2,000 .. 6,000); torch eager 8,000 us (4,000 .. 12,000) |"
    assert works[0][-1] == told and "processor one, cores 2; medians of 3 rounds" in lines[0]


def test_a_peer_that_does_not_run_here_is_left_out():
    workload = WORKLOADS["linear_regression"]
    peers = {"symgrad": workload.peers["symgrad"], "nobody": None}
    workload = dataclasses.replace(workload, peers=peers)
    ours, theirs = measure("linear_regression", workload, (1,), 1, print)
    assert ours["median"] > 0
    assert theirs["absent"] == "nobody on linear_regression ended with 1"
    console = Console(width=120, record=True, file=io.StringIO())
    report.show(console, workload, [ours, theirs])
    assert "does not run here" in console.export_text()


def test_a_peer_that_fails_is_named():
    peer = Peer("linear_regression", "nobody", 1)
    with pytest.raises(RuntimeError, match="nobody on linear_regression ended with 1"):
        peer.start()
    peer.stop()


@pytest.mark.full
def test_a_curve_is_kept_after_each_point(tmp_path, monkeypatch):
    """With what an absent peer leaves open."""
    sizes = (100, 300)
    points = {n: curves.CURVES["equations"].points[n] for n in sizes}
    points[300] = dataclasses.replace(points[300], peers={**points[300].peers, "symbols": None})
    curve = dataclasses.replace(curves.CURVES["equations"], points=points)
    monkeypatch.setattr(curves, "CURVES", {"equations": curve})
    monkeypatch.setattr(curves, "RESULTS", tmp_path)
    console = Console(width=120, record=True, file=io.StringIO())
    known = []
    for found in curves.measured("equations", 1, 1, ["sym"], console):
        known.append(list(found["symgrad"]))
        assert curves.picture("equations", found, 1).stat().st_size > 5000
    assert known == [[100], [100, 300]]
    assert "symbols is absent" in console.export_text()
