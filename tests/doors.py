"""The client for event loops behind the door of the other, so that one test can try both."""

from __future__ import annotations

import asyncio
import functools
import threading
from contextlib import contextmanager


class LoopDoor:
    """An `AsyncClient` in an event loop of its own, called from outside."""

    def __init__(self, client, loop):
        self._client = client
        self._loop = loop

    def __getattr__(self, verb):
        return functools.partial(self._call, verb)

    def _call(self, verb, *arguments, **options):
        call = getattr(self._client, verb)(*arguments, **options)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


@contextmanager
def running_loop():
    """Run an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
