"""The named SQL statements in ``sql/``, with slots filled by identifiers."""

from __future__ import annotations

import functools
import importlib.resources
import re
from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@functools.cache
def texts(file: str) -> Mapping[str, LiteralString]:
    """Return the statements of ``sql/<file>.sql`` by name."""
    source = importlib.resources.files(__package__).joinpath("sql", f"{file}.sql")
    pieces = _NAME.split(source.read_text(encoding="utf-8"))
    # The files ship with the package, so what they hold is as literal as a string in the code.
    return {
        name: cast("LiteralString", body.strip().rstrip(";"))
        for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def statement(file: str, name: str, /, **slots: sql.Composable) -> sql.Composed:
    """Return the statement *name* of ``sql/<file>.sql`` with its *slots* filled."""
    return sql.SQL(texts(file)[name]).format(**slots)


def own_tables(schema: str) -> dict[str, sql.Identifier]:
    """Return the slots for syncpipe's own tables in *schema*."""
    names = ("documents", "records", "increments", "collections")
    return {"schema": sql.Identifier(schema)} | {n: sql.Identifier(schema, n) for n in names}
