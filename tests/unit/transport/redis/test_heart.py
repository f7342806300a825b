"""When a heart beats, and when it stops."""

from __future__ import annotations

import gc
import threading

from syncpipe.transport.redis.heart import Heart


class Owner:
    """Beats until it has had enough."""

    def __init__(self, beats):
        self.left = beats
        self.done = threading.Event()

    def beat(self):
        self.left -= 1
        if self.left <= 0:
            self.done.set()
        return self.left > 0


def _hearts():
    return [thread for thread in threading.enumerate() if thread.name == "syncpipe-heart"]


def _gone(before, within=60):
    for thread in set(_hearts()) - set(before):
        thread.join(within)
    return set(_hearts()) <= set(before)


def test_it_beats_until_its_owner_says_so():
    before = _hearts()
    owner = Owner(beats=3)

    Heart(owner, every_s=0)

    assert owner.done.wait(60)
    assert _gone(before)
    assert owner.left == 0


def test_it_stops_when_told():
    before = _hearts()
    owner = Owner(beats=10**9)

    Heart(owner, every_s=60).stop()

    assert _gone(before)
    assert owner.left == 10**9


def test_it_does_not_keep_its_owner_alive():
    before = _hearts()
    owner = Owner(beats=10**9)
    Heart(owner, every_s=0)

    del owner
    gc.collect()

    assert _gone(before)
