"""The mixed workload: the demonstration's stream, made before the clock runs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from syncpipe.app import Client
from syncpipe.demo.feed import Feeder
from syncpipe.demo.oracle import compare
from syncpipe.errors import DeliveryTimeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.app import App
    from syncpipe.demo.oracle.rows import ActualRow

_SEED = 1


class Mixture:
    """Upserts, patches, increments and deletes; some late, some sent again."""

    def __init__(self, app: App, count: int) -> None:
        """Make *count* operations and what is sent again of them."""
        self._app = app
        self._feeder = Feeder(app, lambda _: None)
        self._drafts = list(self._feeder.drafts(count, _SEED))
        #: Distinct operations.
        self.operations = count
        #: The process that sends: this one.
        self.pid = os.getpid()

    def send(self) -> int:
        """Send everything; return the Unix milliseconds of the first."""
        first_ms = time.time_ns() // 1_000_000
        with Client(self._app.settings) as client:
            receipt = client.send_many(self._drafts)
            unconfirmed = client.flush()
        if receipt.faults:
            raise receipt.faults[0].error
        if unconfirmed:
            raise DeliveryTimeout(f"{unconfirmed} operations were not confirmed.")
        return first_ms

    def wrong_rows(self, rows: Iterable[ActualRow]) -> int:
        """Return how many of *rows* are not as the oracle says."""
        return compare(self._feeder.oracle.expected(), rows).mismatches
