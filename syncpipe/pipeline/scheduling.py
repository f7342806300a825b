"""Keeps in the schedule what is to be tried later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.pipeline.patience import Patience
    from syncpipe.store.schedule import Entry, Schedule


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Writes entries into a schedule. Thread-safe."""

    #: The schedule.
    schedule: Schedule
    #: Asks the store that it is in.
    patience: Patience

    def keep(self, entries: Sequence[Entry]) -> StoreError | None:
        """Schedule *entries*, all or none; return why it could not be done, if so."""
        try:
            self.patience.ask(lambda: self.schedule.put(entries))
        except StoreError as error:
            return error
        return None
