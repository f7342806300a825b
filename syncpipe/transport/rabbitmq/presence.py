"""Who lives: workers tell it through an exchange, and whoever wants to know listens.

No clock of another machine is looked at: a worker lives for the seconds that it gave, counted from
when it was heard.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.broker import WorkerInfo
from syncpipe.transport.rabbitmq.confirms import Posting, publish
from syncpipe.transport.rabbitmq.link import DEFAULT_TIMEOUT_S, answering
from syncpipe.transport.rabbitmq.topology import WORKERS_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.core.chance import Clock
    from syncpipe.transport.rabbitmq.link import Line, RabbitLink

#: Seconds within which every worker has told that it lives.
ROUND_S = 1.2
#: Most announcements that wait for somebody who does not ask.
_MOST_WAITING = 10_000


@dataclass(slots=True)
class _Ear:
    """What one process listens with."""

    pid: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    line: Line | None = None
    #: Our queue on that line.
    queue: str = ""
    #: Since when we listen without a gap, in seconds of the monotonic clock.
    since: float = 0.0
    #: Whether we have listened for a round.
    informed: bool = False
    #: What we have heard, by name, and until when it holds.
    heard: dict[str, tuple[WorkerInfo, float]] = field(default_factory=dict)


class Presence:
    """Tells and hears who lives, on one line of its own.

    Announcing and hearing share that line on purpose: when RabbitMQ takes no announcements, hearing
    none means nothing, and both raise ``BrokerUnavailable``. So they do when other threads keep the
    line for too long. Thread-safe, and usable after a fork.
    """

    def __init__(
        self, link: RabbitLink, *, clock: Clock, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Prepare; *pause* sleeps for some seconds."""
        self._link = link
        self._clock = clock
        self._pause = pause
        self._last = _Ear(os.getpid())

    def announce(self, worker: WorkerInfo, *, ttl_s: float) -> None:
        """See the port."""
        # What nobody has read when it ends is of no use.
        self._tell(asdict(worker), ttl_s, {"expiration": str(max(1, int(ttl_s * 1000)))})

    def withdraw(self, name: str) -> None:
        """See the port."""
        nobody = WorkerInfo(name, pid=0, host="", started_ms=0, seen_ms=0)
        self._tell(asdict(nobody), 0, {})

    def workers(self) -> list[WorkerInfo]:
        """See the port. The first call listens for a round before it answers, in extra time."""
        ear, deadline = self._ear(), self._deadline()
        with self._listening(ear, deadline) as first:
            wait_s = 0.0 if ear.informed else ear.since + ROUND_S - self._clock.monotonic()
        if wait_s > 0:
            self._pause(wait_s)
            deadline += wait_s
        with self._listening(ear, deadline) as line:
            if line is not first:
                raise BrokerUnavailable("RabbitMQ was lost while we listened who lives.")
            self._hear(ear, line.channel(1))
            ear.informed = True
            now = self._clock.monotonic()
            ear.heard = {name: news for name, news in ear.heard.items() if now < news[1]}
            return sorted((worker for worker, _ in ear.heard.values()), key=lambda each: each.name)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        ear = self._ear()
        with suppress(BrokerUnavailable), _turn(ear, DEFAULT_TIMEOUT_S):
            if ear.line is not None:
                ear.line.hang_up()
                ear.line = None

    def _ear(self) -> _Ear:
        """Return what this process listens with; a parent's is left alone."""
        if self._last.pid != os.getpid():
            self._last = _Ear(os.getpid())
        return self._last

    def _deadline(self) -> float:
        """Return when what begins now has to end."""
        return self._clock.monotonic() + DEFAULT_TIMEOUT_S

    @contextmanager
    def _listening(self, ear: _Ear, deadline: float) -> Iterator[Line]:
        """Be the only thread with the line on which we listen, until *deadline*."""
        with _turn(ear, deadline - self._clock.monotonic()):
            line = self._line(ear, deadline)
            with answering(line):
                yield line

    def _line(self, ear: _Ear, deadline: float) -> Line:
        """Return the line on which we listen, a new one if the last was lost."""
        if ear.line is not None:
            ear.line.deadline = deadline
            if ear.line.alive():
                _refuse_blocked(ear.line)
                return ear.line
            ear.line.drop()
        line = ear.line = self._link.open(deadline)
        with answering(line):
            channel = line.channel(1)
            channel.exchange_declare(WORKERS_EXCHANGE, "fanout", durable=True, auto_delete=False)
            ear.queue = channel.queue_declare(
                exclusive=True,
                auto_delete=True,
                arguments={"x-queue-type": "classic", "x-max-length": _MOST_WAITING},
            ).queue
            channel.queue_bind(ear.queue, WORKERS_EXCHANGE)
        ear.since, ear.informed = self._clock.monotonic(), False
        return line

    def _tell(self, worker: dict[str, Any], ttl_s: float, properties: dict[str, Any]) -> None:
        """Tell everybody, and return when all who listen have it."""
        body = json.dumps({"worker": worker, "ttl_s": ttl_s}).encode()
        posting = Posting("", body, properties, {}, exchange=WORKERS_EXCHANGE, mandatory=False)
        with self._listening(self._ear(), self._deadline()) as line:
            (verdict,) = publish(line, [posting])
        if verdict is not None:
            raise BrokerUnavailable(verdict.message) from verdict

    def _hear(self, ear: _Ear, channel: Any) -> None:
        """Take in everything that has been told until now."""
        # No more than there is when we begin: it may be told faster than we listen.
        told = channel.queue_declare(ear.queue, passive=True).message_count
        for _ in range(told):
            message = channel.basic_get(ear.queue, no_ack=True)
            if message is None:
                return  # the rest has expired
            _take_in(ear, message.body, self._clock.monotonic())


@contextmanager
def _turn(ear: _Ear, timeout_s: float) -> Iterator[None]:
    """Be the only thread with *ear*; the wait for that is a part of every deadline."""
    if timeout_s <= 0 or not ear.lock.acquire(timeout=timeout_s):
        raise BrokerUnavailable("RabbitMQ did not answer others of this process in time.")
    try:
        yield
    finally:
        ear.lock.release()


def _refuse_blocked(line: Line) -> None:
    """Raise ``BrokerUnavailable`` where RabbitMQ would leave us waiting."""
    if line.blocked:
        raise BrokerUnavailable("RabbitMQ has too little memory or disk, and takes nothing told.")


def _take_in(ear: _Ear, body: str | bytes, now: float) -> None:
    """Remember one announcement."""
    try:
        told = json.loads(body)
        worker = WorkerInfo(**told["worker"])
        until = now + float(told["ttl_s"])
    except (ValueError, TypeError, KeyError):
        return  # somebody else's message
    ear.heard[worker.name] = (worker, until)
