"""What stands between the buffer and the broker.

Its promises: an accepted operation is settled exactly once, confirmed or given up, within
``delivery_timeout_s``; what the broker does not confirm is sent again in a new envelope, still
before whatever came later for the same queue; no failure of a callback or of the broker ends it.

Who flushes sends, or a thread of our own, one at a time (see `turn`). Only the latter calls back
(see `audience`).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from syncpipe.errors import DeliveryTimeout, SendError
from syncpipe.producer import lifetime, reasons
from syncpipe.producer.audience import Audience
from syncpipe.producer.backoff import Backoff
from syncpipe.producer.buffer import Buffer, Parcel
from syncpipe.producer.condition import Condition
from syncpipe.producer.dispatch import Dispatcher
from syncpipe.producer.receipt import Lobby
from syncpipe.producer.tally import Tally
from syncpipe.producer.ticket import Ticket, shared_ticket
from syncpipe.producer.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.compression import Dictionary
    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.many import BatchReceipt
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.stamps import Stamper
    from syncpipe.producer.tally import Mark
    from syncpipe.producer.ticket import Piece, SharedTicket
    from syncpipe.transport.broker import Broker

_LOG = logging.getLogger(__name__)
#: How often what is interrupted by one Ctrl-C may be interrupted again.
_RECOVERIES = 10


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
        self._closed = False
        self._begin()
        lifetime.renew_after_fork(self)
        lifetime.finish_at_exit(self)

    def _begin(self) -> None:
        lock = threading.RLock()
        #: Notified when operations are settled.
        self._progress = Condition(lock)
        #: Where tickets are waited for.
        self.lobby = Lobby(self._progress)
        self._buffer = Buffer(self._options)
        self._tally = Tally()
        self._audience = Audience(lock)
        self._in_flight: list[Parcel] = []
        self._turn = Turn(
            lock,
            clock=self._clock,
            linger_s=self._options.linger_ms / 1000,
            audience=self._audience,
            due_at=self._buffer.due_at,
            send=self._round,
            recover=self._recover,
        )
        self._backoff = Backoff(self._random, self._options)

    def renew(self) -> None:
        """Start empty in a forked child: what the parent has accepted, the parent sends."""
        inherited = [*self._in_flight, *self._buffer.parcels()]
        self._begin()
        for parcel in inherited:
            message = "The process that accepted it sends it."
            parcel.give_up(partial(reasons.about, SendError, message))
            for ticket in parcel.tickets:
                ticket.end()

    def finish(self) -> None:
        """Send what is left, at interpreter exit, where nobody is left to be told but the log."""
        unconfirmed = self.close()
        if unconfirmed:
            _LOG.error("%s", reasons.left_unconfirmed(unconfirmed))

    def offer(self, accepted: Piece, of: Ticket | BatchReceipt, *, helps: bool = False) -> bool:
        """Buffer what is *of* a call or batch; return False if the buffer is full.

        Whoever *helps* will send what is full, by `help`: our thread is not roused for that.

        Raises:
            ClientClosed: the client was closed.

        """
        with self._progress.lock:
            if self._closed:
                raise reasons.is_closed(accepted.name)
            if not self._buffer.has_room(accepted):
                self._make_room()
                return False
            try:
                now, epoch = self._clock.monotonic(), self._tally.opened(accepted.count)
                if isinstance(of, Ticket):
                    of.epoch, of.try_until = epoch, now + self._options.tries_s
                    self._append(accepted, of, now)
                elif not self._buffer.join(of, accepted, epoch, now):
                    shared = shared_ticket(of, accepted, epoch, now, self._options.tries_s)
                    self._append(accepted, shared, now, helps=helps)
            except BaseException:
                self._recount()
                raise
            return True

    def put(self, accepted: Piece, of: Ticket | BatchReceipt) -> None:
        """Buffer what is *of* a call or batch; wait for room in a full buffer.

        Raises:
            BufferFull: there was no room for ``max_block_s``.
            ClientClosed: the client was closed.

        """
        with self._progress.lock:
            buffered = self._progress.wait_for(
                lambda: self.offer(accepted, of), self._patience(self._options.max_block_s)
            )
        if not buffered:
            raise reasons.no_room(self._options, accepted.name)

    def rouse(self) -> None:
        """Have our thread send what is due: nobody helps any more."""
        with self._progress.lock:
            self._turn.rouse()

    def help(self) -> None:
        """Send what is due, if it is in most queues and nobody else does.

        Beside a caller who never pauses, our thread waits 5 ms for each lock of the interpreter.
        """
        with self._progress.lock:
            taken = self._buffer.is_laden(self._clock.monotonic()) and self._turn.take()
        if taken:
            try:
                self._round()
            except BaseException:
                self._recover()
                raise

    def watch(self, callback: Callable[[], object]) -> None:
        """Call *callback* once, the next time that operations are settled; it must not block."""
        self._audience.watch(callback)

    def begin_flush(self) -> Mark:
        """Have everything sent that waits; return what to ask `waiting` and `report` about."""
        with self._progress.lock:
            mark = self._hurry()
            self._turn.rouse()
            return mark

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
        mark = self._hurry()
        self._wait(mark, timeout_s)
        return self.report(mark)

    def refuse_more(self) -> None:
        """Accept no further operation."""
        with self._progress.lock:
            self._closed = self._turn.closing = True
            self._spread()

    def close(self, timeout_s: float | None = None) -> int:
        """Refuse further operations, flush, give up the rest; return how many are not confirmed.

        In a signal handler that interrupts the sending it only refuses: what it has interrupted
        goes on, and the next close, at interpreter exit at the latest, does the rest.
        """
        self.refuse_more()
        mark = self._hurry()
        if not self._turn.mine:
            self._wait(mark, timeout_s)
            self._turn.stop(stuck=self._abandon())
            self._broker.close()
        return self.report(mark)

    def _append(
        self, accepted: Piece, ticket: Ticket | SharedTicket, now: float, *, helps: bool = False
    ) -> None:
        # Where nothing else waits our thread may be asleep, and who helps may not be back for long.
        helps = helps and not self._buffer.empty
        sooner = False
        for route in accepted.routes:
            sooner = self._buffer.append(route, ticket, accepted, now) or sooner
        if sooner and not (helps and self._buffer.is_due(accepted.queues, now)):
            self._turn.use()

    def _make_room(self) -> None:
        """Have something sent: where the buffer is full, nothing lingers for company in vain."""
        now = self._clock.monotonic()
        if not self._in_flight and (self._buffer.due_at() or now) > now:
            self._buffer.hurry(now)
        self._turn.rouse()

    def _hurry(self) -> Mark:
        """Make everything that waits due; return this moment."""
        with self._progress.lock:
            self._buffer.hurry(self._clock.monotonic())
            return self._tally.mark()

    def _recount(self) -> None:
        """Count what there is, after a Ctrl-C has come somewhere in the middle.

        Otherwise every later flush would wait for an operation that nobody sends.
        """
        flying = [ticket for parcel in self._in_flight for ticket in parcel.tickets]
        self._buffer.recount(flying)
        copies = Counter([*flying, *self._buffer.waiting()])
        for ticket, missing in copies.items():
            ticket.missing = missing
        self._tally.recount(copies)
        self._turn.mourn()
        self._turn.rouse()

    def _wait(self, mark: Mark, timeout_s: float | None) -> None:
        """Send what was accepted before *mark*, or wait until others have, for *timeout_s*."""
        if timeout_s is None:
            timeout_s = 2 * self._options.delivery_timeout_s
        deadline = self._clock.monotonic() + self._patience(timeout_s)
        try:
            while self._await_turn(mark, deadline):
                self._round()
        except BaseException:
            self._recover()
            raise

    def _patience(self, timeout_s: float) -> float:
        """Return *timeout_s*, 0 in a callback: nothing moves before it ends."""
        return 0.0 if self._turn.ours else timeout_s

    def _await_turn(self, mark: Mark, deadline: float) -> bool:
        """Wait until a round is ours to send; return False once there is no reason to."""
        with self._progress.lock:
            while self._tally.waiting(mark):
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return False
                if left >= self._options.try_timeout_s and self._turn.take():
                    return True
                if not self._turn.rouse() and self._turn.take():  # nobody else is there to send
                    return True
                self._progress.wait(min(left, self._turn.pause_s()))
            return False

    def _round(self) -> None:
        """Send one parcel to each queue for which something is due; the turn is ours, and ends."""
        self._give_up_late()
        parcels = self._take()
        verdicts = self._dispatcher.send(parcels, timeout_s=self._options.try_timeout_s)
        self._settle(parcels, verdicts)
        with self._progress.lock:
            self._turn.end()

    def _recover(self) -> None:
        """Have done again what was interrupted in our turn, by a Ctrl-C: nobody knows how far.

        A further Ctrl-C must not leave the turn with one who has gone: the first one goes on.
        """
        for _ in range(_RECOVERIES):
            try:
                self._restore()
            except BaseException:  # noqa: BLE001, S112 - whatever a signal handler raises
                continue
            return

    def _restore(self) -> None:
        """Put back what is in flight and give the turn back, if it is ours; may be repeated."""
        with self._progress.lock:
            if not self._turn.mine:
                return
            for parcel in self._in_flight:
                if not self._buffer.holds(parcel):
                    parcel.error = DeliveryTimeout("The sending was interrupted.")
                    self._buffer.put_back(parcel, self._clock.monotonic() + self._backoff.seconds())
            self._in_flight = []
            self._recount()
            self._spread()
            self._turn.end()

    def _spread(self) -> None:
        """Wake everybody who waits for something to be settled."""
        self._progress.notify_all()
        self._audience.wake()

    def _take(self) -> list[Parcel]:
        with self._progress.lock:
            self._in_flight = self._buffer.due(self._clock.monotonic())
            self._buffer.remove(self._in_flight)
            return self._in_flight

    def _settle(self, parcels: list[Parcel], verdicts: Sequence[SyncpipeError | None]) -> None:
        """Record the broker's *verdicts*."""
        with self._progress.lock:
            if self._in_flight is not parcels:  # given up meanwhile, by `close`
                return
            self._backoff.count(failed=any(verdicts))
            for parcel, error in zip(parcels, verdicts, strict=True):
                if error is None:
                    self._settled(parcel)
                else:
                    self._try_again(parcel, error)
            self._in_flight = []
            self._spread()

    def _try_again(self, parcel: Parcel, error: SyncpipeError) -> None:
        """Put back the copies in *parcel* that still have time; give up the others."""
        now = self._clock.monotonic()
        # Once nobody can know whether a copy was stored, no later refusal makes it certain.
        if not isinstance(parcel.error, DeliveryTimeout):
            parcel.error = error
        late, kept = parcel.split(parcel.late(now))
        if kept.tickets:
            self._buffer.put_back(kept, now + self._backoff.seconds())
        self._give_up([late])

    def _give_up_late(self) -> None:
        with self._progress.lock:
            late = self._buffer.late(self._clock.monotonic())
            self._give_up(late)
            self._buffer.remove(late)
            if late:
                self._spread()

    def _give_up(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            parcel.give_up(partial(reasons.not_in_time, parcel.error, self._options))
            self._settled(parcel)

    def _abandon(self) -> bool:
        """Give up everything, because the client closes; return whether there was anything."""
        with self._progress.lock:
            waiting = self._buffer.parcels()
            abandoned = [*self._in_flight, *waiting]
            for parcel in self._in_flight:
                parcel.error = DeliveryTimeout("It was being sent.")
            try:
                for parcel in abandoned:
                    parcel.give_up(partial(reasons.closed_before, parcel.error))
                    self._settled(parcel)
                self._in_flight = []
                self._buffer.remove(waiting)
            except BaseException:
                self._recount()
                raise
            self._spread()
            return bool(abandoned)

    def _settled(self, parcel: Parcel) -> None:
        """Count what is in *parcel* as confirmed or given up; settle what has no other."""
        self._buffer.release(parcel.tickets)
        for ticket in parcel.tickets:
            ticket.missing -= 1
        settled = [ticket for ticket in parcel.tickets if not ticket.missing]
        self._tally.ended(settled)
        for ticket in settled:
            self._audience.expect(ticket)
            ticket.end()
