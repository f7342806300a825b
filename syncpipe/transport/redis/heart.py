"""A thread that beats for as long as its owner is there."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol


class Beating(Protocol):
    """Something that must give a sign of life at regular intervals."""

    def beat(self) -> bool:
        """Give it; return whether to go on."""
        ...


class Heart:
    """Calls its owner's ``beat`` every so often, from a thread of its own.

    A thread, because a task that blocks the event loop must not make its process look dead, while
    a stopped or killed process must. It ends with :meth:`stop`, with the owner, or when ``beat``
    says so.
    """

    def __init__(self, owner: Beating, *, every_s: float) -> None:
        """Start beating for *owner* every *every_s* seconds."""
        self._stopped = threading.Event()
        args = (weakref.ref(owner), self._stopped, every_s)
        threading.Thread(target=_run, args=args, name="syncpipe-heart", daemon=True).start()

    def stop(self) -> None:
        """Beat no more; a beat under way is not waited for. Idempotent."""
        self._stopped.set()


def _run(owner: weakref.ref[Beating], stopped: threading.Event, every_s: float) -> None:
    """Beat until there is no reason to."""
    while not stopped.wait(every_s):
        alive = owner()
        if alive is None or not alive.beat():
            return
        del alive
