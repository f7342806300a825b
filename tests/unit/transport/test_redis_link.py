"""Addresses of a Redis; what needs a server stands with the integration tests."""

from __future__ import annotations

import pytest

from syncpipe.errors import ConfigError
from syncpipe.transport.redis_link import RedisLink, _native, said


@pytest.mark.parametrize(
    ("url", "native"),
    [
        ("redis://host:1/2", "redis://host:1/2"),
        ("rediss://host", "rediss://host"),
        ("redis+socket:///run/r.sock", "unix:///run/r.sock"),
        ("redis+socket:///run/r.sock?virtual_host=3", "unix:///run/r.sock?db=3"),
    ],
)
def test_celerys_address_is_told_to_redis_py_in_its_own_way(url, native):
    assert _native(url) == native


@pytest.mark.parametrize(
    "url",
    ["redis://host:not-a-port", "redis://host?patience=7", "rediss://host?ssl_cert_reqs=maybe"],
)
def test_an_address_that_cannot_be_used_is_refused(url):
    with pytest.raises(ConfigError, match=r"The broker URL cannot be used: .+\."):
        RedisLink(url, clock=None)


@pytest.mark.parametrize(
    ("error", "end"),
    [(OSError("away"), "away."), (OSError("away. "), "away."), (TimeoutError(), "TimeoutError.")],
)
def test_what_redis_said_ends_a_sentence(error, end):
    assert said(error) == end
