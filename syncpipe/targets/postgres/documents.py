"""Document mode: one table of ours holds each record as JSONB, with its memory in the same row."""

from __future__ import annotations

import json
from itertools import repeat
from typing import TYPE_CHECKING, Any

from syncpipe.core.carried import Carried
from syncpipe.core.delta import document_of
from syncpipe.core.document import json_object, tagged, untagged
from syncpipe.core.memory import Memory, recall
from syncpipe.core.version import Stamp, ties_of
from syncpipe.targets.postgres.arrays import Bigints, Same, Texts
from syncpipe.targets.postgres.merging import Locked, incremented_fields
from syncpipe.targets.postgres.payload import array, names, record_of, remembered
from syncpipe.targets.postgres.statements import own_tables, statement
from syncpipe.targets.target import Present

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from syncpipe.core.change import Change
    from syncpipe.core.collection import Collection
    from syncpipe.core.delta import Delta
    from syncpipe.core.operation import Data
    from syncpipe.targets.postgres.payload import Record
    from syncpipe.targets.target import Group

#: A row: collection, key, document, version, tie and detail; what is JSON is a text.
_Row = tuple[str, str, bytes | None, int, int, bytes | None]


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
        self,
        connection: psycopg.Connection[Any],
        whole: Sequence[Group],
        partial: Sequence[tuple[Group, Delta]],
    ) -> set[Record]:
        """Write what is above everything stored, in each of its stamps.

        Of *whole*, the newest operation decides the record: an upsert or delete. The deltas of
        *partial* have patches, and no increments.

        Returns:
            The records that were not written: they hold something newer and were left alone.

        """
        based = [_row(group, delta) for group, delta in partial if delta.base.version]
        patches = [_row(group, delta) for group, delta in partial if not delta.base.version]
        left: set[Record] = set()
        for query, rows in (
            (self._put, _whole_rows(whole) + based),
            (self._patch, patches),
        ):
            if rows:
                # Each is a transaction of its own, so that rows are locked in key order; it ends
                # within the server, so that who is stopped meanwhile keeps nothing locked.
                left.update(connection.execute(query, _columns(rows)).fetchall())
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


def _whole_rows(groups: Sequence[Group]) -> list[_Row]:
    newest = [group.operations[-1] for group in groups]
    return list(
        zip(
            [group.collection.name for group in groups],
            [group.key for group in groups],
            [_text(operation.data) for operation in newest],
            [operation.version for operation in newest],
            ties_of([operation.id for operation in newest]),
            repeat(None),
            strict=False,
        )
    )


def _text(data: Data) -> bytes | None:
    if isinstance(data, Carried):
        return data.text
    return None if data is None else tagged(data).encode()


def _row(group: Group, delta: Delta) -> _Row:
    memory = Memory(delta.base, {name: write.stamp for name, write in delta.writes.items()})
    return (
        *record_of(group),
        _text(document_of(delta)),
        *memory.newest,
        json.dumps(memory.detail()).encode(),
    )


def _columns(rows: Sequence[_Row]) -> dict[str, Texts | Same | Bigints]:
    """Return *rows*, at least one, as the statements take them."""
    collections, keys, documents, versions, ties, details = zip(*rows, strict=True)
    return {
        "collections": _texts([name.encode() for name in collections]),
        "keys": Texts([key.encode() for key in keys]),
        "documents": Texts(documents),
        "versions": Bigints(versions),
        "ties": Bigints(ties),
        "details": _texts(details),
    }


def _texts(members: Sequence[bytes | None]) -> Texts | Same:
    """Return *members*, most of which are mostly the same, as the statements take them."""
    first, number = members[0], len(members)
    return Same(first, number) if members.count(first) == number else Texts(members)


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
