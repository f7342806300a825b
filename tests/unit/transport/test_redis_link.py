"""Addresses of a Redis, and what it answers; what needs a real one is an integration test."""

from __future__ import annotations

import socketserver
import threading

import hiredis
import pytest

from syncpipe.errors import ConfigError
from syncpipe.system import SystemClock
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


def test_a_connection_that_answers_more_than_was_asked_is_used_no_more(tmp_path):
    """Its next reply would be taken for that to the next command."""
    path = str(tmp_path / "redis")
    with socketserver.ThreadingUnixStreamServer(path, _Talkative) as server:
        server.block_on_close = False  # connections stay open
        threading.Thread(target=server.serve_forever, daemon=True).start()
        link = RedisLink(f"redis+socket://{path}", clock=SystemClock())
        try:
            assert [link.ask("ECHO", text) for text in ("a", "b")] == [b"a", b"b"]
        finally:
            server.shutdown()


class _Talkative(socketserver.BaseRequestHandler):
    """Answers ECHO twice."""

    def handle(self):
        asked = hiredis.Reader()
        while data := self.request.recv(65536):
            asked.feed(data)
            while command := asked.gets():
                text = command[-1]
                answer = b"$%d\r\n%s\r\n" % (len(text), text)
                self.request.sendall(answer * (2 if command[0] == b"ECHO" else 1))
