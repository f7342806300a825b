"""An outage of the target in the middle of a run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.supervisor import Supervisor

#: What the supervisor calls the target's server.
_SERVER = "postgres"


class Outage:
    """Stops PostgreSQL, and starts it again after a while. Whoever leaves it cuts it short."""

    def __init__(
        self, supervisor: Supervisor, seconds: float, say: Callable[[str], object]
    ) -> None:
        """Prepare one of so many *seconds*, of which *say* hears; with 0 nothing is stopped."""
        self.seconds = seconds
        self._supervisor = supervisor
        self._say = say
        self._cut_short = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="outage", daemon=True)

    def __enter__(self) -> Self:
        """Do nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave PostgreSQL stopped if it is, because the run has failed."""
        self._cut_short.set()
        if self._thread.ident is not None:
            self._thread.join()

    def begin(self) -> None:
        """Stop PostgreSQL; return when it has ended. It comes back by itself."""
        if self.seconds:
            self._supervisor.pause(_SERVER)
            self._say(f"stopped PostgreSQL for {self.seconds:g} s")
            self._thread.start()

    def over(self) -> None:
        """Return when PostgreSQL serves again. Raises ChildFailed if it does not."""
        if self.seconds:
            self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        if self._cut_short.wait(self.seconds):
            return
        try:
            self._supervisor.resume(_SERVER)
        except Exception as fault:  # noqa: BLE001 - it is raised where somebody waits
            self._fault = fault
        else:
            self._say("PostgreSQL is back")
