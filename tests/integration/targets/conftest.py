"""Fixtures of the tests of targets."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import conninfo

from tests.integration.targets.places import OLD, YOUNG, execute
from tests.integration.targets.user_tables import UserTable


@pytest.fixture(params=[YOUNG, OLD], ids=["young", "old"])
def at(request):
    return request.param


@pytest.fixture
def opened(module_dsn):
    """Open user tables in an empty database."""
    # The server's role is named like our schema, which would come first.
    dsn = conninfo.make_conninfo(module_dsn, options="-csearch_path=public")
    tables = []

    def open_table(definition, table="public.things", **declared):
        execute(dsn, *definition.split(";"))
        tables.append(UserTable(dsn, table, **declared))
        return tables[-1]

    yield open_table
    for table in tables:
        table.target.close()
    schemas = {"public", *(table.collection.table.split(".")[0] for table in tables)}
    quoted = [psycopg.sql.Identifier(schema).as_string() for schema in schemas]
    own = ", ".join(f"syncpipe.{name}" for name in ("records", "increments", "collections"))
    execute(
        dsn,
        *(f"DROP SCHEMA {name} CASCADE" for name in quoted),
        "CREATE SCHEMA public",
        f"TRUNCATE {own}",
    )
