"""The oracle reads a real table and sees what is altered, added or left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from syncpipe.demo.oracle import HistoryEntry, actual, compare, expected
from syncpipe.demo.stream import operations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.demo.oracle import ExpectedRecord, Place, Verdict

TABLE = ("syncpipe", "documents")
HISTORY = [
    HistoryEntry(op.collection, str(op.key), op.kind, op.position, 0, str(op.position), op.data)
    for op in operations(2_000, seed=11)
]


@dataclass(frozen=True, slots=True)
class DocumentTable:
    """A document-mode table that holds what the history makes of it."""

    dsn: str

    def create(self) -> None:
        """Make the empty table."""
        self.execute("CREATE SCHEMA syncpipe")
        self.execute(
            "CREATE TABLE {} (collection text, key text, document jsonb, version bigint NOT NULL,"
            " tie bigint NOT NULL, detail jsonb, PRIMARY KEY (collection, key))"
        )

    def fill(self, records: Iterable[tuple[Place, ExpectedRecord]]) -> None:
        """Insert the records; the row of one that does not exist keeps a NULL document."""
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.executemany(
                _on_table("INSERT INTO {} VALUES (%s, %s, %s::jsonb, 1, 0, NULL)"),
                [(*place, _encoded(record)) for place, record in records],
            )

    def execute(self, statement: str, *values: object) -> int:
        """Run a statement with the table's name in it; return the number of rows."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(_on_table(statement), values).rowcount

    def verdict(self) -> Verdict:
        """Return what the oracle says of the table."""
        return compare(expected(HISTORY), actual(self.dsn, TABLE))


def _on_table(statement: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(*TABLE))


def _encoded(record: ExpectedRecord) -> str | None:
    return json.dumps(record.document, default=_tagged) if record.exists else None


def _tagged(value: object) -> str:
    match value:
        case Decimal():
            return f"~f{value}"
        case datetime():
            return f"~t{value.isoformat()}"
    raise TypeError(value)


@pytest.fixture
def table(dsn: str) -> DocumentTable:
    made = DocumentTable(dsn)
    made.create()
    return made


@pytest.fixture
def right(table: DocumentTable) -> DocumentTable:
    """A table with the right rows."""
    table.fill(expected(HISTORY).items())
    return table


def test_the_right_rows_are_right_to_the_last_value(right: DocumentTable) -> None:
    verdict = right.verdict()

    assert verdict.records > 500
    assert (verdict.mismatches, verdict.lost) == (0, 0)


def test_one_altered_value_is_one_mismatch(right: DocumentTable) -> None:
    altered = right.execute(
        "UPDATE {0} SET document = document || '{{\"strikes\": -1}}' WHERE ctid ="
        " (SELECT ctid FROM {0} WHERE document ? 'strikes' LIMIT 1)"
    )

    verdict = right.verdict()

    assert altered == 1
    assert (verdict.mismatches, len(verdict.wrong)) == (1, 1)
    assert (verdict.wrong[0].field, verdict.wrong[0].actual) == ("strikes", "-1")


def test_one_added_row_is_one_mismatch_and_nothing_lost(right: DocumentTable) -> None:
    right.execute("INSERT INTO {} VALUES ('airports', 'NOWHERE', '{{}}', 1, 0, NULL)")

    verdict = right.verdict()

    assert (verdict.mismatches, verdict.lost) == (1, 0)
    assert verdict.extra[0].key == "NOWHERE"


def test_one_removed_row_is_one_mismatch_and_loses_its_operations(right: DocumentTable) -> None:
    right.execute(
        "DELETE FROM {0} WHERE ctid = (SELECT ctid FROM {0} WHERE document IS NOT NULL LIMIT 1)"
    )

    verdict = right.verdict()

    assert (verdict.mismatches, len(verdict.missing)) == (1, 1)
    assert verdict.lost >= 1


def test_an_emptied_row_does_not_exist(right: DocumentTable) -> None:
    emptied = right.execute("UPDATE {} SET document = NULL WHERE document IS NOT NULL")

    verdict = right.verdict()

    assert verdict.mismatches == verdict.records == emptied


def test_a_json_null_is_a_row_with_a_wrong_document(right: DocumentTable) -> None:
    right.execute(
        "UPDATE {0} SET document = 'null' WHERE ctid ="
        " (SELECT ctid FROM {0} WHERE document IS NOT NULL LIMIT 1)"
    )

    assert len(right.verdict().wrong) == 1


def test_an_envelope_that_never_arrived_is_lost(table: DocumentTable) -> None:
    arrived = HISTORY[:1_000] + HISTORY[1_100:]
    table.fill(expected(arrived).items())

    verdict = table.verdict()

    assert 1 <= verdict.lost <= 100
    assert verdict.mismatches >= 1


@pytest.mark.parametrize("kind", ["upsert", "patch", "increment", "delete"])
def test_the_loss_of_one_operation_that_matters_is_seen_as_one(
    table: DocumentTable, kind: str
) -> None:
    newest = {(one.collection, one.key_text): one for one in sorted(HISTORY, key=_version)}
    dropped = next(one for one in newest.values() if one.kind == kind and _count(one) > 1)
    table.fill(expected(one for one in HISTORY if one != dropped).items())

    verdict = table.verdict()

    assert (verdict.mismatches, verdict.lost) == (1, 1)


def _version(entry: HistoryEntry) -> int:
    return entry.version


def _count(entry: HistoryEntry) -> int:
    """Return how many operations the entry's record has."""
    return sum(one[:2] == entry[:2] for one in HISTORY)
