"""Whose turn it is to send.

One thread at a time has the turn: one that flushes, because waking another would cost more than
sending, or else a thread of our own. That starts when something is due that nobody sends, and ends
when there was nothing to do for a while, so that a forgotten client costs nothing.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from syncpipe.producer.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.chance import Clock

#: Seconds without work after which the thread ends.
_IDLE_S = 5.0
#: Seconds for which `Turn.stop` waits for a thread that has nothing left to do.
_STOP_S = 5.0


class Turn:
    """The turn of one sender. Everything but `stop` needs its lock held."""

    def __init__(
        self,
        lock: threading.RLock,
        *,
        clock: Clock,
        linger_s: float,
        due_at: Callable[[], float | None],
        send: Callable[[], None],
    ) -> None:
        """Let our thread *send* what is due at *due_at*, which tells None when nothing waits.

        *send* is called without *lock*, and ends the turn. What is used is due *linger_s* later.
        """
        #: Our thread, None while there is none.
        self.thread: threading.Thread | None = None
        #: Whether our thread is to end once nothing is due.
        self.closing = False
        #: Notified when something is due earlier than our thread thinks.
        self._work = Condition(lock)
        self._clock = clock
        self._linger_s = linger_s
        self._due_at = due_at
        self._send = send
        self._holder: threading.Thread | None = None
        #: When our thread looks by itself; while it does not wait, it has yet to look.
        self._looks_at = math.inf
        self._used = False

    @property
    def mine(self) -> bool:
        """Whether the calling thread has the turn."""
        return self._holder is threading.current_thread()

    @property
    def ours(self) -> bool:
        """Whether the calling thread has the turn, or is the one that waits for it."""
        return threading.current_thread() in (self._holder, self.thread)

    def take(self) -> bool:
        """Take the turn if something is due and nobody has it."""
        due_at = None if self._holder else self._due_at()
        if due_at is None or due_at > self._clock.monotonic():
            return False
        self._holder = threading.current_thread()
        return True

    def end(self) -> None:
        """Let another have the turn, if it is the calling thread's."""
        if self.mine:
            self._holder = None
            self.rouse()

    def use(self) -> None:
        """Note that something waits that did not."""
        self._used = True
        self.rouse()

    def rouse(self) -> None:
        """Have our thread look if something is due earlier than it thinks; start it if need be.

        Whoever has the turn does so in the end.
        """
        due_at = None if self._holder else self._due_at()
        if due_at is None:
            return
        if self.thread is None:
            self._looks_at = -math.inf
            self.thread = threading.Thread(target=self._run, name="syncpipe-sender", daemon=True)
            self.thread.start()
        elif due_at < self._looks_at or self._looks_at < self._clock.monotonic():
            self._work.notify()

    def mourn(self) -> None:
        """Forget our thread if it was never started."""
        if self.thread is not None and not self.thread.is_alive():
            self.thread = None

    def stop(self, *, wait: bool) -> None:
        """Have our thread end; *wait* for it."""
        with self._work.lock:
            self._work.notify_all()
            thread = self.thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_S)

    def _run(self) -> None:
        while self._await():
            self._send()

    def _await(self) -> bool:
        """Wait until it is our thread's turn; return False when it is to end."""
        with self._work.lock:
            while self.thread is threading.current_thread():
                if self.take():
                    return True
                idle = self._due_at() is None and (self.closing or not self._used)
                if not (idle and self.closing):
                    woken = self._work.wait(self._look_in_s())
                    self._looks_at = -math.inf
                    if woken or not idle or self._due_at() is not None:
                        continue
                self.thread = None
            return False

    def _look_in_s(self) -> float:
        """Return when to look again if nobody rouses us.

        Whoever uses the client will do so again. Who then flushes at once sends by himself, and
        would rouse us for nothing each time.
        """
        now, due_at = self._clock.monotonic(), self._due_at()
        if due_at is None and self._used:
            due_at = now + min(self._linger_s, _IDLE_S)
        self._used = False
        if due_at is None or due_at <= now:  # who has the turn rouses us
            self._looks_at = math.inf
            return _IDLE_S
        self._looks_at = due_at
        return due_at - now
