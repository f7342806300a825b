"""The thread between the buffer and the broker.

Its promises: an accepted operation is settled exactly once, confirmed or given up, within
``delivery_timeout_s``; what the broker does not confirm is sent again in a new envelope, still
before whatever came later for the same queue; no failure of a callback or of the broker ends the
thread. The thread starts with the first operation and ends when there was nothing to do for a
while, so that a forgotten client costs nothing.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from typing import TYPE_CHECKING

from syncpipe.errors import BufferFull, ClientClosed, DeliveryTimeout, SendError
from syncpipe.producer import lifetime
from syncpipe.producer.buffer import Buffer, Entry, Parcel, Ticket
from syncpipe.producer.condition import Condition
from syncpipe.producer.dispatch import Dispatcher
from syncpipe.producer.reasons import about, left_unconfirmed, not_in_time
from syncpipe.producer.receipt import Receipt
from syncpipe.producer.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.compression import Dictionary
    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.intake import Accepted
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.receipt import Listener
    from syncpipe.producer.stamps import Stamper
    from syncpipe.producer.tally import Mark
    from syncpipe.transport.broker import Broker

_LOG = logging.getLogger(__name__)
#: Seconds without work after which the thread ends.
_IDLE_S = 5.0
#: Seconds for which `Sender.close` waits for a thread that has nothing left to do.
_STOP_S = 5.0
#: Seconds after which a full buffer is likely to have room.
_RETRY_AFTER_S = 1.0
#: Seconds before the second try of a parcel, and at most before any other; full jitter.
_BACKOFF_S, _BACKOFF_MAX_S = 0.05, 1.0
#: A try may take a third of the delivery timeout, and begins within the first two thirds.
_TRIES = 3
#: The longest backoff, as a part of the delivery timeout.
_BACKOFF_PART = 0.1
_JITTER_BITS = 32

#: A settled receipt, and who waits to be told.
_News = tuple[Receipt, "tuple[Listener, ...]"]


class Sender:
    """Buffers accepted operations and sends them. Thread-safe, and safe after a fork."""

    def __init__(
        self,
        broker: Broker,
        *,
        clock: Clock,
        random: Random,
        stamper: Stamper,
        options: ClientOptions,
        dictionaries: Mapping[str, Dictionary],
    ) -> None:
        """Send to *broker*, which is closed with the sender; *dictionaries* are by collection."""
        self._broker = broker
        self._dispatcher = Dispatcher(broker, clock, stamper, dictionaries)
        self._clock = clock
        self._random = random
        self._options = options
        self._try_timeout_s = options.delivery_timeout_s / _TRIES
        self._begin_within_s = options.delivery_timeout_s - self._try_timeout_s
        self._closed = False
        self._begin()
        lifetime.renew_after_fork(self)
        lifetime.finish_at_exit(self)

    def _begin(self) -> None:
        lock = threading.RLock()
        #: Notified when something is due earlier than the thread thinks.
        self._work = Condition(lock)
        #: Notified when operations are settled.
        self._progress = Condition(lock)
        self._buffer = Buffer(self._options)
        self._tally = Tally()
        self._in_flight: list[Parcel] = []
        self._watchers: list[Callable[[], object]] = []
        self._thread: threading.Thread | None = None
        #: When the thread looks by itself; while it does not wait, it has yet to look.
        self._looks_at = -math.inf
        self._failures = 0

    def renew(self) -> None:
        """Start empty in a forked child: what the parent has accepted, the parent sends."""
        inherited = [*self._flying(), *self._buffer.drain()]
        self._begin()
        for entry in inherited:
            receipt = entry.ticket.receipt
            receipt.settle(about(SendError, "The process that accepted it sends it.", receipt))

    def finish(self) -> None:
        """Send what is left, at interpreter exit, where nobody is left to be told but the log."""
        unconfirmed = self.close()
        if unconfirmed:
            _LOG.error("%s", left_unconfirmed(unconfirmed))

    def offer(self, accepted: Accepted, listener: Listener | None = None) -> Receipt | None:
        """Buffer an operation and return its receipt, None if the buffer is full.

        Raises:
            ClientClosed: the client was closed.

        """
        with self._progress.lock:
            receipt = Receipt(
                accepted.operation_id, accepted.version, accepted.queues, self._progress, listener
            )
            if self._closed:
                raise about(ClientClosed, "The client is closed.", receipt)
            if not self._buffer.has_room(accepted):
                return None
            try:
                self._append(accepted, receipt)
            except BaseException:
                self._recount()
                raise
            return receipt

    def put(self, accepted: Accepted, listener: Listener | None = None) -> Receipt:
        """Buffer an operation and return its receipt; wait for room in a full buffer.

        Raises:
            BufferFull: there was no room for ``max_block_s``.
            ClientClosed: the client was closed.

        """
        receipt = self.offer(accepted, listener)
        if receipt is not None:
            return receipt
        with self._progress.lock:
            self._progress.wait_for(
                lambda: self._closed or self._buffer.has_room(accepted),
                self._patience(self._options.max_block_s),
            )
            receipt = self.offer(accepted, listener)
        if receipt is None:
            raise self.full(accepted)
        return receipt

    def full(self, accepted: Accepted) -> BufferFull:
        """Return the error that says that there was no room for *accepted* in time."""
        return BufferFull(
            f"The buffer had no room for {self._options.max_block_s} s.",
            _RETRY_AFTER_S,
            operation_id=accepted.uuid,
            version=accepted.version,
        )

    def watch(self, callback: Callable[[], object]) -> None:
        """Call *callback* once, the next time that operations are settled."""
        with self._progress.lock:
            self._watchers.append(callback)

    def begin_flush(self) -> Mark:
        """Make everything that waits due; return what to ask `waiting` and `report` about."""
        with self._progress.lock:
            self._buffer.hurry(self._clock.monotonic())
            self._rouse()
            return self._tally.mark()

    def waiting(self, mark: Mark) -> int:
        """Return how many operations accepted before *mark* are neither confirmed nor given up."""
        with self._progress.lock:
            return self._tally.waiting(mark)

    def report(self, mark: Mark) -> int:
        """Return how many operations accepted before *mark* are not confirmed; the flush ends."""
        with self._progress.lock:
            return self._tally.report(mark)

    def flush(self, timeout_s: float | None = None) -> int:
        """Send at once and wait; return how many operations are not confirmed."""
        mark = self.begin_flush()
        self._wait(mark, timeout_s)
        return self.report(mark)

    def refuse_more(self) -> None:
        """Accept no further operation."""
        with self._progress.lock:
            self._closed = True
            self._progress.notify_all()
        self._wake_watchers()

    def close(self, timeout_s: float | None = None) -> int:
        """Refuse further operations, flush, give up the rest; return how many are not confirmed."""
        self.refuse_more()
        mark = self.begin_flush()
        self._wait(mark, timeout_s)
        abandoned = self._abandon()
        self._tell(abandoned)
        self._stop(wait=not abandoned)
        return self.report(mark)

    def _append(self, accepted: Accepted, receipt: Receipt) -> None:
        now = self._clock.monotonic()
        try_until = now + self._begin_within_s
        ticket = Ticket(receipt, len(accepted.routes), self._tally.opened())
        sooner = False
        for route in accepted.routes:
            entry = Entry(accepted.data, ticket, try_until)
            sooner = self._buffer.append(route, entry, now) or sooner
        if self._thread is None or (sooner and self._buffer.due_before(self._looks_at)):
            self._rouse()

    def _rouse(self) -> None:
        """Let the thread look for work; start it if there is none and something waits."""
        if self._thread is not None:
            self._work.notify()
        elif self._buffer.due_at() is not None:
            self._thread = threading.Thread(target=self._run, name="syncpipe-sender", daemon=True)
            self._thread.start()

    def _recount(self) -> None:
        """Count what there is, after a Ctrl-C has come somewhere in the middle.

        Otherwise every later flush would wait for an operation that nobody sends.
        """
        flying = self._flying()
        self._buffer.recount(flying)
        copies = Counter(entry.ticket for entry in [*flying, *self._buffer.waiting()])
        for ticket, count in copies.items():
            ticket.missing = count
        self._tally.recount(ticket.epoch for ticket in copies)
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None

    def _wait(self, mark: Mark, timeout_s: float | None) -> None:
        if timeout_s is None:
            timeout_s = 2 * self._options.delivery_timeout_s
        with self._progress.lock:
            self._progress.wait_for(
                lambda: not self._tally.waiting(mark), self._patience(timeout_s)
            )

    def _patience(self, timeout_s: float) -> float:
        """Return *timeout_s*, 0 in a callback on our own thread: nothing would move meanwhile."""
        return 0.0 if threading.current_thread() is self._thread else timeout_s

    def _run(self) -> None:
        while self._await_work():
            self._tell(self._give_up_late())
            parcels = self._take()
            verdicts = self._dispatcher.send(parcels, timeout_s=self._try_timeout_s)
            self._tell(self._settle(parcels, verdicts))

    def _await_work(self) -> bool:
        """Wait until something is due; return False when the thread is to end."""
        with self._work.lock:
            while self._thread is threading.current_thread():
                due_at = self._buffer.due_at()
                now = self._clock.monotonic()
                if due_at is not None and due_at <= now:
                    return True
                idle = due_at is None
                if not (idle and self._closed):
                    self._looks_at = math.inf if due_at is None else due_at
                    woken = self._work.wait(_IDLE_S if due_at is None else due_at - now)
                    self._looks_at = -math.inf
                    if woken or not idle or self._buffer.due_at() is not None:
                        continue
                self._thread = None
            return False

    def _take(self) -> list[Parcel]:
        with self._work.lock:
            self._in_flight = self._buffer.take(self._clock.monotonic())
            return self._in_flight

    def _settle(
        self, parcels: list[Parcel], verdicts: Sequence[SyncpipeError | None]
    ) -> list[_News]:
        """Record the broker's *verdicts*; return the news."""
        with self._progress.lock:
            if self._in_flight is not parcels:  # given up meanwhile, by `close`
                return []
            self._in_flight = []
            self._failures = self._failures + 1 if any(verdicts) else 0
            news: list[_News] = []
            for parcel, error in zip(parcels, verdicts, strict=True):
                if error is None:
                    news += self._settled(parcel.entries, None)
                else:
                    news += self._try_again(parcel, error)
            self._progress.notify_all()
            return news

    def _try_again(self, parcel: Parcel, error: SyncpipeError) -> list[_News]:
        """Put back the entries of *parcel* that still have time; return the news of the others."""
        now = self._clock.monotonic()
        for entry in parcel.entries:
            # Once nobody can know whether a copy was stored, no later refusal makes it certain.
            if not isinstance(entry.error, DeliveryTimeout):
                entry.error = error
        late = [entry for entry in parcel.entries if entry.try_until < now]
        kept = tuple(parcel.entries[len(late) :])
        if kept:
            self._buffer.put_back(Parcel(parcel.route, kept), now + self._backoff_s())
        return self._given_up(late)

    def _backoff_s(self) -> float:
        limit = min(_BACKOFF_MAX_S, self._options.delivery_timeout_s * _BACKOFF_PART)
        ceiling = min(limit, _BACKOFF_S * (1 << min(self._failures, 10)))
        jitter = self._random.bits(_JITTER_BITS) / (1 << _JITTER_BITS)
        return ceiling * jitter

    def _give_up_late(self) -> list[_News]:
        with self._progress.lock:
            late = self._buffer.expire(self._clock.monotonic())
            if late:
                self._progress.notify_all()
            return self._given_up(late)

    def _given_up(self, entries: Iterable[Entry]) -> list[_News]:
        news: list[_News] = []
        for entry in entries:
            receipt = entry.ticket.receipt
            news += self._settled([entry], not_in_time(entry.error, self._options, receipt))
        return news

    def _abandon(self) -> list[_News]:
        """Give up everything, because the client closes."""
        with self._progress.lock:
            entries = [*self._flying(), *self._buffer.drain()]
            self._in_flight = []
            news: list[_News] = []
            for entry in entries:
                receipt = entry.ticket.receipt
                error = about(ClientClosed, "The client was closed before it was sent.", receipt)
                news += self._settled([entry], error)
            self._progress.notify_all()
            return news

    def _stop(self, *, wait: bool) -> None:
        with self._work.lock:
            self._work.notify_all()
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_S)
        self._broker.close()

    def _flying(self) -> list[Entry]:
        return [entry for parcel in self._in_flight for entry in parcel.entries]

    def _settled(self, entries: Collection[Entry], error: SyncpipeError | None) -> list[_News]:
        """Count *entries* as confirmed or given up; return the receipts that this settles."""
        self._buffer.release(entries)
        settled: list[Ticket] = []
        for entry in entries:
            ticket = entry.ticket
            ticket.missing -= 1
            ticket.error = ticket.error or error
            if not ticket.missing:
                settled.append(ticket)
        counts = Counter([(ticket.epoch, ticket.error is not None) for ticket in settled])
        for (epoch, failed), number in counts.items():
            self._tally.settled(epoch, failed=failed, number=number)
        return [(ticket.receipt, ticket.receipt.settle(ticket.error)) for ticket in settled]

    def _tell(self, news: list[_News]) -> None:
        """Call listeners and watchers, without the lock."""
        for receipt, listeners in news:
            for listener in listeners:
                _call(listener, receipt, receipt.error)
        if news:
            self._wake_watchers()

    def _wake_watchers(self) -> None:
        with self._progress.lock:
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            _call(watcher)


def _call(callback: Callable[..., object], *arguments: object) -> None:
    """Call what a caller gave us; what it raises goes to the log and ends nothing of ours."""
    try:
        callback(*arguments)
    except Exception:  # noqa: BLE001 - a caller's fault must not stop other deliveries
        _LOG.exception("A delivery callback raised.", extra={"arguments": arguments})
