from __future__ import annotations

from dataclasses import asdict

from tests.chaos.targets.check import Check
from tests.chaos.targets.table import failures, rendered


def result(*checks):
    return {"checks": [asdict(check) for check in checks]}


GOOD = Check("no dead letters", "0", met=True)
BAD = Check("nothing is lost", "lost 3", met=False)
SHOWN = Check("ratio >= 0.9", "0.5", met=None)


def test_a_bar_that_is_missed_fails_its_row_and_one_that_is_not_judged_does_not():
    results = {"one": result(GOOD, SHOWN), "two": result(GOOD, BAD)}
    assert failures(results, ["one"]) == []
    assert failures(results, ["one", "two"]) == ["two: nothing is lost: lost 3"]


def test_a_row_without_result_fails():
    assert failures({"two": {"checks": []}}, ["one", "two"]) == ["one: no result", "two: no result"]


def test_the_table_has_a_line_for_each_bar():
    lines = rendered({"one": result(GOOD, BAD, SHOWN)}, ["one", "none"]).splitlines()
    assert lines[0].split() == ["what", "happens", "bar", "seen", "met"]
    assert [line.split()[-1] for line in lines[2:]] == ["yes", "NO", "-"]
    assert lines[2].startswith("one ")
    assert lines[3].startswith("  ")


def test_timing_is_judged_in_the_full_form_only():
    assert Check.timed("fast", "slow", met=False, short=True).met is None
    assert Check.timed("fast", "slow", met=False, short=False).met is False
