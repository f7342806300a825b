"""Histories of one record, written by hand."""

from __future__ import annotations

from typing import Literal

from syncpipe.demo.oracle import HistoryEntry

Kind = Literal["upsert", "patch", "delete", "increment"]
#: The only record.
PLACE = ("airports", "ORD")


def entry(kind: Kind, version: int, tie: int = 0, **data: object) -> HistoryEntry:
    """Return one operation on the record; its id tells its kind and version."""
    id_ = f"{kind}@{version}.{tie}" if tie else f"{kind}@{version}"
    return HistoryEntry(*PLACE, kind, version, tie, id_, None if kind == "delete" else data)
