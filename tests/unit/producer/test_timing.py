"""When an operation is due, and when it expires."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from syncpipe.core.codec import decode_all
from syncpipe.core.version import at_milliseconds, milliseconds
from syncpipe.errors import InvalidOperation, InvalidVersion
from syncpipe.producer.draft import Draft
from syncpipe.producer.intake import Intake
from syncpipe.producer.stamps import Stamper
from syncpipe.producer.timing import Timing, timing_of
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom
from tests.unit.producer.parts import COLLECTIONS

START = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)
HOUR = dt.timedelta(hours=1)
GROUP = uuid.UUID("0199aaaa-0000-7000-8000-000000000000")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def accept(clock):
    intake = Intake(COLLECTIONS, 8, Stamper(clock, SeededRandom()))

    def accept(collection="orders", key="o-1", **choices):
        accepted = intake.accept(Draft(collection, key, {"a": 1}, **choices))
        ((operation, _),) = decode_all(accepted.data)
        assert operation.version == accepted.version
        return operation

    return accept


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [(2, 2_000), (0.25, 250), (1.1, 1_100), (0.0001, 1), (HOUR, 3_600_000), (0, 0), (0.0, 0)],
)
def test_delays_are_seconds_or_timedeltas_rounded_up(given, milliseconds):
    due_ms = START_MS + milliseconds if milliseconds else 0
    assert timing_of(Draft("c", "k", delay=given), START_MS) == Timing(due_ms, 0)


def test_a_microsecond_of_a_timedelta_counts():
    draft = Draft("c", "k", delay=dt.timedelta(seconds=1, microseconds=1))
    assert timing_of(draft, START_MS).due_ms == START_MS + 1_001


def test_a_moment_counts_whatever_its_zone():
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    draft = Draft("c", "k", not_before=(START + HOUR).astimezone(zone))
    assert timing_of(draft, START_MS).due_ms == START_MS + 3_600_000


@pytest.mark.parametrize("moment", [START, START - HOUR, dt.datetime.min.replace(tzinfo=dt.UTC)])
def test_what_is_due_already_is_not_delayed(moment):
    assert timing_of(Draft("c", "k", not_before=moment), START_MS) == Timing()


def test_what_expires_does_so_counted_from_the_call():
    assert timing_of(Draft("c", "k", expires_in=2.5), START_MS) == Timing(0, START_MS + 2_500)
    both = Draft("c", "k", delay=60, expires_in=HOUR)
    assert timing_of(both, START_MS) == Timing(START_MS + 60_000, START_MS + 3_600_000)


YEAR_AND_MORE = dt.timedelta(days=366, seconds=1)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"delay": 1, "not_before": START + HOUR}, "not both"),
        ({"delay": -1}, "between 0 and 366 days"),
        ({"delay": -0.5}, "between 0 and 366 days"),
        ({"delay": -HOUR}, "between 0 and 366 days"),
        ({"delay": float("nan")}, "seconds, an int or finite float"),
        ({"delay": float("inf")}, "seconds, an int or finite float"),
        ({"delay": True}, "seconds, an int or finite float"),
        ({"delay": "5"}, "seconds, an int or finite float"),
        ({"delay": Decimal(5)}, "seconds, an int or finite float"),
        ({"delay": 1e300}, "between 0 and 366 days"),
        ({"delay": 10**400}, "between 0 and 366 days"),
        ({"delay": YEAR_AND_MORE}, "between 0 and 366 days"),
        ({"delay": dt.timedelta.max}, "between 0 and 366 days"),
        ({"not_before": dt.datetime(2030, 1, 1)}, r"no time zone.*aware datetime"),  # noqa: DTZ001
        ({"not_before": START.date()}, "aware datetime"),
        ({"not_before": START_MS}, "aware datetime"),
        ({"not_before": START + YEAR_AND_MORE}, "366 days ahead"),
        ({"not_before": dt.datetime.max.replace(tzinfo=dt.UTC)}, "366 days ahead"),
        ({"expires_in": 0}, "expires_in=0"),
        ({"expires_in": -1}, "between 0 and 366 days"),
        ({"expires_in": "1h"}, "expires_in= takes seconds"),
        ({"expires_in": 60, "delay": 60}, "longer than its delay"),
        ({"expires_in": 60, "not_before": START + HOUR}, "longer than its delay"),
        ({"group_id": "mine"}, "group_id 'mine' is not a UUID"),
        ({"group_id": 7}, "group_id 7 is not a UUID"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_says_what_to_give(accept, choices, says):
    with pytest.raises(InvalidOperation, match=says):
        accept(**choices)


def test_the_due_time_is_the_version(accept):
    operation = accept(delay=90)
    assert operation.not_before_ms == START_MS + 90_000
    assert operation.version == at_milliseconds(START_MS + 90_000)


def test_what_is_due_at_the_same_time_keeps_the_order_of_the_calls(accept, clock):
    moment = START + HOUR
    versions = [accept(not_before=moment).version]
    clock.advance(10)
    versions += [accept(not_before=moment).version, accept(delay=HOUR).version]
    assert versions[:2] == sorted(set(versions[:2]))
    assert milliseconds(versions[1]) == START_MS + 3_600_000
    assert milliseconds(versions[2]) == START_MS + 3_610_000


def test_later_operations_that_are_not_delayed_get_no_version_of_the_future(accept):
    accept(delay=HOUR)
    assert milliseconds(accept().version) == START_MS


def test_what_it_builds_on_may_be_delayed_itself(accept):
    first = accept(delay=60)
    second = accept(delay=60, after=first.version)
    third = accept(delay=30, after=first.version)
    assert second.version > first.version
    assert third.version > first.version
    assert third.not_before_ms == START_MS + 30_000


@pytest.mark.parametrize("ahead_s", [90, 3600])
def test_what_it_builds_on_may_not_lie_too_far_ahead_of_the_due_time(accept, ahead_s):
    with pytest.raises(InvalidVersion, match="ahead of the due time"):
        accept(delay=30, after=at_milliseconds(START_MS + ahead_s * 1000))


@pytest.mark.parametrize("choices", [{"delay": 90}, {"not_before": START + 3 * HOUR}])
def test_what_is_sent_again_has_the_same_due_time_and_version(accept, clock, choices):
    first = accept(**choices)
    clock.advance(20)
    again = accept(**choices, id=first.uuid, version=first.version)
    assert again == first


def test_what_is_sent_again_cannot_be_due_at_another_time(accept):
    first = accept(not_before=START + HOUR)
    with pytest.raises(InvalidVersion, match="the first time"):
        accept(not_before=START + 2 * HOUR, id=first.uuid, version=first.version)


def test_versions_of_the_source_stay_what_they_are(accept):
    operation = accept("prices", "p", version=7, delay=60)
    assert (operation.version, operation.not_before_ms) == (7, START_MS + 60_000)


def test_a_group_is_carried(accept):
    assert accept(group_id=GROUP).group_id == GROUP.bytes
    assert accept(group_id=str(GROUP)).group_id == GROUP.bytes
    assert accept().group_id is None
