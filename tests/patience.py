"""Bounded waiting: for what other processes do, and no test can be told about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two looks, at least and at most; in between nine times as long as a look takes,
#: so that looking does not slow down whom it waits for.
_LEAST_S, _MOST_S, _REST = 0.02, 0.2, 9


def eventually(look: Callable[[], object], *, within_s: float = 120.0, what: str = ""):
    """Call *look* until it returns something true, and return that; fail when it never does."""
    deadline = time.monotonic() + within_s
    while True:
        began = time.monotonic()
        seen = look()
        if seen:
            return seen
        ended = time.monotonic()
        if ended > deadline:
            raise AssertionError(f"still {seen!r} after {within_s:g} s, in vain for: {what}")
        time.sleep(min(_MOST_S, max(_LEAST_S, _REST * (ended - began))))
