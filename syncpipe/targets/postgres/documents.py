"""Document mode: one table of ours holds each record as JSONB, with its memory in the same row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncpipe.core.delta import document_of
from syncpipe.core.document import json_object, tagged, untagged
from syncpipe.core.memory import Memory, recall
from syncpipe.core.version import Stamp
from syncpipe.targets.postgres.merging import Locked, incremented_fields
from syncpipe.targets.postgres.payload import array, names, record_of, remembered, whole
from syncpipe.targets.postgres.statements import own_tables, statement
from syncpipe.targets.target import Present

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from syncpipe.core.change import Change
    from syncpipe.core.collection import Collection
    from syncpipe.core.delta import Delta
    from syncpipe.targets.postgres.payload import Record
    from syncpipe.targets.target import Group


class Documents:
    """The records of all collections that have no table of their own."""

    def __init__(self, schema: str) -> None:
        """Prepare the statements for *schema*."""
        tables = own_tables(schema)
        documents = tables["documents"]
        self._put, self._patch, self._lock, self._read, self._present, self._write = (
            statement("documents", name, documents=documents)
            for name in ("put", "patch", "lock", "read", "present", "write")
        )

    def write_newest(
        self, connection: psycopg.Connection[Any], deltas: Mapping[Record, tuple[Group, Delta]]
    ) -> set[Record]:
        """Write deltas without increments whose every stamp is above what is stored.

        Returns:
            The records that were not written: they hold something newer and were left alone.

        """
        puts = [pair for pair in deltas.values() if pair[1].base.version]
        patches = [pair for pair in deltas.values() if not pair[1].base.version]
        left: set[Record] = set()
        for query, pairs in ((self._put, puts), (self._patch, patches)):
            if pairs:
                # Each is a transaction of its own, so that rows are locked in key order; it ends
                # within the server, so that who is stopped meanwhile keeps nothing locked.
                records = array([_fresh(group, delta) for group, delta in pairs])
                arguments = {"records": records, "number": len(pairs)}
                left.update(connection.execute(query, arguments).fetchall())
        return left

    def lock(
        self, connection: psycopg.Connection[Any], deltas: Mapping[Record, tuple[Group, Delta]]
    ) -> dict[Record, Locked]:
        """Lock the records, making rows for those that have none."""
        wanted = array(
            json_object({**names(record), "fields": json.dumps(incremented_fields(delta))})
            for record, (_, delta) in deltas.items()
        )
        connection.execute(self._lock, {"keys": wanted})
        rows = connection.execute(self._read, {"keys": wanted})
        return {
            (collection, key): Locked(recall(Stamp(version, tie), detail), floor, current or {})
            for collection, key, version, tie, detail, floor, current in rows
        }

    def present(
        self, connection: psycopg.Connection[Any], collection: Collection, keys: Sequence[str]
    ) -> dict[str, Present]:
        """Return the records of *keys* as they are now; locks nothing."""
        arguments = {"collection": collection.name, "keys": list(keys)}
        found = dict.fromkeys(keys, Present(None, Memory()))
        for key, text, version, tie, detail in connection.execute(self._present, arguments):
            document = None if text is None else untagged(json.loads(text))
            found[key] = Present(document, recall(Stamp(version, tie), detail))
        return found

    def write(
        self, connection: psycopg.Connection[Any], changes: Sequence[tuple[Group, Change]]
    ) -> None:
        """Write changes to locked records."""
        records = array(_changed(record_of(group), change) for group, change in changes)
        connection.execute(self._write, {"records": records})


def _fresh(group: Group, delta: Delta) -> str:
    if not delta.writes:
        return whole(group, delta.document, delta.base)
    memory = Memory(delta.base, {name: write.stamp for name, write in delta.writes.items()})
    document = document_of(delta)
    text = "null" if document is None else tagged(document)
    return json_object({**names(record_of(group)), "document": text, **remembered(memory)})


def _changed(record: Record, change: Change) -> str:
    return json_object(
        {
            **names(record),
            "gone": json.dumps(not change.exists),
            "replace": json.dumps(change.replace),
            "keep": json.dumps(sorted(change.keep)),
            "removes": json.dumps(sorted(change.removes)),
            "sets": tagged(dict(change.sets)),
            **remembered(change.memory),
        }
    )
