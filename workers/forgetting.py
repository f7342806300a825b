"""Deletes what nobody needs any more: dead letters that were put away long ago, and old replays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.core.audit import Act
from workers.periodic import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.store.store import OnCallStore
    from workers.station import Station

#: Seconds until the first look, and between two.
_FIRST_S, _EVERY_S = 60.0, 3600.0
#: Dead letters, and replays, that one transaction deletes: each has an entry in the audit.
_LETTERS, _REPLAYS = 5_000, 50
_DAY_S = 86400.0


def forgetting(station: Station) -> list[Periodic]:
    """Return the job that does it, in one process for all that live.

    None without a store, or where everything is kept; and none without a key of the audit, as what
    cannot be audited is not done.
    """
    store, settings = station.store, station.parts.settings
    if store is None or not settings.store.discarded_keep_s or not settings.audit.key:
        return []

    def forget() -> None:
        _forget(station, store, settings.store.discarded_keep_s)

    troubles = station.troubles
    return [Periodic("forget", forget, every_s=_EVERY_S, first_s=_FIRST_S, troubles=troubles)]


def _forget(station: Station, store: OnCallStore, keep_s: float) -> None:
    """Delete it, part by part. Raises StoreError, and AuditKeyDiffers."""
    reason = f"It was kept for {keep_s / _DAY_S:g} days, as [store] discarded_keep_s says."
    put_away = Act(station.name, "dlq.purge", "state:discarded,resolved,edited", reason)
    ended = Act(station.name, "replay.purge", "state:finished,cancelled", reason)

    def letters() -> int:
        return store.triage.forget(put_away, keep_s=keep_s, limit=_LETTERS)

    def replays() -> int:
        return store.replays.forget(ended, keep_s=keep_s, limit=_REPLAYS)

    forgotten = {"letters": _all(station, letters, _LETTERS)}
    forgotten["replays"] = _all(station, replays, _REPLAYS)
    if any(forgotten.values()):
        station.say("forgotten", **forgotten)


def _all(station: Station, forget: Callable[[], int], most: int) -> int:
    """Call *forget* until it finds fewer than *most*, while this process leads; return the sum."""
    number, last = 0, most
    while last == most and station.assignment.leads:
        last = forget()
        number += last
    return number
