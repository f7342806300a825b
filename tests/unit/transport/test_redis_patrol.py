"""How long a rescue watches; what it moves stands with the integration tests."""

from __future__ import annotations

import pytest

from syncpipe.errors import BrokerUnavailable
from syncpipe.testing.clock import FakeClock
from syncpipe.transport import redis_patrol
from syncpipe.transport.redis_keys import Keys
from syncpipe.transport.redis_patrol import Returned, patrol, rescue


def test_a_patrol_names_the_keys_it_may_touch():
    asked = []

    def run(*arguments):
        asked.append(arguments)
        return [0, b"dead", 3, 1]

    returned = patrol(run, Keys("p:"), lifetime_ms=500, incarnation="me")

    assert returned == Returned("dead", count=3, left=1, watching_ms=0)
    assert asked == [
        (
            "patrol",
            ["p:syncpipe:incarnations", "p:syncpipe:watch"],
            "me",
            500,
            "p:syncpipe:unacked:",
            "p:syncpipe:bell:",
            1000,
        )
    ]


def test_a_rescue_returns_everything_once_each_has_spoken_or_is_dead(monkeypatch):
    answers = iter(
        [
            Returned("", 0, 0, watching_ms=1500),
            Returned("", 0, 0, watching_ms=500),
            Returned("a", 1000, 7, watching_ms=0),
            Returned("a", 7, 0, watching_ms=0),
            Returned("b", 0, 0, watching_ms=0),
            Returned("", 0, 0, watching_ms=0),
            Returned("c", 2, 0, watching_ms=0),
            Returned("", 0, 0, watching_ms=0),
        ]
    )
    everybody = {("a", 1), ("b", 1), ("c", 9), ("living", 5)}
    lives = iter([everybody, everybody, everybody, {("c", 9), ("living", 6)}, {("living", 7)}])
    monkeypatch.setattr(redis_patrol, "patrol", lambda *_: next(answers))
    monkeypatch.setattr(redis_patrol, "_lives", lambda *_: next(lives))
    pauses = []

    assert rescue("redis://nowhere", clock=FakeClock(), pause=pauses.append) == 1009
    assert pauses == [1.0, 0.5, 1.0]


def test_a_rescue_without_a_broker_is_an_error():
    with pytest.raises(BrokerUnavailable):
        rescue("redis+socket:///nowhere/redis.sock", clock=FakeClock())
