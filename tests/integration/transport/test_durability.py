"""What a real Redis tells about its settings."""

from __future__ import annotations

import pytest
from redis import Redis

from syncpipe.errors import BrokerUnavailable, ConfigError
from syncpipe.system import SystemClock
from syncpipe.transport import durability


def test_the_settings_that_decide_what_survives_are_told(redis_url):
    assert durability(redis_url, clock=SystemClock()) == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }


def test_a_redis_that_does_not_let_us_ask_tells_nothing(redis, redis_url):
    with Redis(unix_socket_path=redis.socket) as client:
        client.execute_command("ACL", "SETUSER", "default", "-config")
        try:
            assert durability(redis_url, clock=SystemClock()) == {}
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+config")


def test_a_redis_that_is_away_is_an_error():
    with pytest.raises(BrokerUnavailable):
        durability("redis+socket:///nowhere.sock", clock=SystemClock())


def test_a_broker_of_another_kind_is_refused():
    with pytest.raises(ConfigError):
        durability("kafka://localhost", clock=SystemClock())
