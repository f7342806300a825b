"""The named SQL statements in ``sql/``; the slot ``{schema}`` is the store's schema."""

from __future__ import annotations

from syncpipe.database.statements import Statements

#: Returns a statement by file and name, with its slots filled.
statement = Statements(__package__)
