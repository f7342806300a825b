"""Which of kombu's wishes reach the claims."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from syncpipe.transport.redis.qos import QoS

OURS, FOREIGN = "incarnation:1:orders", "7b2c-made-by-kombu"


class Claims:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def owns(self, tag):
        return tag == OURS

    def ack(self, tag):
        self.told.append(("ack", tag))

    def flush(self):
        self.told.append("flush")

    def reject(self, tags, *, far):
        self.told.append(("reject", list(tags), far))


@pytest.fixture
def qos():
    made = QoS(SimpleNamespace(claims=Claims(), closed=False, do_restore=False), 2)
    for tag in (OURS, FOREIGN):
        made.append(object(), tag)
    return made


def test_a_delivered_message_takes_credit_until_it_is_acknowledged(qos):
    assert not qos.can_consume()

    qos.ack(OURS)

    assert qos.can_consume()
    assert qos.channel.claims.told == [("ack", OURS)]


def test_a_requeued_message_goes_to_the_far_end(qos):
    qos.reject(OURS, requeue=True)

    assert qos.can_consume()
    assert qos.channel.claims.told == [("reject", [OURS], True)]


def test_a_refused_message_is_acknowledged(qos):
    qos.reject(OURS)

    assert qos.channel.claims.told == [("ack", OURS)]


@pytest.mark.parametrize("requeue", [True, False])
def test_what_was_not_claimed_is_only_counted(qos, requeue):
    qos.reject(FOREIGN, requeue=requeue)

    assert qos.can_consume()
    assert qos.channel.claims.told == []


def test_what_is_left_goes_back_to_where_it_was(qos):
    qos.restore_unacked()

    assert qos.channel.claims.told == [("reject", [OURS], False)]
    assert qos.can_consume()


def test_after_closing_an_acknowledgement_waits_for_nobody(qos):
    qos.channel.closed = True

    qos.ack(OURS)

    assert qos.channel.claims.told == [("ack", OURS), "flush"]
