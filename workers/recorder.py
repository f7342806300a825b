"""Brings dead letters from the broker into the store, and acknowledges what is durable there.

Everything but `Recorder._write` and `Recorder._check` runs on the event loop, which alone touches
the broker's channel.
"""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from syncpipe.core.deadletter import DeadLetter, decode_dead
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import MalformedEnvelope, StoreError, StoreUnavailable
from syncpipe.resilience.backoff import equal_jitter
from workers.held import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from syncpipe.store.store import Store
    from workers.station import Station

#: Name of the job in the log.
JOB = "dead-letters"
#: Most letters in one write, and most bytes of several.
_MOST, _MOST_BYTES = 256, 1_000_000
#: So many in hand, or so many writes' bytes, are plenty, where no prefetch bounds them. More are
#: taken from half of that on: on Redis it takes up to a second until they come.
_PLENTY, _PLENTY_WRITES = 2_000, 4
#: The first and the longest pause of a store that is away, seconds; the others double.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
#: Seconds between two looks at whether a drain was cancelled.
_LOOK_S = 0.1


class _Taken(NamedTuple):
    #: kombu's message, which only the event loop may acknowledge.
    delivery: Any
    #: Its body.
    body: bytes


class Recorder:
    """Records the dead letters of one connection to the broker; a new connection gets a new one.

    One write at a time; what arrives meanwhile makes up the next. While the store cannot be used
    the letters go back, and their queue is left alone.
    """

    def __init__(
        self, consumer: Any, station: Station, store: Store, before: Recorder | None = None
    ) -> None:
        """Work for Celery's *consumer*.

        A store that the recorder of the connection *before* left alone is left alone still.
        """
        self._consumer = consumer
        self._station = station
        self._store = store
        self._waiting: deque[_Taken] = deque()
        self._writing: Sequence[_Taken] = ()
        self._bytes = 0
        self._finished: queue.SimpleQueue[tuple[Sequence[_Taken], StoreError | None]] = (
            queue.SimpleQueue()
        )
        self._closed = False
        self._held_back = False
        bounded = station.dialect.prefetch_per_queue
        self._most_extra = 0 if bounded else most_extra(station.options.prefetch)
        self._extra = 0
        self._failures, self._until = (0, None) if before is None else before.retire()
        if self._until is not None:
            self._look_again(max(0.0, self._until - station.clock.monotonic()))

    @property
    def in_hand(self) -> int:
        """How many letters are unacknowledged."""
        return len(self._waiting) + len(self._writing)

    def add(self, delivery: Any) -> None:
        """Take kombu's message *delivery*, whatever is in it."""
        if self._until is not None:  # it was on its way when the queue was left
            delivery.reject(requeue=True)
            return
        taken = _Taken(delivery, body_of(delivery))
        self._waiting.append(taken)
        self._bytes += len(taken.body)
        self._balance()
        self._pump()

    def retire(self) -> tuple[int, float | None]:
        """End, because the connection is gone; return what is known of a store that is away.

        What waits here comes again through the next connection. A write that runs is finished, and
        acknowledged if the broker can still tell which messages are meant. Idempotent.
        """
        self._closed = True
        self._waiting.clear()
        if self._held_back:  # the next one has nothing in hand
            self._station.subscriptions.resume(DEAD_QUEUE)
        return self._failures, self._until

    def give_back(self) -> int:
        """Start nothing more and return what waits; tell how much. Raises what kombu raises."""
        self._closed = True
        waiting = [*self._waiting]
        self._waiting.clear()
        _reject(waiting)
        return len(waiting)

    def drain(self, seconds: float, *, cancelled: Callable[[], bool]) -> None:
        """Start nothing more and wait for a write that runs, at most *seconds*.

        For the end of the process, when the loop no longer turns and its thread calls this.
        """
        self._closed = True
        clock = self._station.clock
        deadline = clock.monotonic() + seconds
        while self._writing and clock.monotonic() < deadline and not cancelled():
            with contextlib.suppress(queue.Empty):
                self._settle(*self._finished.get(timeout=_LOOK_S))

    def _pump(self) -> None:
        """Start the next write, if there is something to write and nothing against it."""
        if self._closed or self._writing or self._until is not None or not self._waiting:
            return
        batch = [self._waiting.popleft()]
        room = _MOST_BYTES - len(batch[0].body)
        while self._waiting and len(batch) < _MOST and len(self._waiting[0].body) <= room:
            room -= len(self._waiting[0].body)
            batch.append(self._waiting.popleft())
        self._writing = batch
        self._station.recording.submit(self._write, batch)

    def _write(self, batch: Sequence[_Taken]) -> None:
        """Record a batch, and hand its outcome to the event loop; on a thread of its own."""
        self._finished.put((batch, self._try(self._record, batch)))
        self._consumer.call_soon(self._collect)

    def _record(self, batch: Sequence[_Taken]) -> None:
        kept = self._store.dead_letters.record([self._read(taken.body) for taken in batch])
        # Seen once, it is new, or was new when a process died before it could tell.
        new = [each.letter for each in kept if each.times_seen == 1]
        self._station.say("dead-letters-kept", letters=len(batch), new=len(new))
        self._station.tell(new)

    def _read(self, body: bytes) -> DeadLetter:
        """Return the letter in *body*; what holds none is one itself."""
        try:
            return decode_dead(body)
        except MalformedEnvelope as error:
            return DeadLetter(
                raw=body,
                queue=DEAD_QUEUE,
                stage="decode",
                code=error.code,
                message=error.message,
                died_ms=self._station.clock.now_ms(),
                worker=self._station.name,
            )

    def _try(self, action: Callable[..., None], *arguments: Any) -> StoreError | None:
        """Call *action*; return why the store could not be used, if so."""
        try:
            action(*arguments)
        except StoreError as error:
            return error
        except Exception as fault:  # noqa: BLE001 - nothing may be lost, or be tried without a pause
            return StoreUnavailable(f"Dead letters could not be recorded: {type(fault).__name__}.")
        return None

    def _collect(self) -> None:
        while not self._finished.empty():
            self._settle(*self._finished.get())

    def _settle(self, batch: Sequence[_Taken], error: StoreError | None) -> None:
        """Acknowledge what is recorded; leave the store alone if nothing could be."""
        self._writing = ()
        self._bytes -= sum(len(taken.body) for taken in batch)
        if error is None:
            self._failures = 0
            with contextlib.suppress(*self._consumer.connection_errors):
                for taken in batch:
                    taken.delivery.ack()
        if self._closed:
            return
        if error is not None:
            self._pause(error)
            _reject([*batch, *self._waiting])
            self._waiting.clear()
            self._bytes = 0
        self._balance()
        self._pump()

    def _pause(self, error: StoreError) -> None:
        """Take no more letters until the store can be used; look for that after a while."""
        self._station.fails(JOB, error)
        random = self._station.parts.random
        pause_s = equal_jitter(self._failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S, random)
        self._failures += 1
        self._until = self._station.clock.monotonic() + pause_s
        self._held_back = False
        self._regulate()
        self._look_again(pause_s)

    def _look_again(self, seconds: float) -> None:
        self._consumer.timer.call_after(seconds, self._probe)

    def _probe(self) -> None:
        """Look whether the store can be used, without a letter in hand."""
        if not self._closed:
            self._station.recording.submit(self._check)

    def _check(self) -> None:
        """Ask the store, and hand the answer to the event loop; on a thread of its own."""
        error = self._try(self._store.check)
        self._consumer.call_soon(self._checked, error)

    def _checked(self, error: StoreError | None) -> None:
        if self._closed:
            return
        if error is not None:
            self._pause(error)
            return
        self._until = None
        self._station.works(JOB)
        self._regulate()

    def _balance(self) -> None:
        """Where all queues share one prefetch, leave that to the lanes, and bound the letters."""
        if not self._most_extra:
            return
        extra = min(self.in_hand, self._most_extra)
        if extra > self._extra:
            self._consumer.qos.increment_eventually(extra - self._extra)
        elif extra < self._extra:
            self._consumer.qos.decrement_eventually(self._extra - extra)
        self._extra = extra
        part = max(self.in_hand / _PLENTY, self._bytes / (_MOST_BYTES * _PLENTY_WRITES))
        held_back = part >= (0.5 if self._held_back else 1)
        if held_back != self._held_back and self._until is None:
            self._held_back = held_back
            self._consumer.call_soon(self._regulate)

    def _regulate(self) -> None:
        """Take letters, or take none: there are plenty, or the store cannot be used."""
        if self._closed:
            return
        subscriptions = self._station.subscriptions
        if self._held_back or self._until is not None:
            subscriptions.pause(DEAD_QUEUE)
        else:
            subscriptions.resume(DEAD_QUEUE)
            subscriptions.sync()


def most_extra(prefetch: int) -> int:
    """Return how many letters may be in hand beside *prefetch* envelopes: plenty, and a claim."""
    return _PLENTY + prefetch


def _reject(letters: Iterable[_Taken]) -> None:
    for taken in letters:
        taken.delivery.reject(requeue=True)
