"""From a call to an operation: checked, stamped, encoded and routed, before it is buffered."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING

from syncpipe.core.codec import encode, encode_fields
from syncpipe.core.collection import Collection, VersionSource
from syncpipe.core.declaration import check_data
from syncpipe.core.keys import canonical_key
from syncpipe.core.operation import KINDS, Kind, Operation
from syncpipe.core.routing import Lane, Priority, shard_of
from syncpipe.core.values import shown
from syncpipe.core.version import milliseconds
from syncpipe.errors import (
    InvalidOperation,
    InvalidVersion,
    UnknownCollection,
)
from syncpipe.producer.accepted import Accepted, Route
from syncpipe.producer.draft import SHORTEST, Draft, draft_of
from syncpipe.producer.stamps import check_version
from syncpipe.producer.timing import ANY_TIME, timing_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from syncpipe.producer.draft import Choices, Key
    from syncpipe.producer.stamps import Stamper
    from syncpipe.producer.timing import Timing

_UUID_VERSION = 7
#: Where the members of a draft begin that few calls give, and what they are without.
_CHOICES = Draft._fields.index("id")
#: Looked up once: an enum's class takes its time for it.
_SOURCE, _UPSERT = VersionSource.SOURCE, Kind.UPSERT
_NO_CHOICES = (None,) * (len(Draft._fields) - _CHOICES)
_PRIORITIES = {priority.value: priority for priority in Priority}


class Intake:
    """Turns drafts into accepted operations. Thread-safe; does no I/O."""

    def __init__(
        self, collections: Mapping[str, Collection], shards: int, stamper: Stamper
    ) -> None:
        """Accept operations on *collections*, spread over *shards*."""
        self._collections = collections
        self._shards = shards
        self._stamper = stamper
        #: By collection, at its own priority.
        self.ways = {each.name: Ways(each.targets, each.priority) for each in collections.values()}
        #: By targets, at a priority that was chosen.
        self._chosen_ways = functools.cache(Ways)

    def accept(self, draft: Draft) -> Accepted:
        """Return the operation that *draft* asks for.

        Raises:
            UnknownCollection: the configuration does not declare the collection.
            InvalidOperation: it cannot travel; the message says why, and its class what was wrong.

        """
        kind = _kind(draft.kind)
        if draft[_CHOICES:] == _NO_CHOICES:
            return self.accept_call(draft.collection, draft.key, draft.data, kind, {})
        collection = self._collection(draft.collection)
        key = canonical_key(collection, draft.key)
        check_data(kind, collection, key, draft.data)
        return self._accept_chosen(collection, kind, key, draft)

    def accept_item(self, item: object) -> Accepted:
        """Return the operation that an item of a batch asks for. Raises as `accept`."""
        if type(item) is tuple and len(item) == SHORTEST:  # the common case
            name, key, data = item
            return self.accept_call(name, key, data, _UPSERT, {})
        return self.accept(draft_of(item))

    def accept_call(
        self, name: str, key: Key, data: Mapping[str, Any] | None, kind: Kind, choices: Choices
    ) -> Accepted:
        """Return the operation that a call asks for; as `accept`, without making a draft.

        Most calls choose nothing, and there are very many of them.
        """
        if choices:
            return self.accept(Draft(name, key, data, kind, **choices))
        collection = self._collection(name)
        text = canonical_key(collection, key)
        simple = check_data(kind, collection, text, data)
        if collection.version is _SOURCE:
            return self._accept_chosen(collection, kind, text, Draft(name, key, data, kind))
        operation_id, version = self._stamper.next(None)
        fields = [operation_id, int(kind), collection.name, text, version, data]
        encoded = encode_fields(fields, simple=simple)
        routes, queues = self.ways[name][shard_of(name, text, self._shards)]
        return Accepted(operation_id, version, encoded, routes, queues)

    def _accept_chosen(
        self, collection: Collection, kind: Kind, key: str, draft: Draft
    ) -> Accepted:
        """Return the operation on *key* with what *draft* chooses for it."""
        priority = _priority(draft.priority, collection)
        timing = _timing(draft, self._stamper)
        group_id = None if draft.group_id is None else _uuid(draft.group_id, "group_id").bytes
        operation_id, version = self._stamp(collection, kind, draft, timing.due_ms)
        operation = Operation(
            operation_id,
            kind,
            collection.name,
            key,
            version,
            draft.data,
            not_before_ms=_due_ms(collection, version, timing),
            expires_ms=timing.expires_ms,
            group_id=group_id,
        )
        routes, queues = self._way(collection, key, priority)
        return Accepted(operation_id, version, encode(operation), routes, queues)

    def _way(
        self, collection: Collection, key: str, priority: Priority
    ) -> tuple[tuple[Route, ...], tuple[str, ...]]:
        """Return the routes of operations on *key*, one for each target, and their queues."""
        ways = self.ways[collection.name]
        if priority is not ways.priority:
            ways = self._chosen_ways(collection.targets, priority)
        return ways[shard_of(collection.name, key, self._shards)]

    def _collection(self, name: str) -> Collection:
        try:
            return self._collections[name]
        except (KeyError, TypeError):  # whatever was given instead of a name
            raise UnknownCollection(f"There is no collection {name!r}.") from None

    def _stamp(
        self, collection: Collection, kind: Kind, draft: Draft, due_ms: int
    ) -> tuple[bytes, int]:
        """Return id and version: new ones, or the repeated ones."""
        given = None if draft.id is None else _given_id(draft.id)
        if collection.version is VersionSource.SOURCE:
            return given or self._stamper.new_id(), _source_version(collection, kind, draft)
        if draft.version is None and given is None:
            if due_ms:
                return self._stamper.new_id(), self._stamper.due_version(due_ms, draft.after)
            return self._stamper.next(draft.after)
        return _repeated(given, draft, due_ms)


def _kind(kind: object) -> Kind:
    if isinstance(kind, Kind):
        return kind
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    raise InvalidOperation(f"The kind must be one of {', '.join(KINDS)}, not {shown(kind)}.")


def _priority(priority: object, collection: Collection) -> Priority:
    if priority is None:
        return collection.priority
    if isinstance(priority, Priority):
        return priority
    if isinstance(priority, str) and priority in _PRIORITIES:
        return _PRIORITIES[priority]
    words = ", ".join(_PRIORITIES)
    raise InvalidOperation(f"The priority must be one of {words}, not {shown(priority)}.")


def _timing(draft: Draft, stamper: Stamper) -> Timing:
    if draft.delay is None and draft.not_before is None and draft.expires_in is None:
        return ANY_TIME
    return timing_of(draft, stamper.now_ms())


def _due_ms(collection: Collection, version: int, timing: Timing) -> int:
    """Return when an operation of *version* is due.

    What is sent again with its version keeps its due time, though its delay is counted anew.
    """
    if timing.due_ms and collection.version is VersionSource.HLC:
        return min(timing.due_ms, milliseconds(version))
    return timing.due_ms


def _uuid(given: object, name: str) -> uuid.UUID:
    try:
        return given if isinstance(given, uuid.UUID) else uuid.UUID(str(given))
    except ValueError as fault:
        raise InvalidOperation(f"The {name} {shown(given)} is not a UUID.") from fault


def _given_id(given: object) -> bytes:
    parsed = _uuid(given, "id")
    if parsed.version != _UUID_VERSION:
        raise InvalidOperation(f"The id {given} is not a UUIDv7, as ids of receipts are.")
    return parsed.bytes


def _source_version(collection: Collection, kind: Kind, draft: Draft) -> int:
    """Return the version that the source gave."""
    if kind is Kind.INCREMENT:
        raise InvalidOperation(
            f"{collection.name} takes its versions from the source, so it takes no increments."
        )
    if draft.after is not None:
        raise InvalidVersion(
            f"{collection.name} takes its versions from the source: give version=, not after=."
        )
    if draft.version is None:
        raise InvalidVersion(
            f"{collection.name} takes its versions from the source: give version=."
        )
    return check_version(draft.version)


def _repeated(given: bytes | None, draft: Draft, due_ms: int) -> tuple[bytes, int]:
    """Return the id and version of an operation that is sent again."""
    if given is None or draft.version is None or draft.after is not None:
        raise InvalidVersion("To send an operation again give its id= and version=, and no after=.")
    version = check_version(draft.version)
    if draft.not_before is not None and milliseconds(version) < due_ms:
        raise InvalidVersion(
            f"not_before={draft.not_before.isoformat()} lies after the version {version}, which is "
            "the due time: to send an operation again give the not_before= of the first time."
        )
    return given, version


class Ways(dict[int, tuple[tuple[Route, ...], tuple[str, ...]]]):
    """By shard, the routes of a collection's operations of one priority, and their queues."""

    def __init__(self, targets: tuple[str, ...], priority: Priority) -> None:
        """Know none yet of those to *targets*."""
        super().__init__()
        #: Of all of them.
        self.priority = priority
        self._targets = targets

    def __missing__(self, shard: int) -> tuple[tuple[Route, ...], tuple[str, ...]]:
        """Make those of one shard."""
        lanes = [Lane(target, shard) for target in self._targets]
        routes = tuple(Route(lane, self.priority, lane.queue(self.priority)) for lane in lanes)
        self[shard] = way = (routes, tuple(route.queue for route in routes))
        return way
