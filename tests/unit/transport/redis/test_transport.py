"""What importing the transport changes in kombu."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kombu import Connection
from kombu.transport import resolve_transport

from syncpipe.transport.redis import Transport
from syncpipe.transport.redis.channel import Channel
from syncpipe.transport.redis.qos import QoS
from syncpipe.transport.redis.transport import Poller


@pytest.mark.parametrize("alias", ["redis", "rediss", "syncpipe.transport.redis:Transport"])
def test_it_is_known_under_its_names(alias):
    assert resolve_transport(alias) is Transport


def test_a_socket_url_leads_to_it():
    with Connection("redis+socket:///nowhere/redis.sock") as connection:
        assert isinstance(connection.transport, Transport)


def test_it_makes_claiming_channels():
    assert Transport.Channel is Channel
    assert Channel.QoS is QoS


def test_acknowledgements_cannot_be_turned_off():
    assert "ack_emulation" not in Channel.from_transport_options
    assert {"liveness_s", "claim_limit", "socket_timeout"} <= set(Channel.from_transport_options)


def test_only_a_loop_can_wake_the_poller():
    poller, timers = Poller(), []
    assert not poller.wake_after(0.5)

    poller.loop = SimpleNamespace(call_later=lambda seconds, _: timers.append(seconds))

    assert poller.wake_after(0.5)
    assert timers == [0.5]
