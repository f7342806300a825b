"""How somebody wants a replay to go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from syncpipe.store.replays import Order

if TYPE_CHECKING:
    from syncpipe.deadletters.selecting import Selection


@dataclass(frozen=True, slots=True)
class Pace:
    """How a replay goes; see `Order` for what each means."""

    #: Most dead letters that it takes; None: all.
    limit: int | None = None
    #: Most operations a second; None: as fast as the targets take them.
    rate: float | None = None
    #: How many go first, and must end well.
    canary: int = 0
    #: Share of failures above which it pauses itself.
    stop_on_error_rate: float = 0.05
    #: Whether operations get a new version.
    as_of_now: bool = False

    def order(self, chosen: Selection) -> Order:
        """Return what a replay of those *chosen* is to do.

        Raises:
            NotPossible: one of the numbers is none that a replay can have.

        """
        return Order(chosen.filter, chosen.text, **asdict(self))
