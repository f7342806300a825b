"""Bounded waiting: for what other processes do, and no test can be told about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(look: Callable[[], object], *, within_s: float = 60.0):
    """Call *look* until it returns something true, and return that; fail when it never does."""
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"still {seen!r} after {within_s:g} s")
        time.sleep(0.02)
