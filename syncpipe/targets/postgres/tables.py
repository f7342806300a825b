"""Table mode: the user's own table holds the rows, a side table of ours their memory."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from psycopg import sql

from syncpipe.core.delta import delta_of, document_of
from syncpipe.core.document import json_object
from syncpipe.core.keys import key_values
from syncpipe.core.memory import Memory, recall
from syncpipe.core.version import Stamp
from syncpipe.targets.postgres.merging import Locked, incremented_fields
from syncpipe.targets.postgres.payload import array, keys, names, record_of, remembered
from syncpipe.targets.postgres.statements import own_tables, statement
from syncpipe.targets.target import Present

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

    from syncpipe.core.change import Change
    from syncpipe.core.collection import Collection
    from syncpipe.core.delta import Delta
    from syncpipe.targets.postgres.columns import Columns
    from syncpipe.targets.postgres.payload import Record
    from syncpipe.targets.target import Group

_COMMA = sql.SQL(", ")


class Table:
    """The records of one collection with a table of its own."""

    def __init__(self, schema: str, collection: Collection, columns: Columns) -> None:
        """Prepare the statements for the table of *collection*."""
        self._collection = collection
        self.columns = columns
        records = own_tables(schema)["records"]
        self._memory = {
            name: statement("records", name, records=records)
            for name in ("put", "patch", "lock", "read", "write")
        }
        slots = _slots(collection, columns)
        self._rows = {
            name: statement("tables", name, **slots)
            for name in ("put", "fill", "patch", "delete", "current")
        }
        self._present = statement("tables", "present", records=records, **slots)

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
        puts = {record_of(group): delta_of(group.operations[-1]) for group in whole}
        puts |= {record_of(group): delta for group, delta in partial if delta.base.version}
        patches = {record_of(group): delta for group, delta in partial if not delta.base.version}
        left: set[Record] = set()
        for name, deltas in (("put", puts), ("patch", patches)):
            if deltas:
                left |= deltas.keys() - self._write_won(connection, name, deltas)
        return left

    def lock(
        self, connection: psycopg.Connection[Any], deltas: Mapping[Record, tuple[Group, Delta]]
    ) -> dict[Record, Locked]:
        """Lock the records, making memory for those that have none."""
        wanted = keys(deltas)
        connection.execute(self._memory["lock"], {"keys": wanted})
        remembered_rows = connection.execute(self._memory["read"], {"keys": wanted}).fetchall()
        current = self._current(connection, deltas)
        return {
            (collection, key): Locked(
                recall(Stamp(version, tie), detail), floor, current.get((collection, key), {})
            )
            for collection, key, version, tie, detail, floor in remembered_rows
        }

    def present(
        self, connection: psycopg.Connection[Any], collection: Collection, keys: Sequence[str]
    ) -> dict[str, Present]:
        """Return the records of *keys* as they are now; locks nothing."""
        rows = array(
            json_object({"key": encode_basestring(key), "row": self._row(key, {})}) for key in keys
        )
        arguments = {"collection": collection.name, "rows": rows}
        found: dict[str, Present] = {}
        for key, text, version, tie, detail in connection.execute(self._present, arguments):
            memory = Memory() if version is None else recall(Stamp(version, tie), detail)
            found[key] = Present(None if text is None else self.columns.document(text), memory)
        return found

    def write(
        self, connection: psycopg.Connection[Any], changes: Sequence[tuple[Group, Change]]
    ) -> None:
        """Write changes to locked records and their memory."""
        memory = array(
            json_object(_memory_members(record_of(g), change.memory, gone=not change.exists))
            for g, change in changes
        )
        connection.execute(self._memory["write"], {"records": memory})
        gone = [self._row(group.key, {}) for group, change in changes if not change.exists]
        some = [
            self._row(group.key, self._touched(change))
            for group, change in changes
            if change.exists
        ]
        self._execute(connection, ("delete",), gone)
        self._execute(connection, ("fill", "patch"), some)

    def _write_won(
        self,
        connection: psycopg.Connection[Any],
        name: str,
        deltas: Mapping[Record, Delta],
    ) -> set[Record]:
        """Win the memory first; then, with a fresh snapshot, write the rows that were won."""
        documents = {record: document_of(delta) for record, delta in deltas.items()}
        memory = array(
            json_object(_memory_members(r, _memory_of(delta), gone=documents[r] is None))
            for r, delta in deltas.items()
        )
        with connection.transaction():
            won: set[Record] = set(
                connection.execute(self._memory[name], {"records": memory}).fetchall()
            )
            gone = [self._row(r[1], {}) for r in won if documents[r] is None]
            self._execute(connection, ("delete",), gone)
            if name == "put":
                rows = [
                    self._row(r[1], self._whole(d)) for r in won if (d := documents[r]) is not None
                ]
                self._execute(connection, ("put",), rows)
            else:
                rows = [self._row(r[1], _patched(deltas[r])) for r in won]
                self._execute(connection, ("fill", "patch"), rows)
        return won

    def _current(
        self, connection: psycopg.Connection[Any], deltas: Mapping[Record, tuple[Group, Delta]]
    ) -> dict[Record, dict[str, Any]]:
        wanted = [(r, fields) for r, (_, d) in deltas.items() if (fields := incremented_fields(d))]
        if not wanted:
            return {}
        rows = array(self._row(record[1], {}) for record, _ in wanted)
        current = {}
        for position, row in connection.execute(self._rows["current"], {"rows": rows}):
            record, fields = wanted[position - 1]
            current[record] = {name: row[name] for name in fields if name in row}
        return current

    def _execute(
        self, connection: psycopg.Connection[Any], statements: Iterable[str], rows: Sequence[str]
    ) -> None:
        if rows:
            for name in statements:
                connection.execute(self._rows[name], {"rows": array(rows)})

    def _whole(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value for every declared column: what is not in *document* is removed."""
        return {name: document.get(name) for name in self.columns.declared}

    def _touched(self, change: Change) -> dict[str, Any]:
        """Return the columns that *change* touches."""
        removed = self.columns.declared.keys() - change.keep if change.replace else change.removes
        return dict.fromkeys(removed) | dict(change.sets)

    def _row(self, key: str, values: Mapping[str, Any]) -> str:
        parts = key_values(self._collection, key)
        members = {
            column.name: column.text(part)
            for column, part in zip(self.columns.key, parts, strict=True)
        }
        for name, value in values.items():
            if name in self.columns.declared:
                members[name] = self.columns.declared[name].text(value)
        return json_object(members)


def _memory_of(delta: Delta) -> Memory:
    return Memory(delta.base, {name: write.stamp for name, write in delta.writes.items()})


def _memory_members(record: Record, memory: Memory, *, gone: bool) -> dict[str, str]:
    return {**names(record), "gone": json.dumps(gone), **remembered(memory)}


def _patched(delta: Delta) -> dict[str, Any]:
    return {name: write.value for name, write in delta.writes.items()}


def _slots(collection: Collection, columns: Columns) -> dict[str, sql.Composable]:
    key = [_identifier(column.name) for column in columns.key]
    declared = [_identifier(name) for name in columns.declared]
    update = statement("tables", "put_update", assignments=_each("assign_excluded", declared))
    given = [
        statement("tables", "assign_given", column=_identifier(name), name=_literal(name))
        for name in columns.declared
    ]
    # A table that has nothing but its key has nothing to assign: assign the key to itself.
    kept = _each("assign_key", key)
    return {
        "table": _identifier(*(collection.table or "").split(".")),
        "columns": _COMMA.join([*key, *declared]),
        "values": _each("value", [*key, *declared]),
        "key": _COMMA.join(key),
        "match": _each("same_key", key, joiner=sql.SQL(" AND ")),
        "put_action": update if declared else statement("tables", "put_nothing"),
        "patch_columns": _COMMA.join(given) if given else kept,
    }


def _identifier(*parts: str) -> sql.Identifier:
    """Return an identifier for a statement with parameters, where a percent sign begins one."""
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))


def _literal(text: str) -> sql.Literal:
    return sql.Literal(text.replace("%", "%%"))


def _each(
    name: str, columns: Iterable[sql.Identifier], *, joiner: sql.SQL = _COMMA
) -> sql.Composed:
    return joiner.join([statement("tables", name, column=column) for column in columns])
