"""Tells Flower, and whoever else listens to Celery's events, of dead letters: masked."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from syncpipe.core.masking import masked_reason
from syncpipe.errors import BrokerUnavailable
from workers.task import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.core.deadletter import DeadLetter

#: Type of the event; Flower shows what is behind the hyphen as the task's state, in capitals.
EVENT = "task-deadlettered"
#: Seconds for connecting to the broker.
_CONNECT_S = 3.0
#: Seconds for which nothing is told after the broker has not taken it: recording must go on.
_REST_S = 10.0


class Teller:
    """Sends an event for each dead letter, over a connection of its own. For one thread."""

    def __init__(self, app: Any, name: str, clock: Clock) -> None:
        """Send in the *name* of this process; *app* is Celery's."""
        self._app = app
        self._name = name
        self._clock = clock
        self._rest_until = 0.0
        self._connection: Any = None

    def tell(self, letters: Sequence[DeadLetter]) -> None:
        """Send an event for each of *letters*, all in one message, unless that has failed lately.

        Raises:
            BrokerUnavailable: the broker does not take it; it may be told or not.

        """
        if not letters or self._clock.monotonic() < self._rest_until:
            return
        try:
            with self._dispatcher(len(letters)) as dispatcher:
                for letter in letters:
                    dispatcher.send(EVENT, **fields(letter))
                dispatcher.flush()
        except Exception as fault:  # every transport has errors of its own
            self._rest_until = self._clock.monotonic() + _REST_S
            self._disconnect()
            reason = str(fault).rstrip(".")
            raise BrokerUnavailable(f"Flower could not be told: {reason}.") from fault

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is broken already
                connection.release()

    def _dispatcher(self, most: int) -> Any:
        if self._connection is None:
            self._connection = self._app.connection_for_write(connect_timeout=_CONNECT_S)
        self._connection.ensure_connection(max_retries=0)
        return self._app.events.Dispatcher(
            self._connection,
            self._name,
            buffer_while_offline=False,
            buffer_group={"task"},
            buffer_limit=most + 1,
        )


def fields(letter: DeadLetter) -> dict[str, str]:
    """Return what is told of *letter*: nothing of what is in it."""
    return {
        "uuid": letter.operation_id or letter.id,
        "name": NAME,
        "exception": masked_reason(letter),
        "result": letter.id,
        "routing_key": letter.queue,
        "args": "",
        "kwargs": "",
    }
