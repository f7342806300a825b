from __future__ import annotations

from pathlib import Path

from kombu import Connection

from syncpipe.embedded import redis


def test_kombu_finds_the_socket_in_the_address():
    address = redis.url(Path("/tmp/a b"))
    assert address == "redis+socket:///tmp/a%20b/redis.sock"
    assert Connection(address).as_uri() == "redis+socket:///tmp/a b/redis.sock"
