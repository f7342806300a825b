"""How somebody wants a replay to go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.errors import NotPossible
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

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            NotPossible: one is none that a replay can have.

        """
        if self.limit is not None and self.limit < 1:
            raise NotPossible("A replay takes one dead letter at least.")
        if self.rate is not None and self.rate <= 0:
            raise NotPossible("The rate of a replay is above 0 operations a second.")
        if self.canary < 0 or not 0 <= self.stop_on_error_rate <= 1:
            raise NotPossible("A canary is 0 or more letters, a share of errors 0 to 1.")

    def order(self, chosen: Selection) -> Order:
        """Return what a replay of those *chosen* is to do."""
        return Order(chosen.filter, chosen.text, **asdict(self))

    def details(self) -> dict[str, Any]:
        """Return it as the audit remembers it."""
        return asdict(self)
