from __future__ import annotations

import pytest
from redis import Redis

from syncpipe.embedded import redis as embedded
from syncpipe.errors import EmbeddedError


def program(folder, text: str):
    path = folder / "redis-server"
    path.write_text(f"#!/bin/sh\necho '{text}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def unbundled(monkeypatch, tmp_path):
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_the_bundled_server_is_recent_enough():
    assert embedded.server_version(embedded.server_program()) >= (6, 2)


def test_it_keeps_everything_and_evicts_nothing(redis):
    with Redis(unix_socket_path=redis.socket, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("port") == {"port": "0"}


def test_without_a_bundle_the_one_on_path_is_used(unbundled):
    path = program(unbundled, "Redis server v=7.2.4 sha=00000000:0 malloc=libc bits=64")
    assert embedded.server_program() == path


def test_one_on_path_that_is_too_old_is_refused(unbundled):
    program(unbundled, "Redis server v=6.0.16 sha=00000000:0")
    with pytest.raises(EmbeddedError, match="too old"):
        embedded.server_program()


def test_one_on_path_that_is_something_else_is_refused(unbundled):
    program(unbundled, "hello")
    with pytest.raises(EmbeddedError, match="Redis server"):
        embedded.server_program()


@pytest.mark.usefixtures("unbundled")
def test_where_there_is_none_the_error_says_what_to_install():
    with pytest.raises(EmbeddedError, match="apt install redis-server"):
        embedded.server_program()
