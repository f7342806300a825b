"""Shards, lanes, priorities and queue names: which queue an operation travels through."""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Queue of everything that was given up.
DEAD_QUEUE = "sp.dead"
#: A lane's queue, perhaps with the version of the topology that RabbitMQ's names end in.
_QUEUE = re.compile(r"sp\.([a-z][a-z0-9_-]*)\.(\d{1,5})\.([a-z]+)(?:\.v\d{1,4})?")
#: What a target may be called: it becomes a part of queue names.
TARGET_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")


class Priority(enum.Enum):
    """How urgent an operation is: the same scale on every broker, always separate queues."""

    #: By identity: Python's own hashes the name, and each operation's route is looked up by it.
    __hash__ = object.__hash__

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def urgency(self) -> int:
        """Its degree of urgency; 0 is the most urgent."""
        return _URGENCIES[self]


_PRIORITIES = {priority.value: priority for priority in Priority}
_URGENCIES = {priority: degree for degree, priority in enumerate(Priority)}


class Lane(NamedTuple):
    """The way of one shard's operations to one target; one queue per priority."""

    #: Name of the target.
    target: str
    #: Number of the shard, from 0.
    shard: int

    def queue(self, priority: Priority) -> str:
        """Return the queue of this lane for *priority*: ``sp.<target>.<shard>.<priority>``."""
        return f"sp.{self.target}.{self.shard}.{priority.value}"


def shard_of(collection: str, key: str, shards: int) -> int:
    """Return the shard on which the record ``(collection, key)`` always lives.

    BLAKE2b (RFC 7693) of both, so that every process and release agrees.
    """
    hasher = _begun(collection).copy()
    hasher.update(key.encode())
    return int.from_bytes(hasher.digest(), "big") % shards


def shards_of(collection: str, keys: Iterable[str], shards: int) -> list[int]:
    """Return `shard_of` each of *keys*, faster."""
    begun, digests = _begun(collection), []
    for key in keys:
        hasher = begun.copy()
        hasher.update(key.encode())
        digests.append(hasher.digest())
    numbers = struct.unpack(f">{len(digests)}Q", b"".join(digests))
    return [number % shards for number in numbers]


@functools.lru_cache
def _begun(collection: str) -> hashlib.blake2b:
    """Return the hasher that every key of *collection* begins with: copying is cheaper."""
    return hashlib.blake2b(f"{collection}\0".encode(), digest_size=8)


def lanes_of(target: str, shards: int) -> list[Lane]:
    """Return all lanes of *target*."""
    return [Lane(target, shard) for shard in range(shards)]


def queues_of(target: str, shards: int) -> list[str]:
    """Return all queues of *target*, most urgent first."""
    return [lane.queue(priority) for priority in Priority for lane in lanes_of(target, shards)]


def parse_queue(name: str) -> tuple[Lane, Priority] | None:
    """Return the lane and priority of the queue *name*, or None if it is not a lane's queue.

    The name may end in a version of the topology, such as ``.v1``.
    """
    match = _QUEUE.fullmatch(name)
    if match is None or match[3] not in _PRIORITIES:
        return None
    return Lane(match[1], int(match[2])), _PRIORITIES[match[3]]


def leading(turn: int) -> int:
    """Return the degree of urgency that goes first in the *turn*-th turn (from 1).

    Of 16 turns, 8 are led by degree 0, 4 by 1, 2 by 2 and 1 by 3; one is left over, and led by a
    degree that does not exist: nobody's turn, so the most urgent goes first. Whoever serves the
    leader first and then the others by urgency shares work that never ends about 8 : 4 : 2 : 1, and
    starves nobody.
    """
    return (turn & -turn).bit_length() - 1
