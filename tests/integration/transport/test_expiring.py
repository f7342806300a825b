"""Queues that expire, such as those of remote control."""

from __future__ import annotations

import logging

from kombu import Consumer, Exchange, Queue


def test_a_full_redis_keeps_them_waiting_and_says_so_once(side, server, caplog):
    ours = side()
    box = Queue("box", Exchange("boxes"), routing_key="box", expires=10)
    Consumer(ours.channel, [box]).consume()
    ours.channel.maybe_refresh_binding_expiry()
    server.config_set("maxmemory", 1)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ours.channel._binding_expiry_refreshed_at = float("-inf")
            ours.connection.transport.cycle.maybe_refresh_binding_expiry()

    (line,) = (record for record in caplog.records if record.name.startswith("syncpipe"))
    assert "Redis refuses writes" in line.getMessage()
    assert line.exc_info is None
