"""The tasks that our messages name."""

from __future__ import annotations

import time
from typing import Any

from celery import Task
from celery.exceptions import Reject

from syncpipe.transport.broker import DEAD_TASK

#: Name of the task of envelopes.
NAME = "syncpipe.apply"
#: Seconds to wait before a message goes back that reached a worker without our strategy.
_PAUSE_S = 1.0


class _Ours(Task):  # type: ignore[misc, unused-ignore]
    """A task whose strategy does it, long before a body would run."""

    acks_late = True
    ignore_result = True

    def run(self, *_: Any, **__: Any) -> None:
        """Send the message back: whoever runs this body does not know what to do with it."""
        time.sleep(_PAUSE_S)
        raise Reject("the message needs the strategy of syncpipe's workers", requeue=True)


class Apply(_Ours):
    """Applies the operations of envelopes."""

    name = NAME
    Strategy = "workers.strategy:batching"


class Record(_Ours):
    """Records dead letters in the store."""

    name = DEAD_TASK
    Strategy = "workers.strategy:recording"
