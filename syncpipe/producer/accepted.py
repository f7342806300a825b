"""What was accepted and is ready to be buffered: one operation, or a block of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from syncpipe.producer.name import Name

if TYPE_CHECKING:
    from syncpipe.core.routing import Lane, Priority


@dataclass(frozen=True, slots=True)
class Route:
    """One queue an operation travels through."""

    #: Its lane.
    lane: Lane
    #: Its priority.
    priority: Priority
    #: The queue's name.
    queue: str


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An operation that is ready to be buffered. A struct, because there are very many."""

    #: UUIDv7, 16 bytes.
    operation_id: bytes
    #: Its version.
    version: int
    #: Its bytes, the same for every target.
    data: bytes
    #: One route for each target.
    routes: tuple[Route, ...]
    #: The queues of these routes.
    queues: tuple[str, ...]

    #: How many operations it is.
    count: ClassVar[int] = 1

    @property
    def name(self) -> Name:
        """What an error about it calls it."""
        return Name.of(self.operation_id, self.version)


class AcceptedBlock(msgspec.Struct, frozen=True, gc=False):
    """Operations of one collection and shard that are ready to be buffered together."""

    #: Their ids, UUIDv7s of 16 bytes one after the other.
    ids: bytes
    #: Version of the first; each further one is one more.
    version: int
    #: Places of its operations in what was given.
    places: list[int]
    #: The bytes of the block.
    data: bytes
    #: One route for each target.
    routes: tuple[Route, ...]
    #: The queues of these routes.
    queues: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many operations it holds."""
        return len(self.places)

    @property
    def name(self) -> Name:
        """What an error about it as a whole calls it: its first operation."""
        return Name.among(self.ids, self.version, 0)

    def names(self) -> list[Name]:
        """Return what errors call its operations."""
        return [Name.among(self.ids, self.version, number) for number in range(self.count)]
