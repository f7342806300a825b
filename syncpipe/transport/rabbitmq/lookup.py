"""Questions that know no deadline, such as for the address of a name, asked with one."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Answer = TypeVar("_Answer")


class Lookup(Generic[_Answer]):
    """Asks in a thread of its own, and waits no longer than told.

    Who asks while a question is open waits for the same answer, so that one that nobody answers
    costs one thread, which keeps no process from ending. Thread-safe, and usable after a fork.
    """

    def __init__(self, ask: Callable[[], _Answer]) -> None:
        """Prepare to call *ask*."""
        self._ask = ask
        self._open: tuple[int, Future[_Answer]] | None = None

    def answer(self, *, timeout_s: float) -> _Answer:
        """Return the answer, or raise what asking raised; ``TimeoutError`` if there is none yet."""
        pid, asked = self._open or (None, None)
        if asked is None or pid != os.getpid() or asked.done():
            asked = self._begin()
        try:
            return asked.result(timeout_s)
        except TimeoutError as error:
            raise TimeoutError(str(error) or "no answer in time") from error

    def _begin(self) -> Future[_Answer]:
        asked: Future[_Answer] = Future()
        self._open = (os.getpid(), asked)
        name = "syncpipe-lookup"
        threading.Thread(target=self._run, args=(asked,), name=name, daemon=True).start()
        return asked

    def _run(self, asked: Future[_Answer]) -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            asked.set_exception(error)
