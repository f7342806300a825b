from __future__ import annotations

from dataclasses import replace

from syncpipe.demo.feed import Fed
from syncpipe.demo.oracle import Example, Oracle, Verdict
from syncpipe.demo.summary import summarise, summary_text
from syncpipe.demo.tally import Tally

FED = Fed(operations=100, first_ms=1_000, oracle=Oracle())
TALLY = Tally(
    {"applied": 60, "merged": 20, "superseded": 15, "duplicate": 7, "dead": 2, "too_late": 1},
    {5: 95},
    last_commit_ms=3_000,
)
RIGHT = Verdict(records=40, lost=0, mismatches=0, wrong=(), missing=(), extra=())


def test_the_object_has_exactly_these_members_in_this_order():
    assert summarise(FED, TALLY, RIGHT).as_dict() == {
        "sent": 100,
        "deliveries": 105,
        "applied": 60,
        "merged": 20,
        "superseded": 15,
        "duplicates": 7,
        "dead": 3,
        "expired": 0,
        "lost": 0,
        "mismatches": 0,
        "seconds": 2.0,
        "ops_per_s": 50.0,
        "p50_ms": 5,
        "p99_ms": 5,
    }
    assert list(summarise(FED, TALLY, RIGHT).as_dict())[:2] == ["sent", "deliveries"]


def test_what_is_retried_is_no_outcome_yet():
    tally = replace(TALLY, outcomes={"applied": 1, "retrying": 50})
    assert summarise(FED, tally, RIGHT).deliveries == 1


def test_only_the_oracle_decides_whether_it_is_right():
    assert summarise(FED, replace(TALLY, outcomes={}), RIGHT).ok
    assert not summarise(FED, TALLY, replace(RIGHT, lost=1)).ok
    assert not summarise(FED, TALLY, replace(RIGHT, mismatches=1)).ok


def test_a_run_of_no_time_still_has_a_rate():
    assert summarise(FED, replace(TALLY, last_commit_ms=1_000), RIGHT).ops_per_s == 100_000.0


def test_people_see_the_numbers_and_what_is_not_right():
    wrong = (Example("orders", "o-1", "paid", "True", "False"),)
    verdict = replace(RIGHT, lost=1, mismatches=1, wrong=wrong)
    text = summary_text(summarise(FED, TALLY, verdict), verdict)
    assert "100 operations to 40 records" in text
    assert "lost 1, mismatches 1: THE ROWS ARE NOT RIGHT" in text
    assert "wrong: orders 'o-1' field 'paid': True is False" in text
    text = summary_text(summarise(FED, TALLY, RIGHT), RIGHT)
    assert "lost 0, mismatches 0: every row is right" in text
