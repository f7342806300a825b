"""Finding lanes that the configuration does not name, where RabbitMQ does not list its queues."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from syncpipe.core.routing import Lane, Priority, parse_queue
from syncpipe.transport.rabbitmq import declaring
from syncpipe.transport.rabbitmq.topology import EARLIER_SUFFIXES, physical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncpipe.transport.rabbitmq.link import Line


def undeclared(line: Line, declared: Iterable[str]) -> Iterator[str]:
    """Yield the lanes' queues that hold ready messages and follow those *declared*.

    The shards of a target count from 0, and all were declared once: the first that has no queue
    ends the search, so that four questions go unanswered for each target.
    """
    for target, shards in _shards(declared).items():
        yield from _from(line, target, shards, "")
        for suffix in EARLIER_SUFFIXES:
            yield from _from(line, target, 0, suffix)


def _shards(declared: Iterable[str]) -> dict[str, int]:
    """Return how many shards each target has."""
    shards: dict[str, int] = {}
    for lane, _ in filter(None, map(parse_queue, declared)):
        shards[lane.target] = max(shards.get(lane.target, 0), lane.shard + 1)
    return shards


def _from(line: Line, target: str, first: int, suffix: str) -> Iterator[str]:
    """Yield those queues that hold something, from the shard *first* to the last one there is."""
    for shard in itertools.count(first):
        names = [Lane(target, shard).queue(priority) + suffix for priority in Priority]
        ready = [declaring.ready(line, physical(name)) for name in names]
        if all(number is None for number in ready):
            return
        yield from (name for name, number in zip(names, ready, strict=True) if number)
