"""What a caller asks for, before it is checked and stamped."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - `Draft` shows its types at run time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

from syncpipe.core.operation import Kind
from syncpipe.core.routing import Priority  # noqa: TC001 - `Draft` shows its types at run time
from syncpipe.errors import InvalidOperation

#: One key value, or a tuple of them in the order of the collection's key parts.
Key = str | int | uuid.UUID | tuple[str | int | uuid.UUID, ...]


class Choices(TypedDict, total=False):
    """What a call may choose beyond collection, key and data.

    ``id`` and ``version`` repeat those of an earlier receipt or error, so that trying again cannot
    double anything; in source-versioned collections ``version`` is always given. ``after`` is the
    version of what the caller has read and builds on: the operation is newer. ``priority`` replaces
    the collection's.

    ``delay`` (seconds from now, or a timedelta) or ``not_before`` (an aware datetime) tell when the
    operation is due; where the client gives versions, that time is its version. ``expires_in``
    (seconds from now, or a timedelta) tells when it is no longer worth trying. ``group_id`` names
    the group that it belongs to.
    """

    id: str | uuid.UUID | None
    version: int | None
    after: int | None
    priority: Priority | str | None
    delay: float | dt.timedelta | None
    not_before: dt.datetime | None
    expires_in: float | dt.timedelta | None
    group_id: str | uuid.UUID | None


class Draft(NamedTuple):
    """One operation as its caller asks for it: an item of `send_many`."""

    #: Name of the collection.
    collection: str
    #: Its record.
    key: Key
    #: Fields (upsert, patch), amounts (increment), or None (delete).
    data: Mapping[str, Any] | None = None
    #: What it does, also as a word: ``"upsert"``, ``"patch"``, ``"delete"``, ``"increment"``.
    kind: Kind | str = Kind.UPSERT
    #: See `Choices`, as for the rest.
    id: str | uuid.UUID | None = None
    #: Version.
    version: int | None = None
    #: Version of what the caller builds on.
    after: int | None = None
    #: Priority, also as a word; None takes the collection's.
    priority: Priority | str | None = None
    #: Seconds from now until it is due.
    delay: float | dt.timedelta | None = None
    #: When it is due.
    not_before: dt.datetime | None = None
    #: Seconds from now until it is no longer tried.
    expires_in: float | dt.timedelta | None = None
    #: Group that it belongs to.
    group_id: str | uuid.UUID | None = None


#: Members of the shortest draft with data: collection, key and data.
SHORTEST = 3
#: What `send_many` takes: a draft, or a tuple or dict of its members.
DraftLike = Draft | tuple[Any, ...] | Mapping[str, Any]


def draft_of(item: object) -> Draft:
    """Return *item* as a draft.

    Raises:
        InvalidOperation: it is no tuple or dict, or has members that a draft has not.

    """
    try:
        if isinstance(item, Draft):
            return item
        if isinstance(item, tuple):
            return Draft(*item)
        if isinstance(item, Mapping):
            return Draft(**item)
    except TypeError as fault:
        raise InvalidOperation(f"The item is not a draft of an operation: {fault}.") from fault
    raise InvalidOperation(f"An item must be a Draft, tuple or dict, not a {type(item).__name__}.")
