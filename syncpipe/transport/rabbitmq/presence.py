"""Who lives: workers tell it through an exchange, and whoever wants to know listens.

No clock of another machine is looked at: a worker lives for the seconds that it gave, counted from
when it was heard.

Under an alarm RabbitMQ takes nothing that is told, though it still delivers. Then silence means
nothing, and whoever has listened before looks for signs of life instead: every listener has an
exchange that RabbitMQ deletes when its connection is gone, and tells its name. To ask for it makes
no trouble in RabbitMQ's log, as asking for somebody else's exclusive queue would.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from syncpipe.errors import BrokerFull, BrokerUnavailable
from syncpipe.transport.broker import WorkerInfo
from syncpipe.transport.rabbitmq import declaring
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
#: Seconds between RabbitMQ's looks at who listens; after two without a word it closes the line.
_HEARTBEAT_S = 30
#: What nobody gets: to publish it shows whether RabbitMQ takes anything.
_MARKER = Posting("sp.nobody", b"", {}, {}, mandatory=False)


@dataclass(frozen=True, slots=True)
class _News:
    """What was heard of a worker."""

    #: What it told.
    worker: WorkerInfo
    #: Seconds for which that holds.
    ttl_s: float
    #: Until when, in seconds of the monotonic clock.
    until: float
    #: Name of the exchange that lives as long as it listens.
    sign: str


@dataclass(slots=True)
class _Ear:
    """What one process listens and speaks with."""

    pid: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Where we listen. Nothing is published here, so RabbitMQ reads it under an alarm too, and
    #: notices its end.
    line: Line | None = None
    #: Where we speak.
    voice: Line | None = None
    #: Our queue on the line where we listen.
    queue: str = ""
    #: Our exchange that lives as long as that.
    sign: str = ""
    #: Since when we listen without a gap, in seconds of the monotonic clock.
    since: float = 0.0
    #: Whether we have listened for a round.
    informed: bool = False
    #: What we have heard, by name.
    heard: dict[str, _News] = field(default_factory=dict)


class Presence:
    """Tells and hears who lives, on two lines of its own.

    All verbs raise ``BrokerUnavailable``, also when other threads keep the lines for too long.
    Thread-safe, and usable after a fork.
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
        """See the port. Raises ``BrokerFull`` under an alarm."""
        # What nobody has read when it ends is of no use.
        self._tell(asdict(worker), ttl_s, {"expiration": str(max(1, int(ttl_s * 1000)))})

    def withdraw(self, name: str) -> None:
        """See the port. Under an alarm the sign of life of this process goes, whatever its name."""
        nobody = WorkerInfo(name, pid=0, host="", started_ms=0, seen_ms=0)
        try:
            self._tell(asdict(nobody), 0, {})
        except BrokerFull:
            ear = self._ear()
            with self._turn(ear, self._deadline()):
                _stop_listening(ear)

    def workers(self) -> list[WorkerInfo]:
        """See the port. The first call listens for a round before it answers, in extra time.

        Raises ``BrokerFull`` when there is an alarm, and nobody was heard before it began.
        """
        ear, deadline = self._ear(), self._deadline()
        with self._turn(ear, deadline):
            first = self._line(ear, deadline)
            wait_s = 0.0 if ear.informed else ear.since + ROUND_S - self._clock.monotonic()
        if wait_s > 0:
            self._pause(wait_s)
            deadline += wait_s
        with self._turn(ear, deadline):
            line = self._line(ear, deadline)
            if line is not first:
                raise BrokerUnavailable("RabbitMQ was lost while we listened who lives.")
            full = self._full(ear, deadline)
            if full and not ear.informed:
                raise full
            with answering(line):
                self._hear(ear, line.channel(1))
            ear.informed = True
            ear.heard = self._showing_signs(ear, deadline) if full else self._lasting(ear)
            return sorted((news.worker for news in ear.heard.values()), key=lambda each: each.name)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        ear = self._ear()
        if ear.line is None and ear.voice is None:
            return
        with suppress(BrokerUnavailable), self._turn(ear, self._deadline()):
            _stop_listening(ear)
            if ear.voice is not None:
                ear.voice.hang_up()
                ear.voice = None

    def _ear(self) -> _Ear:
        """Return what this process listens with; a parent's is left alone."""
        if self._last.pid != os.getpid():
            self._last = _Ear(os.getpid())
        return self._last

    def _deadline(self) -> float:
        """Return when what begins now has to end."""
        return self._clock.monotonic() + DEFAULT_TIMEOUT_S

    @contextmanager
    def _turn(self, ear: _Ear, deadline: float) -> Iterator[None]:
        """Be the only thread with *ear*; the wait for that is a part of every deadline."""
        left_s = deadline - self._clock.monotonic()
        if left_s <= 0 or not ear.lock.acquire(timeout=left_s):
            raise BrokerUnavailable("RabbitMQ did not answer others of this process in time.")
        try:
            yield
        except BrokerUnavailable:
            # What befell one line may have befallen the other unnoticed.
            for line in filter(None, (ear.line, ear.voice)):
                line.drop()
            raise
        finally:
            ear.lock.release()

    def _line(self, ear: _Ear, deadline: float) -> Line:
        """Return the line on which we listen, a new one if the last was lost."""
        if ear.line is not None:
            ear.line.deadline = deadline
            if ear.line.alive():
                return ear.line
            ear.line.drop()
        # A machine that goes without a word is to be noticed.
        line = ear.line = self._link.open(deadline, heartbeat_s=_HEARTBEAT_S)
        with answering(line):
            channel = line.channel(1)
            channel.exchange_declare(WORKERS_EXCHANGE, "fanout", durable=True, auto_delete=False)
            ear.queue = channel.queue_declare(
                exclusive=True,
                auto_delete=True,
                arguments={"x-queue-type": "classic", "x-max-length": _MOST_WAITING},
            ).queue
            channel.queue_bind(ear.queue, WORKERS_EXCHANGE)
            ear.sign = f"{WORKERS_EXCHANGE}.{uuid.uuid4().hex}"
            channel.exchange_declare(ear.sign, "fanout", durable=False, auto_delete=True)
            channel.queue_bind(ear.queue, ear.sign)
        ear.since, ear.informed = self._clock.monotonic(), False
        return line

    def _tell(self, worker: dict[str, Any], ttl_s: float, properties: dict[str, Any]) -> None:
        """Tell everybody, and return when all who listen have it."""
        ear, deadline = self._ear(), self._deadline()
        with self._turn(ear, deadline):
            self._line(ear, deadline)
            told = {"worker": worker, "ttl_s": ttl_s, "sign": ear.sign}
            body = json.dumps(told).encode()
            self._say(
                ear,
                deadline,
                Posting("", body, properties, {}, exchange=WORKERS_EXCHANGE, mandatory=False),
            )

    def _say(self, ear: _Ear, deadline: float, posting: Posting) -> None:
        """Publish; raise ``BrokerFull`` as soon as RabbitMQ has said that it takes nothing."""
        line = self._voice(ear, deadline)
        if not line.blocked:
            with answering(line):
                (verdict,) = publish(line, [posting])
            if verdict is None:
                return
            if not line.blocked:
                raise BrokerUnavailable(verdict.message) from verdict
        raise BrokerFull(
            "RabbitMQ has an alarm, because it has too little memory or disk: no worker can tell "
            "that it lives."
        )

    def _voice(self, ear: _Ear, deadline: float) -> Line:
        """Return the line on which we speak, a new one if the last was lost."""
        if ear.voice is not None:
            ear.voice.deadline = deadline
            if ear.voice.alive():
                return ear.voice
            ear.voice.drop()
        line = ear.voice = self._link.open(deadline)
        line.on_blocked = partial(_stop_waiting, line)
        return line

    def _full(self, ear: _Ear, deadline: float) -> BrokerFull | None:
        """Return why RabbitMQ takes nothing that is told, if so; it says that to who publishes."""
        try:
            self._say(ear, deadline, _MARKER)
        except BrokerFull as error:
            return error
        return None

    def _lasting(self, ear: _Ear) -> dict[str, _News]:
        """Return what was heard and still holds."""
        now = self._clock.monotonic()
        return {name: news for name, news in ear.heard.items() if now < news.until}

    def _showing_signs(self, ear: _Ear, deadline: float) -> dict[str, _News]:
        """Return what was heard of those who are still connected, as if it were heard now."""
        now = self._clock.monotonic()
        with self._link.lend(timeout_s=deadline - now) as line:
            return {
                name: replace(news, until=now + news.ttl_s)
                for name, news in ear.heard.items()
                if news.sign == ear.sign or declaring.exchange_exists(line, news.sign)
            }

    def _hear(self, ear: _Ear, channel: Any) -> None:
        """Take in everything that has been told until now."""
        # No more than there is when we begin: it may be told faster than we listen.
        told = channel.queue_declare(ear.queue, passive=True).message_count
        for _ in range(told):
            message = channel.basic_get(ear.queue, no_ack=True)
            if message is None:
                return  # the rest has expired
            _take_in(ear, message.body, self._clock.monotonic())


def _stop_listening(ear: _Ear) -> None:
    """Close the line on which we listen; our sign of life goes with it."""
    if ear.line is not None:
        ear.line.hang_up()
        ear.line = None


def _stop_waiting(line: Line, _reason: str) -> None:
    """Note that RabbitMQ takes nothing more, and end the wait for its confirm."""
    line.blocked = True
    raise TimeoutError("RabbitMQ takes no messages for now")


def _take_in(ear: _Ear, body: str | bytes, now: float) -> None:
    """Remember one announcement, or forget who has left."""
    try:
        told = json.loads(body)
        worker, ttl_s = WorkerInfo(**told["worker"]), float(told["ttl_s"])
        news = _News(worker, ttl_s, now + ttl_s, str(told["sign"]))
    except (ValueError, TypeError, KeyError):
        return  # somebody else's message
    if ttl_s > 0:
        ear.heard[worker.name] = news
    else:
        ear.heard.pop(worker.name, None)
