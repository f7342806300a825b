"""Packing: what travels together is bounded in number and bytes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def parts(
    members: Iterable[T], *, size_of: Callable[[T], int], most: int, most_bytes: int
) -> Iterator[list[T]]:
    """Yield *members* in parts of at most *most* and *most_bytes*, at least one in each."""
    part: list[T] = []
    bytes_ = 0
    for each in members:
        size = size_of(each)
        if part and (len(part) == most or bytes_ + size > most_bytes):
            yield part
            part, bytes_ = [], 0
        part.append(each)
        bytes_ += size
    if part:
        yield part
