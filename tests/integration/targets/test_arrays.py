from __future__ import annotations

import psycopg
import pytest

from syncpipe.core.version import MAX_VERSION
from syncpipe.targets.postgres.arrays import Bigints, Same, Texts


@pytest.fixture
def connection(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "members",
    [
        ["a"],
        [None],
        ["", None, "NULL", '{"a": "\\\\,}"}', " ключ\n\t'"],
        ["x" * 100_000] * 3,
        [None] * 3000,
    ],
)
def test_texts_arrive_as_they_are(connection, members):
    query = "SELECT pg_typeof(%(members)s)::text, %(members)s"
    encoded = [None if member is None else member.encode() for member in members]
    assert connection.execute(query, {"members": Texts(encoded)}).fetchone() == ("text[]", members)


@pytest.mark.parametrize("member", ["", None, "a", " ключ"])
@pytest.mark.parametrize("number", [1, 3000])
def test_what_is_the_same_arrives_as_often(connection, member, number):
    query = "SELECT pg_typeof(%(members)s)::text, %(members)s"
    same = Same(None if member is None else member.encode(), number)
    row = connection.execute(query, {"members": same}).fetchone()
    assert row == ("text[]", [member] * number)


@pytest.mark.parametrize("members", [[0], [MAX_VERSION, -1, 1, -MAX_VERSION - 1], [*range(3000)]])
def test_bigints_arrive_as_they_are(connection, members):
    query = "SELECT pg_typeof(%(members)s)::text, %(members)s"
    row = connection.execute(query, {"members": Bigints(members)}).fetchone()
    assert row == ("bigint[]", members)


def test_a_text_that_postgresql_cannot_hold_is_refused_as_data(connection):
    with pytest.raises(psycopg.DataError) as refusal:
        connection.execute("SELECT %(members)s", {"members": Texts([b"a\0b"])})
    assert refusal.value.sqlstate == "22021"
