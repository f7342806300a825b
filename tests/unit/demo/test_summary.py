from __future__ import annotations

from dataclasses import replace

from syncpipe.demo.feed import Fed
from syncpipe.demo.oracle import Example, Oracle, Verdict
from syncpipe.demo.summary import summarise, summary_text
from syncpipe.demo.tally import Tally

FED = Fed(operations=100, poisoned=0, first_ms=1_000, oracle=Oracle())
TALLY = Tally(
    {"applied": 60, "merged": 20, "superseded": 15, "duplicate": 7, "dead": 9},
    {5: 95},
    last_commit_ms=3_000,
)
RIGHT = Verdict(records=40, lost=0, mismatches=0, wrong=(), missing=(), extra=())


def summary(tally=TALLY, verdict=RIGHT, *, fed=FED, dead=0, outage_s=0.0):
    return summarise(fed, tally, verdict, dead=dead, outage_s=outage_s)


def test_the_object_has_exactly_these_members_in_this_order():
    assert summary(dead=3).as_dict() == {
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
        "poisoned": 0,
        "outage_s": 0.0,
    }
    assert list(summary().as_dict())[:2] == ["sent", "deliveries"]


def test_what_is_retried_is_no_outcome_yet():
    tally = replace(TALLY, outcomes={"applied": 1, "retrying": 50})
    assert summary(tally).deliveries == 1


def test_what_the_workers_count_does_not_decide_whether_it_is_right():
    assert summary(replace(TALLY, outcomes={})).ok
    assert not summary(verdict=replace(RIGHT, lost=1)).ok
    assert not summary(verdict=replace(RIGHT, mismatches=1)).ok


def test_a_run_of_no_time_still_has_a_rate():
    assert summary(replace(TALLY, last_commit_ms=1_000)).ops_per_s == 100_000.0


def test_people_see_the_numbers_and_what_is_not_right():
    wrong = (Example("orders", "o-1", "paid", "True", "False"),)
    verdict = replace(RIGHT, lost=1, mismatches=1, wrong=wrong)
    text = summary_text(summary(verdict=verdict), verdict)
    assert "100 operations to 40 records" in text
    assert "lost 1, mismatches 1: THE ROWS ARE NOT RIGHT" in text
    assert "wrong: orders 'o-1' field 'paid': True is False" in text
    text = summary_text(summary(), RIGHT)
    assert "lost 0, mismatches 0: every row is right" in text


def test_as_many_have_to_be_dead_as_were_poisoned():
    fed = replace(FED, poisoned=2)
    assert summary(fed=fed, dead=2).ok
    assert not summary(fed=fed, dead=1).ok
    assert not summary(dead=1).ok
    text = summary_text(summary(fed=fed, dead=2, outage_s=1.5), RIGHT)
    assert "2 operations had to be refused: these are dead letters, and no others" in text
    assert "stopped for 1.5 s" in text
    assert "THERE ARE 1 DEAD LETTERS" in summary_text(summary(fed=fed, dead=1), RIGHT)


def test_without_poison_and_outage_nobody_hears_of_them():
    text = summary_text(summary(), RIGHT)
    assert "poison" not in text
    assert "outage" not in text
