"""The audit in the table ``audit``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql
from psycopg.pq import TransactionStatus

from syncpipe.core.audit import Act, Head, Record
from syncpipe.core.chain import key_id, sealed
from syncpipe.errors import AuditKeyDiffers, AuditKeyMissing
from syncpipe.store.audit import Wanted
from syncpipe.store.postgres.filtering import storable
from syncpipe.store.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from syncpipe.store.postgres.connections import Connections

#: Ids that an act names, of what it has changed.
MOST_NAMED = 100
#: Entries that are read at once.
_PART = 1000


def append(connection: psycopg.Connection[Any], schema: str, key: bytes | None, act: Act) -> Head:
    """Write down *act* within the transaction of *connection*; return the end of the chain then.

    Call it last: whoever else writes down anything waits until the transaction ends.

    Raises:
        AuditKeyMissing: *key* is None.
        AuditKeyDiffers: the last entry was made with another one.
        psycopg.Error: the database refuses it, or does not answer.

    """
    key = require_key(key, act)
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        raise ValueError("An act is written down in the transaction that does it.")
    slot = sql.Identifier(schema)
    connection.execute(statement("audit", "lock"), {"schema": schema})
    last, last_key_id, now_ms = _last(connection, schema)
    if last_key_id not in {None, key_id(key)}:
        raise AuditKeyDiffers(
            f"The audit's entry {last.number} was made with the key {last_key_id}, and the "
            f"configuration has {key_id(key)}."
        )
    record = sealed(act, after=last, at_ms=now_ms, key=key)
    connection.execute(statement("audit", "insert", schema=slot), _row(record))
    return record.head


def require_key(key: bytes | None, act: Act) -> bytes:
    """Return *key*, without which *act* is not done. Raises AuditKeyMissing."""
    if key is None:
        raise AuditKeyMissing(f"{act.verb} was refused: it could not be audited.")
    return key


class PostgresAudit:
    """Keeps what people did; implements the port `Audit`."""

    def __init__(self, connections: Connections, schema: str, key: bytes | None) -> None:
        """Use *connections* to the store with the tables in *schema*; *key* is the chain's."""
        self._connections = connections
        self._schema = schema
        self._key = key
        slots = {"schema": sql.Identifier(schema), "entry": statement("audit", "entry")}
        self._part, self._latest = (
            statement("audit", name, **slots) for name in ("part", "latest")
        )

    def write(self, act: Act) -> Head:
        """Write down an act that changes nothing in the store, as `Audit.write` promises."""
        with self._connections.current() as connection, connection.transaction():
            return append(connection, self._schema, self._key, act)

    def records(self) -> Iterator[Record]:
        """Yield all entries, the oldest first."""
        after: int | None = None
        while True:
            with self._connections.current() as connection:
                arguments = {"after": after, "limit": _PART}
                rows = connection.execute(self._part, arguments).fetchall()
            if not rows:
                return
            yield from map(_record, rows)
            after = rows[-1][0]

    def latest(
        self, wanted: Wanted | None = None, *, limit: int, before: int | None = None
    ) -> list[Record]:
        """Return up to *limit* entries that are wanted, the newest first."""
        names = asdict(wanted or Wanted())
        arguments = {n: storable(v) if isinstance(v, str) else v for n, v in names.items()}
        arguments |= {"limit": limit, "before": before}
        with self._connections.current() as connection:
            return [_record(row) for row in connection.execute(self._latest, arguments)]

    def head(self) -> Head:
        """Return the end of the chain."""
        with self._connections.current() as connection:
            return _last(connection, self._schema)[0]


def _last(connection: psycopg.Connection[Any], schema: str) -> tuple[Head, str | None, int]:
    """Return the end of the chain, which key it was made with, and the store's clock in ms."""
    query = statement("audit", "last", schema=sql.Identifier(schema))
    row = cast("tuple[int, str, str | None, int]", connection.execute(query).fetchone())
    return Head(row[0], row[1]), row[2], row[3]


def _row(record: Record) -> dict[str, Any]:
    act = record.act
    return {
        "number": record.number,
        "at_ms": record.at_ms,
        "actor": act.actor,
        "verb": act.verb,
        "subject": act.subject,
        "reason": act.reason,
        "details": json.dumps(act.details, sort_keys=True),
        "key_id": record.key_id,
        "mac": record.mac,
    }


def _record(row: Sequence[Any]) -> Record:
    number, at_ms, actor, verb, subject, reason, details, of_key, mac = row
    act = Act(actor, verb, subject, reason, _details(details))
    return Record(number, at_ms, act, of_key, mac)


def _details(text: str) -> Any:
    """Return what *text* says; as it is, where it is nothing that we have written."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
