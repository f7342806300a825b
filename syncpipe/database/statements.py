"""The named SQL statements in the folder ``sql/`` of a package, with slots filled."""

from __future__ import annotations

import functools
import importlib.resources
import re
from typing import TYPE_CHECKING, LiteralString, cast

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Statements:
    """The statements of one package."""

    def __init__(self, package: str) -> None:
        """Read those beside the modules of *package*, each file when it is first needed."""
        self._folder = importlib.resources.files(package).joinpath("sql")
        self.texts = functools.cache(self._texts)

    def __call__(self, file: str, name: str, /, **slots: sql.Composable) -> sql.Composed:
        """Return the statement *name* of ``sql/<file>.sql`` with its *slots* filled."""
        return sql.SQL(self.texts(file)[name]).format(**slots)

    def _texts(self, file: str) -> Mapping[str, LiteralString]:
        """Return the statements of ``sql/<file>.sql`` by name."""
        source = self._folder.joinpath(f"{file}.sql").read_text(encoding="utf-8")
        pieces = _NAME.split(source)
        # The files ship with the package, so what they hold is as literal as a string in the code.
        return {
            name: cast("LiteralString", body.strip().rstrip(";"))
            for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
        }
