"""Forgetting what lies behind the horizon, but not what open dead letters may still need."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from syncpipe.core.deadletter import decode_dead
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import MalformedEnvelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.store.store import Store
    from syncpipe.targets.target import Collected, Target
    from syncpipe.transport.broker import Broker

#: Dead letters asked for first, and how many times more when there are more.
_MANY, _MORE = 500, 4
#: Seconds between two looks at the dead letters: one on its way from the broker to the store is in
#: neither, but not for so long.
_ON_THE_WAY_S = 3.0


def collect(
    target: Target,
    collections: Mapping[str, Collection],
    broker: Broker,
    store: Store | None = None,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Collected]:
    """Collect each of *collections* on *target*, and return what was forgotten, by collection.

    Dead letters are in the *broker* and, if there is one, in the *store*; *pause* sleeps for some
    seconds. Safe while others do the same.

    Raises:
        SyncpipeError: broker, store or target cannot be asked; nothing that is needed was
            forgotten.

    """
    broker.reclaim()  # a dead letter that was set aside counts too
    keep: dict[str, set[str]] = {}
    _add_open_keys(keep, target.name, broker, store)
    if store is not None:
        pause(_ON_THE_WAY_S)
        _add_open_keys(keep, target.name, broker, store)
    return {
        name: target.collect(collection, keep=keep.get(name, set()))
        for name, collection in collections.items()
    }


def _add_open_keys(
    keep: dict[str, set[str]], target: str, broker: Broker, store: Store | None
) -> None:
    """Add the keys of all open letters to *keep*: first of those that may yet leave the broker."""
    for letter in _open_letters(broker):
        if letter.collection is not None and letter.key is not None:
            keep.setdefault(letter.collection, set()).add(letter.key)
    if store is not None:
        for collection, keys in store.dead_letters.open_keys(target).items():
            keep.setdefault(collection, set()).update(keys)


def _open_letters(broker: Broker) -> Iterator[DeadLetter]:
    """Yield the dead letters that wait in *broker*; what is none names no key to keep."""
    limit = _MANY
    # In one look: RabbitMQ does not keep the order in which a second look would go on.
    while len(bodies := broker.peek(DEAD_QUEUE, limit=limit)) == limit:
        limit *= _MORE
    for body in bodies:
        try:
            yield decode_dead(body)
        except MalformedEnvelope:
            continue
