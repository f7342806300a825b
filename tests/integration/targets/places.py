"""Where target tests apply operations and read what became of them, the same for both modes."""

from __future__ import annotations

import dataclasses
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from psycopg import sql

from syncpipe.core import reference
from syncpipe.core.collection import Collection
from syncpipe.core.operation import KINDS, Operation
from syncpipe.core.version import at_milliseconds
from syncpipe.demo.oracle import HistoryEntry, decoded_document, expected
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from syncpipe.core.outcome import Outcome, Result
    from syncpipe.targets.target import Target

#: What the tests say the target's clock shows, milliseconds.
NOW_MS = 1_800_000_000_000
#: Versions so young that the fast path may take them.
YOUNG = at_milliseconds(NOW_MS)
#: Versions that only the merging path takes.
OLD = at_milliseconds(NOW_MS - 15 * 3600 * 1000)
#: Columns of the plain table.
PLAIN_COLUMNS = {"a": "bigint", "b": "numeric", "c": "jsonb"}

_numbers = itertools.count(1)


def operation(
    kind: str, key: str, version: int, data: Mapping[str, Any] | None = None, *, id_: int = 0
) -> Operation:
    """One operation on ``notes``; its id is new unless *id_* is given."""
    id_bytes = (id_ or next(_numbers)).to_bytes(16, "big")
    return Operation(id_bytes, KINDS[kind], "notes", key, version, data)


def new_key(prefix: str = "k") -> str:
    """A key that no other test uses."""
    return f"{prefix}{next(_numbers)}"


def groups(collection: Collection, batch: Iterable[Operation]) -> list[Group]:
    """The batch by record: each id once, in version order."""
    members: dict[str, dict[bytes, Operation]] = {}
    for member in batch:
        members.setdefault(member.key, {})[member.id] = member
    return [
        Group(collection, key, tuple(sorted(unique.values(), key=lambda o: o.stamp)))
        for key, unique in members.items()
    ]


def typed(value: Any) -> Any:
    """The value with its type, because ``True == 1`` and ``1 == Decimal(1)``."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


@dataclasses.dataclass
class Place:
    """A target with one collection, ``notes``, in document mode or, with a table, in table mode."""

    dsn: str
    collection: Collection
    target: PostgresTarget
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Whether the target can tell what it has applied.
    remembers: ClassVar[bool] = True

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Somebody else's transaction that holds the record."""
        table = sql.Identifier("syncpipe", "records" if self.columns else "documents")
        query = sql.SQL("SELECT FROM {} WHERE key = %s FOR UPDATE").format(table)
        with psycopg.connect(self.dsn) as connection:
            connection.execute(query, [key])
            yield

    def apply(
        self, *batch: Operation, by: Target | None = None, now_ms: int = NOW_MS
    ) -> list[Result]:
        """Apply a batch and check that each operation has one result."""
        grouped = groups(self.collection, batch)
        results = (by or self.target).apply(grouped, now_ms=now_ms)
        ids = sorted((o.key, o.id) for group in grouped for o in group.operations)
        assert sorted((r.operation.key, r.operation.id) for r in results) == ids
        return results

    def outcomes(self, *batch: Operation, now_ms: int = NOW_MS) -> list[Outcome]:
        """The outcomes of a batch, in its order."""
        results = self.apply(*batch, now_ms=now_ms)
        by_id = {(r.operation.key, r.operation.id): r.outcome for r in results}
        return [by_id[o.key, o.id] for o in batch]

    def another(self, **options: Any) -> PostgresTarget:
        """Another worker's target; the caller closes it."""
        return _target(self.dsn, self.collection, **options)

    def rows(self, keys: Iterable[str]) -> dict[str, Any]:
        """The stored records of *keys*, None where there is none; comparable with `meant`."""
        with psycopg.connect(self.dsn) as connection:
            return self.rows_on(connection, keys)

    def rows_on(self, connection: psycopg.Connection, keys: Iterable[str]) -> dict[str, Any]:
        """As `rows`, on a connection that is open."""
        keys = list(keys)
        found = dict.fromkeys(keys)
        if not self.columns:
            query = "SELECT key, document::text FROM syncpipe.documents WHERE key = ANY(%s)"
            for key, document in connection.execute(query, [keys]):
                found[key] = None if document is None else typed(decoded_document(document))
            return found
        for key, *values in connection.execute(self._select(), [keys]):
            pairs = zip(self.columns.items(), values, strict=True)
            found[key] = {
                name: typed(decoded_document(value)) if type_ == "jsonb" else value
                for (name, type_), value in pairs
                if value is not None
            }
        return found

    def meant(self, document: Mapping[str, Any] | None) -> Any:
        """What should be stored of a record's *document*."""
        if document is None or not self.columns:
            return typed(document) if document is not None else None
        return {
            name: typed(value) if self.columns[name] == "jsonb" else value
            for name, value in document.items()
            if value is not None
        }

    def reference(self, history: Iterable[Operation]) -> dict[str, Any]:
        """What the reference fold makes of a history, by key."""
        records: dict[str, list[Operation]] = {}
        for member in history:
            records.setdefault(member.key, []).append(member)
        return {key: self.meant(reference.fold(members)) for key, members in records.items()}

    def oracle(self, history: Iterable[Operation]) -> dict[str, Any]:
        """What the independent oracle makes of a history, by key."""
        entries = [
            HistoryEntry(o.collection, o.key, o.kind.word, *o.stamp, o.uuid, o.data)
            for o in history
        ]
        return {
            key: self.meant(record.document if record.exists else None)
            for (_, key), record in expected(entries).items()
        }

    def _select(self) -> sql.Composed:
        columns = [
            sql.SQL("{}::text" if type_ == "jsonb" else "{}").format(sql.Identifier(name))
            for name, type_ in self.columns.items()
        ]
        return sql.SQL("SELECT id, {} FROM public.notes WHERE id = ANY(%s)").format(
            sql.SQL(", ").join(columns)
        )


@contextmanager
def document_place(dsn: str, **declared: Any) -> Iterator[Place]:
    """Document mode in the database at *dsn*."""
    collection = Collection("notes", ("test",), **declared)
    with _opened(Place(dsn, collection, _target(dsn, collection))) as place:
        yield place


@contextmanager
def table_place(
    dsn: str, columns: Mapping[str, str] | None = None, **declared: Any
) -> Iterator[Place]:
    """Table mode in the database at *dsn*, on a new table ``public.notes``."""
    columns = columns or PLAIN_COLUMNS
    collection = Collection("notes", ("test",), table="public.notes", **declared)
    defined = "".join(f", {name} {type_}" for name, type_ in columns.items())
    execute(dsn, f"CREATE TABLE public.notes (id text PRIMARY KEY{defined})")
    with _opened(Place(dsn, collection, _target(dsn, collection), columns)) as place:
        yield place


PLACES = {"document": document_place, "table": table_place}


def execute(dsn: str, *statements: str) -> None:
    """Run statements, as an outside writer does."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def _target(dsn: str, collection: Collection, **options: Any) -> PostgresTarget:
    return PostgresTarget(PostgresOptions("test", dsn, **options), {collection.name: collection})


@contextmanager
def _opened(place: Place) -> Iterator[Place]:
    place.target.init()
    try:
        yield place
    finally:
        place.target.close()
