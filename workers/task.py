"""The task that envelopes name."""

from __future__ import annotations

import time
from typing import Any

from celery import Task
from celery.exceptions import Reject

#: Name of the task.
NAME = "syncpipe.apply"
#: Seconds to wait before a message goes back that reached a worker without our strategy.
_PAUSE_S = 1.0


class Apply(Task):  # type: ignore[misc, unused-ignore]
    """Applies the operations of envelopes; its strategy does, long before a body would run."""

    name = NAME
    Strategy = "workers.strategy:batching"
    acks_late = True
    ignore_result = True

    def run(self, *_: Any, **__: Any) -> None:
        """Send the message back: whoever runs this body does not know how to apply it."""
        time.sleep(_PAUSE_S)
        raise Reject("an envelope needs the strategy of syncpipe's workers", requeue=True)
