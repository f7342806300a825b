"""What the configuration declares about a collection."""

from __future__ import annotations

import enum
from collections.abc import Mapping  # noqa: TC003 -- the settings read these annotations
from dataclasses import dataclass, field

from syncpipe.core.masks import MaskRule  # noqa: TC001 -- likewise
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
    #: Dictionary that clients compress its small envelopes with, as `syncpipe dictionary train`
    #: calls it, once every worker has its file; empty: none.
    dictionary: str = ""
    #: Seconds for which late operations can still be judged.
    horizon_s: int = 30 * 24 * 3600
    #: What undoes an applied member of a group that ended dead: delete (upserts and patches),
    #: negate (increments), or the function package.module:function; empty: nothing does.
    compensation: str = ""
    #: What is shown of fields, by name, to people who may not see what is in operations: redact
    #: (nothing), hash (the same for equal values), partial (the end of long texts) or show; "*" is
    #: every field that is not named, and redacted unless it says otherwise.
    mask: Mapping[str, MaskRule] = field(default_factory=dict, hash=False)
