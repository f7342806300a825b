"""The broker port on Redis."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import redis

from syncpipe.errors import (
    BrokerFull,
    BrokerUnavailable,
    BrokerUnsupported,
    DeliveryTimeout,
    SyncpipeError,
)
from syncpipe.transport import message as wire
from syncpipe.transport.broker import QUEUE_PREFIX, Broker, QueueDepth, WorkerInfo
from syncpipe.transport.redis_keys import Keys, script
from syncpipe.transport.redis_link import RedisLink, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.resilience.quota import Quota
    from syncpipe.transport.broker import Outbound

_KEYS = Keys()
#: What the scripts about workers need.
_PRESENCE = (_KEYS.workers, _KEYS.said)
#: How many keys Redis looks at in one step of a scan.
_SCAN_STEP = 500


class RedisBroker(Broker):
    """A :class:`~syncpipe.transport.broker.Broker` whose queues are Redis lists.

    Confirmed is what Redis has answered; what a crash of Redis leaves of it is up to its
    ``appendonly`` and ``appendfsync``.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Prepare for the Redis at *url*; connect nothing yet."""
        self._link = RedisLink(url, clock=clock)
        self._clock = clock

    def publish(
        self, messages: Sequence[Outbound], *, timeout_s: float
    ) -> list[SyncpipeError | None]:
        """See the port. All messages of one call travel in one round trip."""
        created_ms = self._clock.now_ms()
        queues: dict[str, list[bytes]] = {}
        for message in messages:
            queues.setdefault(message.queue, []).append(wire.dump(message, created_ms))
        commands: list[tuple[Any, ...]] = []
        for queue, stored in queues.items():
            commands += [("LPUSH", queue, *stored), _ring(queue)]
        try:
            replies = self._link.exchange(commands, timeout_s=timeout_s) if commands else []
        except BrokerUnavailable as error:
            return [error] * len(messages)
        except BrokerUnsupported as error:
            return [BrokerUnavailable(error.message)] * len(messages)
        verdicts = dict(zip(queues, map(_verdict, replies[::2]), strict=True))
        return [verdicts[message.queue] for message in messages]

    def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """See the port."""
        if not queues:
            return {}
        keys = [_KEYS.incarnations, *queues]
        reply = self._run("depths", keys, _KEYS.unacked_prefix, wire.HEAD_BYTES)
        triples = zip(reply[::3], reply[1::3], reply[2::3], strict=True)
        return {
            queue: QueueDepth(ready, unacked, self._age_s(head))
            for queue, (ready, unacked, head) in zip(queues, triples, strict=True)
        }

    def ready(self, queues: Sequence[str]) -> int:
        """See the port."""
        return sum(depth.ready for depth in self.depths(queues).values())

    def peek(self, queue: str, *, limit: int, offset: int = 0) -> list[bytes]:
        """See the port."""
        if limit < 1:
            return []
        found = self._link.ask("LRANGE", queue, -offset - limit, -offset - 1)
        return [wire.body_of(raw) for raw in reversed(found)]

    def purge(self, queue: str) -> int:
        """See the port."""
        return int(self._run("purge", [queue, _KEYS.bell(queue)]))

    def queues(self) -> list[str]:
        """See the port."""
        # Twice, because what is taken while we look at the lists would be seen on neither side.
        found = {*self._taken(), *self._scan(QUEUE_PREFIX, "TYPE", "list"), *self._taken()}
        names = {name.decode() for name in found}
        return sorted(name for name in names if name.startswith(QUEUE_PREFIX))

    def _taken(self) -> list[bytes]:
        """Return the queues of all messages that are taken and not acknowledged."""
        taken: list[bytes] = self._run("taken", [_KEYS.incarnations], _KEYS.unacked_prefix)
        return taken

    def announce(self, worker: WorkerInfo, *, ttl_s: float) -> None:
        """See the port."""
        text = json.dumps(asdict(worker))
        self._run("announce", _PRESENCE, worker.name, max(1, int(ttl_s * 1000)), text)

    def withdraw(self, name: str) -> None:
        """See the port."""
        self._link.ask("ZREM", _KEYS.workers, name)
        self._link.ask("HDEL", _KEYS.said, name)

    def workers(self) -> list[WorkerInfo]:
        """See the port."""
        found = [WorkerInfo(**json.loads(text)) for text in self._run("workers", _PRESENCE)]
        return sorted(found, key=lambda worker: worker.name)

    def reserve(self, target: str, operations: int, quota: Quota) -> float:
        """See the port. Redis' clock counts."""
        interval_us = quota.interval_s * 1e6
        at_once_us = quota.burst * interval_us
        reply = self._run("reserve", [_KEYS.quota(target)], operations, interval_us, at_once_us)
        return int(reply) / 1e6

    def close(self) -> None:
        """See the port."""
        self._link.close()

    def _run(self, name: str, keys: Sequence[str], *args: str | float) -> Any:
        """Return what a script answers."""
        return self._link.ask("EVAL", script(name).text, len(keys), *keys, *args)

    def _scan(self, prefix: str, *options: str) -> Iterator[bytes]:
        """Yield the keys that begin with *prefix*, some perhaps twice."""
        cursor = b"0"
        while True:
            cursor, names = self._link.ask(
                "SCAN", cursor, "MATCH", prefix + "*", "COUNT", _SCAN_STEP, *options
            )
            yield from names
            if cursor == b"0":
                return

    def _age_s(self, head: bytes) -> float | None:
        """Return the seconds since the message that begins with *head* was created."""
        created_ms = wire.created_ms_of(head)
        return None if created_ms is None else max(0.0, (self._clock.now_ms() - created_ms) / 1000)


@functools.lru_cache(maxsize=1024)
def _ring(queue: str) -> tuple[str, str, int]:
    """Return the command that tells workers of something in *queue*."""
    return "LPUSH", _KEYS.bell(queue), 1


def _verdict(reply: object) -> SyncpipeError | None:
    """Return what Redis' reply to a push means for its messages."""
    match reply:
        case DeliveryTimeout():
            return reply
        case redis.exceptions.OutOfMemoryError():
            return BrokerFull(f"Redis refused the message: {said(reply)}")
        case redis.ResponseError():
            return BrokerUnavailable(f"Redis refused the message: {said(reply)}")
        case _:
            return None
