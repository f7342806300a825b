from __future__ import annotations

import msgpack
import pytest

from syncpipe.core.envelope import MAX_BODY_BYTES
from syncpipe.errors import NotAnEnvelope
from tests.unit.pipeline.envelopes import body, operation
from tests.unit.workers.deliveries import Delivery, delivery
from workers.held import hold

LANE = "sp.crm.0.normal"


def claiming(size):
    """An envelope whose header claims that it unpacks to so many bytes."""
    content = body(operation())
    end = 26 + int.from_bytes(content[24:26], "big")
    header = msgpack.unpackb(content[26:end])
    header[7] = size
    packed = msgpack.packb(header)
    return content[:24] + len(packed).to_bytes(2, "big") + packed + content[end:]


def test_a_message_is_sorted_by_its_queue_and_sized_by_its_header():
    content = body(operation("a"), operation("b"))
    held = hold(Delivery(content), queue="sp.erp.0.high", since=5.0)
    assert (held.target, held.degree, held.operations, held.since) == ("erp", 1, 2, 5.0)
    assert (held.message.queue, held.message.body) == ("sp.erp.0.high", content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        None,
        "text",
        b"garbage",
        b"SPE\x01",
        b"SPE" + b"\xff" * 40,
        body(operation(), count=0),
        body(operation(), count=1_000_000),
    ],
)
def test_whatever_cannot_be_read_counts_as_one_operation(content):
    assert hold(Delivery(content), queue=LANE, since=0).operations == 1


def test_a_message_has_the_size_of_what_it_unpacks_to():
    content = body(operation(data={"text": "x" * 10_000}))
    assert len(content) < 1000
    assert 10_000 < hold(Delivery(content), queue=LANE, since=0).size < 10_100


@pytest.mark.parametrize("claim", [0, 1, MAX_BODY_BYTES + 1, 10**15])
def test_a_message_has_at_least_the_size_that_it_came_in_whatever_it_claims(claim):
    content = claiming(claim)
    assert hold(Delivery(content), queue=LANE, since=0).size == len(content)


@pytest.mark.parametrize(("content", "size"), [(b"", 1), (None, 1), (b"garbage", 7)])
def test_what_cannot_be_read_has_the_size_that_it_came_in(content, size):
    assert hold(Delivery(content), queue=LANE, since=0).size == size


def test_what_came_through_no_lane_has_no_target():
    assert hold(Delivery(b""), queue="celery", since=0).target is None


def test_a_message_without_id_goes_by_its_tag():
    each = Delivery(b"", headers={})
    assert hold(each, queue=LANE, since=0).message.id == each.delivery_tag


def test_a_retried_message_has_one_more_attempt_and_keeps_its_fault():
    fault = NotAnEnvelope("no")
    held = hold(delivery(operation()), queue=LANE, since=0, fault=fault).retried().retried()
    assert held.message.attempts == 2
    assert held.message.fault is fault
