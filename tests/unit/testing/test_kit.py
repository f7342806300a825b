"""What a service's tests can do without servers."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from syncpipe.core.collection import Collection, KeyType
from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetUnavailable,
    UnknownCollection,
    UnknownTarget,
)
from syncpipe.testing.kit import Harness
from syncpipe.transport.broker import Outbound

ORDERS = Collection("orders", ("crm",))
PEOPLE = Collection("people", ("crm", "search"), key_types=(KeyType.INT,))


@pytest.fixture
def harness():
    with Harness(ORDERS, PEOPLE) as made:
        yield made


def test_what_was_sent_can_be_asserted_by_any_of_its_parts(harness):
    receipt = harness.client.upsert("orders", "o-1", {"total": 12, "paid": False})

    found = harness.assert_enqueued(
        collection="orders", key="o-1", kind="upsert", data__contains={"total": 12}
    )
    assert found.uuid == receipt.id
    harness.assert_enqueued(data={"total": 12, "paid": False})
    harness.refute_enqueued(data__contains={"total": 13})
    harness.refute_enqueued(collection="orders", key="o-2")
    harness.refute_enqueued(kind="delete")
    harness.refute_enqueued(data={"total": 12})


def test_times_and_group_can_be_asserted_as_the_call_said_them(harness):
    start = dt.datetime.fromtimestamp(harness.clock.now_ms() / 1000, dt.UTC)
    group = uuid.uuid4()
    harness.client.upsert("orders", "o-1", {}, delay=90, expires_in=3600.5, group_id=group)
    harness.client.upsert("orders", "o-2", {})
    hour = dt.timedelta(hours=1)
    harness.client.upsert("orders", "o-3", {}, not_before=start + hour)

    harness.assert_enqueued(key="o-1", collection="orders", delay=90, expires_in=3600.5)
    harness.assert_enqueued(group_id=str(group), not_before=start + dt.timedelta(seconds=90))
    assert harness.assert_enqueued(delay=None, expires_in=None, group_id=None).key == "o-2"
    assert harness.assert_enqueued(delay=hour).key == "o-3"
    harness.refute_enqueued(delay=60)
    harness.refute_enqueued(group_id=uuid.uuid4())


def test_an_assertion_that_fails_lists_what_waits(harness):
    harness.client.upsert("orders", "o-1", {"total": 12})

    with pytest.raises(AssertionError, match=r"upsert orders o-1 \{'total': 12\}"):
        harness.assert_enqueued(collection="orders", key="o-2")
    with pytest.raises(AssertionError, match=r"upsert orders o-1 \{'total': 12\}"):
        harness.refute_enqueued(key="o-1", collection="orders")


def test_nothing_enqueued_is_said_so(harness):
    with pytest.raises(AssertionError, match="Nothing is enqueued"):
        harness.assert_enqueued(collection="orders")


def test_a_criterion_that_does_not_exist_is_refused(harness):
    harness.client.upsert("orders", "o-1", {})

    with pytest.raises(TypeError, match="colour"):
        harness.assert_enqueued(colour="red")


def test_draining_applies_everything_to_every_target(harness):
    harness.client.upsert("people", 7, {"name": "Ada"})
    harness.client.increment("people", 7, {"visits": 2})
    summary = harness.drain()

    assert (summary[Outcome.APPLIED], summary[Outcome.MERGED], summary.waiting) == (2, 2, 0)
    for target in ("crm", "search"):
        assert harness.record("people", 7, target=target) == {"name": "Ada", "visits": 2}
    assert harness.enqueued() == []
    assert harness.drain().counts == {}


def test_a_later_version_wins_as_time_passes(harness):
    old = harness.client.upsert("orders", "o-1", {"n": 1})
    harness.clock.advance(60)
    new = harness.client.upsert("orders", "o-1", {"n": 2})
    harness.drain()

    assert new.version - old.version >= 60_000 << 16
    assert harness.record("orders", "o-1") == {"n": 2}


def test_what_a_target_refuses_for_now_is_tried_again_when_the_clock_advances(harness):
    harness.fail("crm", RefusedForNow("Its parent is missing."))
    harness.client.upsert("orders", "o-1", {"n": 1})

    first = harness.drain()
    assert (first[Outcome.RETRYING], first.waiting) == (1, 1)
    assert harness.drain().counts == {}
    harness.clock.advance(60)
    assert harness.drain()[Outcome.APPLIED] == 1
    assert harness.record("orders", "o-1") == {"n": 1}


def test_an_outage_leaves_everything_waiting(harness):
    harness.fail("crm", TargetUnavailable("Down."), times=1)
    harness.client.upsert("orders", "o-1", {"n": 1})

    assert harness.drain().waiting == 1
    assert harness.dead_letters == []
    harness.clock.advance(120)
    assert harness.drain().waiting == 0
    assert harness.record("orders", "o-1") == {"n": 1}


def test_one_bad_record_becomes_a_dead_letter_and_the_others_go_through(harness):
    harness.fail("crm", Refused("No such country."), times=None, collection="orders", key="bad")
    receipt = harness.client.upsert("orders", "bad", {})
    harness.client.upsert("orders", "good", {})
    summary = harness.drain()

    assert (summary[Outcome.DEAD], summary[Outcome.APPLIED]) == (1, 1)
    (letter,) = harness.dead_letters
    assert (letter.operation_id, letter.key, letter.code) == (receipt.id, "bad", Refused.code)
    assert harness.record("orders", "bad") is None
    assert harness.record("orders", "good") == {}


def test_garbage_in_a_queue_becomes_a_dead_letter(harness):
    garbage = Outbound("sp.crm.0.low", b"garbage", "some id", "syncpipe.apply")
    harness.broker.publish([garbage], timeout_s=1)

    assert harness.drain()[Outcome.DEAD] == 1
    assert harness.dead_letters[0].raw == b"garbage"


def test_a_name_that_was_not_declared_is_refused(harness):
    with pytest.raises(UnknownCollection):
        harness.record("nowhere", "k")
    with pytest.raises(UnknownTarget):
        harness.fail("nowhere", Refused("No."))
    with pytest.raises(UnknownTarget):
        harness.record("orders", "o", target="nowhere")


def test_two_harnesses_know_nothing_of_each_other(harness):
    with Harness(ORDERS) as other:
        other.client.upsert("orders", "o-1", {})
        other.assert_enqueued(key="o-1")

    harness.refute_enqueued(key="o-1")


@pytest.fixture
def shop():
    """A harness whose collections are compensated."""
    with Harness(
        Collection("orders", ("crm", "search"), compensation="delete"),
        Collection("stock", ("crm",), compensation="negate"),
    ) as made:
        yield made


def test_a_group_of_which_one_member_ends_dead_is_undone(shop):
    group = uuid.uuid4()
    shop.client.increment("stock", "s-1", {"left": 10})
    shop.client.increment("stock", "s-1", {"left": -3}, group_id=group)
    shop.client.upsert("orders", "o-1", {"total": 12}, group_id=group)
    shop.client.upsert("orders", "o-2", {"total": -1}, group_id=group)
    shop.fail("search", Refused("positive"), times=None, collection="orders", key="o-2")
    shop.drain()
    assert shop.record("stock", "s-1") == {"left": 10}
    assert [shop.record("orders", "o-1", target=name) for name in ("crm", "search")] == [None, None]
    counts = shop.store.groups.counts(group.bytes)
    assert (counts.applied, counts.compensated) == (4, 4)

    shop.client.upsert("orders", "o-3", {"total": 1}, group_id=group)
    assert shop.drain()[Outcome.DEAD] == 2
    assert [letter.code for letter in shop.dead_letters] == ["SP-E511", "SP-E517", "SP-E517"]


def test_a_group_without_a_dead_member_stays(shop):
    group = uuid.uuid4()
    shop.client.upsert("orders", "o-1", {"total": 12}, group_id=group)
    shop.drain()
    assert shop.record("orders", "o-1") == {"total": 12}
    assert shop.store.groups.death(group.bytes) is None
