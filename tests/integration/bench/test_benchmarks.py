"""The comparison at a tiny size: it verifies, goes on where it ended, and reports what it has."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from syncpipe.bench.scale import SHORT
from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import environments, racing
from tests.benchmarks.environments import Missing
from tests.benchmarks.systems import PEERS

TINY = replace(
    SHORT,
    counts=dict.fromkeys(SHORT.counts, 400),
    sample=200,
    window_s=0.5,
    processes=1,
    single_producers=2,
)
RAW = ["--short", "--only", "distinct / raw"]


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(benchmarks, "SHORT", TINY)

    def _run(*arguments):
        status = benchmarks.main([*arguments, "--state", str(tmp_path)])
        results = json.loads((tmp_path / "short" / "results.json").read_text())
        return status, results, capsys.readouterr().out

    return _run


def test_what_is_finished_is_not_measured_again(run):
    status, results, said = run(*RAW)
    assert status == 0
    assert "finished before" not in said
    assert results["workloads"]["distinct"]["raw"]["wrong_rows"] == 0
    assert results["machine"]["cores"] > 0

    status, again, said = run("--short", "--only", "distinct / raw", "--only", "distinct / limit")
    assert status == 0
    assert "distinct / raw / 1: finished before" in said
    assert again["workloads"]["distinct"]["raw"] == results["workloads"]["distinct"]["raw"]
    assert again["workloads"]["distinct"]["ratios"]["limit_of_raw"] > 0


def test_wrong_rows_and_cells_without_a_result_fail_the_run(run, monkeypatch):
    def measure(workload, system, *_):
        if system == "limit":
            raise RuntimeError("broken")
        return replace(measured(workload, system, TINY, lambda _: None), wrong_rows=1)

    measured = benchmarks.measure
    monkeypatch.setattr(benchmarks, "measure", measure)
    status, _, said = run("--short", "--only", "distinct / raw", "--only", "distinct / limit")
    assert status == 1
    assert "FAILED distinct / raw: 1 rows are wrong" in said
    assert "FAILED distinct / limit / 1: no result" in said


def test_what_cannot_run_here_says_why(run, monkeypatch):
    def race(*_):
        raise Missing("there is no Node with npm")

    monkeypatch.setattr(benchmarks, "race", race)
    status, results, _ = run("--short", "--only", "distinct / celery_chunks_guarded")
    assert status == 0
    missing = {"missing": "there is no Node with npm"}
    assert results["workloads"]["distinct"]["celery_chunks_guarded"] == missing


def test_nothing_to_do_is_wrong_usage():
    assert benchmarks.main(["--only", "nonsense"]) == 2


@pytest.mark.parametrize("workload", ["distinct", "single"])
def test_a_peer_is_verified(workload, monkeypatch):
    monkeypatch.setattr(racing, "_WARM_S", 1.0)
    monkeypatch.setattr(racing, "_QUIET_S", 60.0)
    (peer,) = (peer for peer in PEERS if peer.name == "celery_task_per_record_guarded")
    measured = racing.race(peer, workload, replace(TINY, window_s=3.0))
    assert measured.operations > 0
    assert measured.wrong_rows == 0
    assert measured.guarded


def test_an_environment_that_cannot_be_made_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "_ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(environments.shutil, "which", lambda _: "/bin/false")
    with pytest.raises(Missing, match="cannot be made"):
        environments.python.__wrapped__("peers")
    monkeypatch.setattr(environments.shutil, "which", lambda _: None)
    with pytest.raises(Missing, match="no Node"):
        environments.node.__wrapped__()
