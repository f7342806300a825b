"""What the configuration declares about a collection."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from syncpipe.core.routing import Priority


class KeyType(enum.Enum):
    """The declared type of one part of a key."""

    STR = "str"
    INT = "int"
    UUID = "uuid"


class VersionSource(enum.Enum):
    """Who gives versions: a producer's hybrid logical clock, or the source of the data."""

    HLC = "hlc"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Collection:
    """A set of keyed records that are synchronised in the same way."""

    #: Name, ``[collections.NAME]``.
    name: str
    #: Where its operations are applied; one copy of each operation per target.
    targets: tuple[str, ...]
    #: Names of the key's parts, in order.
    key: tuple[str, ...] = ("id",)
    #: Types of the key's parts, in the same order.
    key_types: tuple[KeyType, ...] = (KeyType.STR,)
    #: Who gives versions.
    version: VersionSource = VersionSource.HLC
    #: Priority of operations that name none.
    priority: Priority = Priority.NORMAL
    #: The user's own table, ``schema.table``; without one, documents go to syncpipe's table.
    table: str | None = None
    #: Columns that operations may write; without this, every column of the table.
    fields: tuple[str, ...] | None = None
    #: Seconds for which late operations can still be judged.
    horizon_s: int = 30 * 24 * 3600
    #: What undoes an applied member of a group that ended dead: delete (upserts and patches),
    #: negate (increments), or the function package.module:function; empty: nothing does.
    compensation: str = ""
