"""What outlives a call: objects to renew in a forked child, and to finish at interpreter exit."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from typing import Protocol


class Renewable(Protocol):
    """Something with locks or threads that a forked child does not have."""

    def renew(self) -> None:
        """Start afresh in the child, where no other thread runs."""
        ...


class Finishable(Protocol):
    """Something with work that must not be lost at exit."""

    def finish(self) -> None:
        """Do what is left to do, within a deadline of its own."""
        ...


_LOG = logging.getLogger(__name__)
_RENEWABLE: weakref.WeakSet[Renewable] = weakref.WeakSet()
_FINISHABLE: weakref.WeakSet[Finishable] = weakref.WeakSet()


def renew_after_fork(thing: Renewable) -> None:
    """Call ``thing.renew()`` in every child forked while *thing* lives."""
    _RENEWABLE.add(thing)


def finish_at_exit(thing: Finishable) -> None:
    """Call ``thing.finish()`` at interpreter exit if *thing* still lives.

    Threads still run then. Children of multiprocessing finish as well, although they end by
    ``os._exit``; other children of ``os.fork`` that end so do not.
    """
    _FINISHABLE.add(thing)


def _renew_all() -> None:
    for thing in list(_RENEWABLE):
        thing.renew()
    forking = sys.modules.get("multiprocessing.util")
    if forking is not None:
        # Its children have an end of their own instead of an interpreter exit, and forget what was
        # registered for it before the fork, right after this: so it is registered when they run.
        forking.register_after_fork(_FINISHER, _Finisher.register)


class _Finisher:
    """Registers the finish in a child of multiprocessing."""

    def register(self) -> None:
        """Have everything finished when the child ends."""
        sys.modules["multiprocessing.util"].Finalize(None, _finish_all, exitpriority=100)


_FINISHER = _Finisher()


def _finish_all() -> None:
    for thing in list(_FINISHABLE):
        try:
            thing.finish()
        except Exception:  # noqa: BLE001 - the others have work that must not be lost, too
            _LOG.exception("What was left to do at exit failed.")


os.register_at_fork(after_in_child=_renew_all)
atexit.register(_finish_all)
