"""Dead letters as messages to the broker: as they were, or with a new version."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import structs

from syncpipe.core.codec import decode_all, encode
from syncpipe.core.envelope import Header, seal
from syncpipe.core.operation import uuid7
from syncpipe.core.packing import parts
from syncpipe.core.routing import DEAD_QUEUE, Lane, Priority, parse_queue, shard_of
from syncpipe.errors import MalformedEnvelope, NotPossible, SyncpipeError, UnknownTarget
from syncpipe.transport.broker import APPLY_TASK, DEAD_TASK, Outbound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.operation import Operation
    from syncpipe.store.replays import Declared, Item

#: Most operations in one envelope, and most bytes of them, as clients send them.
_MOST_OPERATIONS, _MOST_BYTES = 500, 1_000_000
_ID_RANDOM_BITS = 74


class Parcel(NamedTuple):
    """A message, and what is in it."""

    outbound: Outbound
    items: Sequence[Item]


class Hopeless(NamedTuple):
    """What cannot be sent at all."""

    item: Item
    error: SyncpipeError


_Way: TypeAlias = tuple[Lane, Priority]


class Parcels:
    """Makes parcels."""

    def __init__(self, declared: Declared, *, shards: int, clock: Clock, random: Random) -> None:
        """Send to what is *declared*, by so many *shards*."""
        self._declared = declared
        self._shards = shards
        self._clock = clock
        self._random = random

    def of(self, replay: str, items: Sequence[Item]) -> tuple[list[Parcel], list[Hopeless]]:
        """Return *items* in parcels, those of one record in their order, and what is hopeless.

        Which lane is theirs is found anew: there may be another number of shards now. What nobody
        could read goes to its queue as it came.
        """
        alike: dict[_Way, list[tuple[Item, bytes]]] = {}
        parcels: list[Parcel] = []
        hopeless: list[Hopeless] = []
        for item in items:
            try:
                if item.readable:
                    way, raw = self._way(item)
                    alike.setdefault(way, []).append((item, raw))
                else:
                    parcels.append(self._unreadable(item))
            except SyncpipeError as error:
                hopeless.append(Hopeless(item, error))
        for way, members in alike.items():
            parcels += self._sealed(uuid.UUID(replay).bytes, way, members)
        return parcels, hopeless

    def _way(self, item: Item) -> tuple[_Way, bytes]:
        """Return the lane and priority of an operation, and its bytes.

        Raises:
            SyncpipeError: it cannot.

        """
        lane, priority = self._lane(item)
        operation, raw = _only(item.raw)
        if item.version is not None:
            raw = encode(self._as_of_now(operation, item.version))
        shard = shard_of(operation.collection, operation.key, self._shards)
        return (Lane(lane.target, shard), priority), raw

    def _lane(self, item: Item) -> tuple[Lane, Priority]:
        found = parse_queue(item.queue)
        if found is None or found[0].target not in self._declared.collections:
            name = found[0].target if found else item.queue
            raise UnknownTarget(f"There is no target {name!r} any more.")
        return found

    def _as_of_now(self, operation: Operation, version: int) -> Operation:
        if operation.collection in self._declared.sources:
            raise NotPossible(
                f"{operation.collection} takes its versions from the source, which alone can say "
                "what is as of now."
            )
        return structs.replace(operation, version=version)

    def _unreadable(self, item: Item) -> Parcel:
        if item.queue != DEAD_QUEUE:
            self._lane(item)
        task = DEAD_TASK if item.queue == DEAD_QUEUE else APPLY_TASK
        return Parcel(Outbound(item.queue, item.raw, str(self._new_id()), task), [item])

    def _sealed(
        self, replay: bytes, way: _Way, members: Iterable[tuple[Item, bytes]]
    ) -> Iterator[Parcel]:
        """Yield parcels; they tell of a producer's trace where it is that of all in it."""
        lane, priority = way
        for part in parts(members, size_of=_size, most=_MOST_OPERATIONS, most_bytes=_MOST_BYTES):
            id_ = self._new_id()
            traces = {item.trace for item, _ in part}
            header = Header(
                id=id_.bytes,
                lane=lane,
                priority=priority,
                count=len(part),
                created_ms=self._clock.now_ms(),
                trace=traces.pop() if len(traces) == 1 else None,
                replay=replay,
            )
            body = seal(header, [raw for _, raw in part])
            outbound = Outbound(lane.queue(priority), body, str(id_), APPLY_TASK)
            yield Parcel(outbound, [item for item, _ in part])

    def _new_id(self) -> uuid.UUID:
        bits = self._random.bits(_ID_RANDOM_BITS)
        return uuid.UUID(bytes=uuid7(self._clock.now_ms(), bits))


def _only(data: bytes) -> tuple[Operation, bytes]:
    found = list(decode_all(data))
    if len(found) != 1:
        raise MalformedEnvelope(f"There are {len(found)} operations where there was one.")
    return found[0]


def _size(member: tuple[Item, bytes]) -> int:
    return len(member[1])
