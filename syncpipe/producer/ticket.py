"""What the client knows of an operation until it is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.producer.receipt import Receipt

if TYPE_CHECKING:
    from syncpipe.errors import SyncpipeError


class Ticket(Receipt, eq=False, kw_only=True):
    """An operation on its way: its receipt, and what is needed until it is settled."""

    #: Bytes of its operation.
    size: int
    #: Copies that are neither confirmed nor given up.
    missing: int
    #: Epoch of its acceptance, see `tally`.
    epoch: int
    #: Monotonic seconds after which no further try may begin.
    try_until: float
    #: Why a copy was given up.
    given_up: SyncpipeError | None = None
