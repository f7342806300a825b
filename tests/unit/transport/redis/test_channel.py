"""Queues and their lists; what needs a server stands with the integration tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from syncpipe.transport.redis.channel import Channel
from syncpipe.transport.redis.claims import Claimed


@pytest.fixture
def channel():
    unconnected = Channel.__new__(Channel)
    unconnected.global_keyprefix = "app:"
    return unconnected


def test_an_ordinary_queue_has_a_list_for_every_step(channel):
    assert channel._lists("orders") == [
        ("app:orders", 0),
        ("app:orders\x06\x163", 1),
        ("app:orders\x06\x166", 2),
        ("app:orders\x06\x169", 3),
    ]


def test_one_of_our_queues_has_one_list_as_urgent_as_its_name(channel):
    assert channel._lists("sp.crm.0.low") == [("app:sp.crm.0.low", 3)]


@pytest.mark.parametrize("queue", ["orders", "sp.crm.0.low"])
def test_every_list_leads_back_to_its_queue(channel, queue):
    for name, _ in channel._lists(queue):
        assert channel._queue_of(Claimed("tag", name, b"")) == queue


def test_hundreds_of_queues_that_come_are_put_in_order_once(channel, monkeypatch):
    queues = [f"sp.crm.{shard}.low" for shard in range(300)]
    looks = []
    monkeypatch.setattr(Channel, "active_queues", queues)
    monkeypatch.setattr(channel, "_lists", lambda queue: looks.append(queue) or [(queue, 3)])
    for _ in queues:
        channel._update_queue_cycle()

    assert channel._turns().lists == queues
    assert channel._turns() is channel._turns()
    assert looks == queues


@pytest.mark.parametrize(
    ("connection", "abandoned"),
    [(None, True), (SimpleNamespace(client=None), True), (SimpleNamespace(client=1), False)],
)
def test_a_channel_without_a_connection_is_abandoned(channel, connection, abandoned):
    channel.connection = connection

    assert channel.abandoned is abandoned
