"""Keeps what was given up in the broker's queue of dead letters."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.deadletter import DeadLetter, encode_dead
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import SyncpipeError, TargetError
from syncpipe.transport.broker import DEAD_TASK, Outbound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.attempt import Attempt
    from syncpipe.core.chance import Clock
    from syncpipe.pipeline.batch import Item
    from syncpipe.transport.broker import Broker

_PUBLISH_TIMEOUT_S = 10.0
#: Most bytes of dead letters published in one call.
_MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Writes dead letters and stores them in the broker. Thread-safe."""

    #: The broker.
    broker: Broker
    #: Tells the time of death.
    clock: Clock
    #: Name of the worker process.
    worker: str

    def of_message(self, body: bytes, queue: str, error: SyncpipeError) -> DeadLetter:
        """Return the dead letter of a message of which no operation can be read."""
        return DeadLetter(
            raw=body,
            queue=queue,
            stage="decode",
            code=error.code,
            message=error.message,
            died_ms=self.clock.now_ms(),
            worker=self.worker,
        )

    def of_operation(
        self,
        item: Item,
        *,
        queue: str,
        stage: str,
        error: SyncpipeError,
        attempts: tuple[Attempt, ...],
    ) -> DeadLetter:
        """Return the dead letter of the operation of *item*, after all the *attempts* at it."""
        operation = item.operation
        refusal = error if isinstance(error, TargetError) else None
        return DeadLetter(
            raw=item.raw,
            queue=queue,
            stage=stage,
            code=error.code,
            message=error.message,
            died_ms=self.clock.now_ms(),
            worker=self.worker,
            operation_id=operation.uuid,
            collection=operation.collection,
            key=operation.key,
            version=operation.version,
            sqlstate=refusal.sqlstate if refusal else None,
            constraint=refusal.constraint if refusal else None,
            status=refusal.status if refusal else None,
            endpoint=refusal.endpoint if refusal else None,
            attempts=attempts,
            trace=item.trace,
        )

    def keep(self, letters: Sequence[DeadLetter]) -> list[SyncpipeError | None]:
        """Store *letters*; return one verdict for each, None when the broker has confirmed it.

        The same letter always has the same message id, so that keeping it twice does no harm.
        """
        verdicts: list[SyncpipeError | None] = []
        for part in _parts([_outbound(letter) for letter in letters]):
            try:
                verdicts += self.broker.publish(part, timeout_s=_PUBLISH_TIMEOUT_S)
            except SyncpipeError as error:
                verdicts += [error] * len(part)
        return verdicts


def _outbound(letter: DeadLetter) -> Outbound:
    digest = hashlib.blake2b(letter.queue.encode() + b"\0" + letter.raw, digest_size=16).digest()
    return Outbound(DEAD_QUEUE, encode_dead(letter), str(uuid.UUID(bytes=digest)), DEAD_TASK)


def _parts(messages: list[Outbound]) -> list[list[Outbound]]:
    parts: list[list[Outbound]] = []
    size = _MOST_BYTES
    for message in messages:
        if size + len(message.body) > _MOST_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(message)
        size += len(message.body)
    return parts
