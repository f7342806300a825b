"""Whose turn it is to send, and the thread of our own.

One thread at a time has the turn: one that flushes, because waking another would cost more than
sending, or else our own. That starts when something is due that nobody sends, or when listeners are
to be told, and ends when there was nothing to do for a while, so that a forgotten client costs
nothing. It has no turn while it tells listeners: they may wait for one that flushes.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING

from syncpipe.producer.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.chance import Clock
    from syncpipe.producer.audience import Audience

_LOG = logging.getLogger("syncpipe.producer.sender")
#: Seconds without work after which the thread ends.
_IDLE_S = 5.0
#: Seconds after which one that waits for the turn looks by itself.
_LOOK_S = 1.0
#: Seconds for which our thread naps at most while all who use the client send by themselves.
_NAP_S = 0.05
#: Seconds for which `Turn.stop` waits for a thread that has nothing left to do but to tell.
_STOP_S = 5.0


class Turn:
    """The turn of one sender, and its thread. Everything but `stop` needs its lock held."""

    def __init__(
        self,
        lock: threading.RLock,
        *,
        clock: Clock,
        linger_s: float,
        audience: Audience,
        due_at: Callable[[], float | None],
        send: Callable[[], None],
        recover: Callable[[], None],
    ) -> None:
        """Let our thread *send* what is due at *due_at*, which tells None when nothing waits.

        *send* is called without *lock*, and ends the turn; *recover* does so when it has raised.
        What is used is due *linger_s* later. Our thread also tells the *audience*.
        """
        #: Our thread, None while there is none.
        self.thread: threading.Thread | None = None
        #: Whether our thread is to end once nothing is due.
        self.closing = False
        #: Notified when something is due earlier than our thread thinks, and when it ends.
        self._work = Condition(lock)
        self._clock = clock
        self._linger_s = linger_s
        self._audience = audience
        self._due_at = due_at
        self._send = send
        self._recover = recover
        self._holder: threading.Thread | None = None
        #: When our thread looks by itself; while it does not wait, it has yet to look.
        self._looks_at = math.inf
        self._used = False
        #: For how long it naps before it looks for what was used; more than lingers is trust.
        self._nap_s = linger_s

    @property
    def mine(self) -> bool:
        """Whether the calling thread has the turn."""
        return self._holder is threading.current_thread()

    @property
    def ours(self) -> bool:
        """Whether the calling thread has the turn, or is the one that waits for it."""
        return threading.current_thread() in (self._holder, self.thread)

    def take(self) -> bool:
        """Take the turn if something is due and nobody has it.

        Where our thread is behind with telling listeners, it sends when it has told them.
        """
        due_at = None if self._holder else self._due_at()
        if due_at is None or due_at > self._clock.monotonic():
            return False
        me = threading.current_thread()
        if self._audience.crowded and self.thread not in (None, me):
            return False
        self._holder = me
        return True

    def end(self) -> None:
        """Let another have the turn, if it is the calling thread's."""
        if self.mine:
            # In this order: whoever is interrupted in between has the turn still, and ends again.
            self._have_look(self._work_at())
            self._holder = None

    def pause_s(self) -> float:
        """Return how long one that waits for the turn may sleep if nobody wakes it."""
        due_at = None if self._holder else self._due_at()
        left = 0.0 if due_at is None else due_at - self._clock.monotonic()
        return left if 0 < left < _LOOK_S else _LOOK_S

    def use(self) -> None:
        """Note that something waits that did not."""
        self._used = True
        if not self._trusts():
            self.rouse()

    def rouse(self) -> bool:
        """Have our thread look if something is due earlier than it thinks; start it if need be.

        Whoever has the turn does so in the end. Returns False if no thread can be started.
        """
        if self._holder and not self._audience.waiting:
            return True
        return self._have_look(self._work_at())

    def mourn(self) -> None:
        """Forget our thread if it was never started."""
        if self.thread is not None and not self.thread.is_alive():
            self.thread = None

    def stop(self, *, stuck: bool) -> None:
        """Have our thread end when everybody is told; wait for it.

        A thread that is *stuck* in its turn tells nobody: another one does.
        """
        with self._work.lock:
            self.mourn()
            if stuck and self._holder is self.thread:
                self.thread = None
            self._work.notify_all()
            self.rouse()
            thread = self.thread
            if thread not in (None, threading.current_thread()):
                # Not joined: a signal handler may have interrupted a frame that holds the lock.
                self._work.wait_for(lambda: self.thread is not thread, _STOP_S)
        if thread is None:
            self._audience.tell()  # at interpreter exit, where no thread can be started

    def _trusts(self) -> bool:
        """Whether who uses the client sends what only lingers, as all have lately, before we look.

        Rousing our thread each time, only to find that nothing is left, would take longer than to
        send. What nobody sends after all waits for its nap to end, once.
        """
        if self.thread is None or self._nap_s <= self._linger_s:
            return False
        now, due_at = self._clock.monotonic(), self._due_at()
        return self._looks_at >= now and due_at is not None and due_at > now

    def _have_look(self, work_at: float | None) -> bool:
        if work_at is None:
            return True
        if self.thread is None:
            return self._start()
        if work_at < self._looks_at or self._looks_at < self._clock.monotonic():
            self._work.notify_all()
        return True

    def _start(self) -> bool:
        self._looks_at = -math.inf
        self._nap_s = self._linger_s
        self.thread = threading.Thread(target=self._run, name="syncpipe-sender", daemon=True)
        try:
            self.thread.start()
        except RuntimeError as error:  # no more threads, or none any more at interpreter exit
            self.thread = None
            if not self.closing:
                _LOG.warning("What is buffered waits for a flush or the exit: %s", error)
            return False
        return True

    def _work_at(self) -> float | None:
        """Return when there is something to do for our thread, None if there is nothing."""
        return -math.inf if self._audience.waiting else self._due_at()

    def _run(self) -> None:
        try:
            while self._await():
                self._audience.tell()
                with self._work.lock:
                    taken = self.take()
                if taken:
                    self._send()
        finally:
            self._leave()

    def _leave(self) -> None:
        """Leave nothing behind that keeps others from sending, whatever has ended our thread."""
        with self._work.lock:
            if self.thread is threading.current_thread():
                self.thread = None
                self.rouse()
            self._work.notify_all()
        self._recover()

    def _await(self) -> bool:
        """Wait until there is something for our thread to do; return False when it is to end."""
        with self._work.lock:
            while self.thread is threading.current_thread():
                work_at = self._work_at()
                free = self._audience.waiting or not self._holder
                if work_at is not None and free and work_at <= self._clock.monotonic():
                    return True
                idle = work_at is None and (self.closing or not self._used)
                if not (idle and self.closing):
                    woken = self._work.wait(self._look_in_s())
                    self._looks_at = -math.inf
                    if woken or not idle or self._work_at() is not None:
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
            due_at = now + min(self._nap_s, _IDLE_S)
            self._nap_s = max(self._linger_s, min(2 * self._nap_s, _NAP_S))
        else:
            self._nap_s = self._linger_s
        self._used = False
        if due_at is None or (due_at <= now and self._holder):  # who has the turn rouses us
            self._looks_at = math.inf
            return _IDLE_S
        self._looks_at = due_at
        return max(0.0, due_at - now)
