"""A condition that survives exceptions from signal handlers."""

from __future__ import annotations

import threading


class Condition(threading.Condition):
    """A condition to be entered by its `lock`: ``with condition.lock:``.

    Entering the condition itself runs a Python frame that already holds the lock and is not yet in
    the ``with`` block. A Ctrl-C that arrives there leaves the lock taken for ever, and whoever
    sends in a loop is there often.
    """

    def __init__(self, lock: threading.RLock | None = None) -> None:
        """Share *lock* with other conditions, or have one of its own."""
        #: The lock, to be held around `wait` and `notify_all`.
        self.lock = lock or threading.RLock()
        super().__init__(self.lock)
