"""The JSON parameters of our statements: one text per statement, whatever the number of records."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from syncpipe.core.document import json_object, tagged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.core.delta import Increment
    from syncpipe.core.memory import Memory
    from syncpipe.targets.target import Group

#: A record: the name of its collection, and its canonical key.
Record = tuple[str, str]


def record_of(group: Group) -> Record:
    """Return the record that *group* is about."""
    return group.collection.name, group.key


def array(members: Iterable[str]) -> str:
    """Return a JSON array of JSON texts."""
    return "[" + ",".join(members) + "]"


def names(record: Record) -> dict[str, str]:
    """Return the members that name *record*."""
    return {"collection": encode_basestring(record[0]), "key": encode_basestring(record[1])}


def keys(records: Iterable[Record]) -> str:
    """Return an array that names *records*."""
    return array(json_object(names(record)) for record in records)


def keys_since(pairs: Iterable[tuple[Record, int]]) -> str:
    """Return an array that names records, each with the version from which on it is asked about."""
    return array(json_object({**names(r), "since": str(version)}) for r, version in pairs)


def remembered(memory: Memory) -> dict[str, str]:
    """Return the members that store *memory*."""
    version, tie = memory.newest
    return {"version": str(version), "tie": str(tie), "detail": json.dumps(memory.detail())}


def increment_ids(pairs: Iterable[tuple[Record, Iterable[bytes]]]) -> str:
    """Return an array that names increments of records, by id."""
    return array(
        json_object({**names(record), "id": json.dumps(id_.hex())})
        for record, ids in pairs
        for id_ in ids
    )


def increments_counted(pairs: Iterable[tuple[Record, Increment]]) -> str:
    """Return an array of increments for the ledger; amounts are tagged, so that they stay exact."""
    return array(
        json_object({**names(record), **_counted(increment)}) for record, increment in pairs
    )


def _counted(increment: Increment) -> Mapping[str, Any]:
    return {
        "id": json.dumps(increment.id.hex()),
        "version": str(increment.stamp.version),
        "tie": str(increment.stamp.tie),
        "amounts": tagged(dict(increment.amounts)),
    }
