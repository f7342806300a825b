"""Sending on what has become due: from the schedule back to its lanes.

Operations are lent, published, and removed once the broker has confirmed them. Whoever dies on the
way leaves them lent; they are due again when that ends, and what is published twice changes
nothing.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from syncpipe.core.envelope import Header, seal
from syncpipe.core.operation import uuid7
from syncpipe.core.packing import parts
from syncpipe.core.routing import Lane, Priority, shard_of
from syncpipe.transport.broker import APPLY_TASK, Outbound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.errors import SyncpipeError
    from syncpipe.store.schedule import Lease, Schedule, Scheduled
    from syncpipe.transport.broker import Broker

#: Most operations of one target, and most bytes of them, that are lent at once.
_MOST_LENT, _MOST_LENT_BYTES = 1000, 4 * 1024 * 1024
#: Seconds for which they are lent, and after which nothing more of them is published.
_LEASE_S, _PUBLISHING_S = 20.0, 10.0
#: Seconds for one call of the broker.
_PUBLISH_TIMEOUT_S = 5.0
#: Most operations in one envelope, and most bytes of them, as clients send them.
_MOST_OPERATIONS, _MOST_BYTES = 500, 1_000_000
#: Most envelopes, and bytes of them, in one call of the broker.
_MOST_ENVELOPES, _MOST_ENVELOPE_BYTES = 500, 8 * 1024 * 1024
#: Most rounds of one call, so that whoever wants to end is not held up.
_MOST_ROUNDS = 10
_ID_RANDOM_BITS = 74


class _Parcel(NamedTuple):
    """Operations that travel in one envelope."""

    lane: Lane
    priority: Priority
    operations: Sequence[Scheduled]


class Promoting:
    """Sends on what is due for some targets. One thread at a time."""

    def __init__(
        self,
        schedule: Schedule,
        broker: Broker,
        *,
        targets: Sequence[str],
        shards: int,
        clock: Clock,
        random: Random,
    ) -> None:
        """Send what *schedule* holds for *targets* to their lanes, by so many *shards*.

        What it holds for others stays there.
        """
        self._schedule = schedule
        self._broker = broker
        self._targets = targets
        self._shards = shards
        self._clock = clock
        self._random = random

    def promote(self) -> int:
        """Send on what is due now; return how many operations were sent for good.

        Raises:
            SyncpipeError: broker or store could not be asked, or did not take something; the rest
                has been sent. What was not confirmed is tried again when it is no longer lent.

        """
        sent, first_error = 0, None
        for _ in range(_MOST_ROUNDS):
            lease = self._schedule.lease(
                self._targets, limit=_MOST_LENT, max_bytes=_MOST_LENT_BYTES, seconds=_LEASE_S
            )
            confirmed, error = self._send(lease)
            sent += confirmed
            first_error = first_error or error
            if not confirmed:
                break
        if first_error is not None:
            raise first_error
        return sent

    def _send(self, lease: Lease) -> tuple[int, SyncpipeError | None]:
        """Publish what is lent, and remove what is confirmed; return how many, and the error."""
        until = self._clock.monotonic() + _PUBLISHING_S
        sent, first_error = 0, None
        for parcels, outbound in self._calls(lease.operations):
            if self._clock.monotonic() >= until:
                break
            verdicts = self._broker.publish(outbound, timeout_s=_PUBLISH_TIMEOUT_S)
            confirmed: list[Scheduled] = []
            for parcel, error in zip(parcels, verdicts, strict=True):
                if error is None:
                    confirmed += parcel.operations
                else:
                    first_error = first_error or error
            sent += self._schedule.remove(lease, confirmed)
            if not confirmed:
                break  # the broker may be away
        return sent, first_error

    def _calls(
        self, operations: Sequence[Scheduled]
    ) -> Iterator[tuple[list[_Parcel], list[Outbound]]]:
        """Yield the parcels of each call of the broker, and their messages."""
        parcels: list[_Parcel] = []
        outbound: list[Outbound] = []
        size = 0
        for parcel in _packed(operations, self._shards):
            message = self._sealed(parcel)
            full = len(outbound) == _MOST_ENVELOPES
            if outbound and (full or size + len(message.body) > _MOST_ENVELOPE_BYTES):
                yield parcels, outbound
                parcels, outbound, size = [], [], 0
            parcels.append(parcel)
            outbound.append(message)
            size += len(message.body)
        if outbound:
            yield parcels, outbound

    def _sealed(self, parcel: _Parcel) -> Outbound:
        first = parcel.operations[0]
        now_ms = self._clock.now_ms()
        envelope_id = uuid7(now_ms, self._random.bits(_ID_RANDOM_BITS))
        header = Header(
            id=envelope_id,
            lane=parcel.lane,
            priority=parcel.priority,
            count=len(parcel.operations),
            created_ms=now_ms,
            trace=first.trace,
            attempts=first.attempts,
            replay=first.replay,
        )
        body = seal(header, [each.raw for each in parcel.operations])
        queue = parcel.lane.queue(parcel.priority)
        return Outbound(queue, body, str(uuid.UUID(bytes=envelope_id)), APPLY_TASK)


def strangers(schedule: Schedule, targets: Collection[str]) -> dict[str, int]:
    """Return how many operations *schedule* holds for others than *targets*: nobody sends them on.

    Raises:
        StoreError: the store cannot be asked.

    """
    outlook = schedule.outlook()
    return {name: each.count for name, each in outlook.items() if name not in targets}


def _packed(operations: Iterable[Scheduled], shards: int) -> Iterator[_Parcel]:
    """Yield *operations* in parcels: each that was tried before alone, the others with their like.

    Which lane is theirs is found anew: there may be another number of shards now.
    """
    alike: dict[tuple[Lane, Priority, str | None, bytes | None], list[Scheduled]] = {}
    for each in operations:
        lane = Lane(each.target, shard_of(each.collection, each.key, shards))
        if each.attempts:
            yield _Parcel(lane, each.priority, (each,))
        else:
            key = (lane, each.priority, each.trace, each.replay)
            alike.setdefault(key, []).append(each)
    for (lane, priority, *_), members in alike.items():
        for part in _parts(members):
            yield _Parcel(lane, priority, part)


def _parts(members: Iterable[Scheduled]) -> Iterator[list[Scheduled]]:
    """Yield *members* in parts that each fit an envelope, at least one in each."""
    return parts(
        members,
        size_of=lambda each: len(each.raw),
        most=_MOST_OPERATIONS,
        most_bytes=_MOST_BYTES,
    )
