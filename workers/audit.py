"""Tells the log how the audit ends, so that what is cut off there later can be noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.periodic import Periodic

if TYPE_CHECKING:
    from syncpipe.core.audit import Head
    from syncpipe.store.store import OnCallStore
    from workers.station import Station

#: Seconds between two looks.
_EVERY_S = 30.0


def telling(station: Station) -> list[Periodic]:
    """Return the job that does it, in one process for all that live; none without a store."""
    if station.store is None:
        return []
    teller = _Teller(station, station.store)
    return [Periodic("audit", teller.look, every_s=_EVERY_S, troubles=station.troubles)]


class _Teller:
    """Tells each end once."""

    def __init__(self, station: Station, store: OnCallStore) -> None:
        self._station = station
        self._store = store
        self._told: Head | None = None

    def look(self) -> None:
        """Look at the end, and tell it if it is another than before. Raises StoreError."""
        if not self._station.assignment.leads:
            return
        head = self._store.audit.head()
        if head != self._told and head.number:
            self._station.say("audit-head", number=head.number, mac=head.mac)
        self._told = head
