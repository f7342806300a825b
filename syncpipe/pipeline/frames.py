"""Lets go of what errors hold beside their words.

An error that is kept holds the frames in which it was raised, those hold the whole batch, and the
batch holds the error. Nothing of such a circle is free before the garbage collector looks, which it
seldom does in a worker: what is large in it are texts and bytes, and those it does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def let_go(errors: Iterable[BaseException | None]) -> None:
    """Have *errors*, and what caused them, hold no frames any more."""
    left = [error for error in errors if error is not None]
    seen: set[int] = set()
    while left:
        error = left.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = None
        left += [each for each in (error.__cause__, error.__context__) if each is not None]
