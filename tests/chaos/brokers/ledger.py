"""What was sent, what arrived, and the judgement over both. The judgement is pure."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that a worker has processed a message."""

    #: Number of the message.
    number: int
    #: Name of the worker.
    worker: str
    #: Unix seconds.
    at: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was injected, or should have been."""

    #: Whether it is proven to have hit what it was meant for; what is not proven is unknown.
    proven: bool
    #: Seconds until all was well again, infinity if never; None where nothing was waited for.
    recovery_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one cell of the table."""

    #: Messages whose producer was told that they are safe.
    acknowledged: int
    #: Faults that were injected and proven.
    faults: int
    #: Acknowledged messages that were never processed.
    lost: int
    #: Times that a message was processed again.
    duplicated: int
    #: Faults of which nobody can tell what they hit.
    unknown: int
    #: Effects on the target that came more than once; None where there is no target.
    repeated_effects: int | None
    #: Messages that were processed though nobody had sent them.
    strangers: int
    #: Longest recovery, seconds; infinity if one never came, None if none was measured.
    worst_recovery_s: float | None
    #: The first few of those lost, for whoever looks for them.
    examples: tuple[int, ...] = ()


def judge(
    *,
    attempted: Iterable[int],
    acknowledged: Iterable[int],
    delivered: Mapping[int, int],
    faults: Sequence[Fault],
    repeats: int | None = None,
) -> Tally:
    """Compare what was sent with what arrived.

    *delivered* says how often each message was processed. With *repeats* it counts effects on a
    target that refuses repeats, and *repeats* says how many that target has refused.
    """
    safe = set(acknowledged)
    lost = sorted(safe - set(delivered))
    again = sum(times - 1 for times in delivered.values())
    proven = [fault for fault in faults if fault.proven]
    measured = [fault.recovery_s for fault in proven if fault.recovery_s is not None]
    return Tally(
        acknowledged=len(safe),
        faults=len(proven),
        lost=len(lost),
        duplicated=again + (repeats or 0),
        unknown=len(faults) - len(proven),
        repeated_effects=None if repeats is None else again,
        strangers=len(set(delivered) - safe - set(attempted)),
        worst_recovery_s=max(measured, default=None),
        examples=tuple(lost[:5]),
    )


def count(deliveries: Iterable[Delivery]) -> Counter[int]:
    """Return how often each message was processed."""
    return Counter(delivery.number for delivery in deliveries)


def recovery_s(
    deliveries: Iterable[Delivery], wanted: Iterable[int], *, since: float
) -> float | None:
    """Return the seconds from *since* until all of *wanted* had been processed; None if not yet."""
    first: dict[int, float] = {}
    for each in deliveries:
        first[each.number] = min(each.at, first.get(each.number, math.inf))
    needed = [first.get(number, math.inf) for number in wanted]
    latest = max(needed, default=since)
    return None if math.isinf(latest) else max(0.0, latest - since)


def all_back_s(
    deliveries: Iterable[Delivery], workers: Iterable[str], *, after: int, since: float
) -> float | None:
    """Return the seconds from *since* until each of *workers* had processed something new.

    New is a message whose number is above *after*. None if one of them has not yet.
    """
    first = dict.fromkeys(workers, math.inf)
    for each in deliveries:
        if each.number > after and each.worker in first:
            first[each.worker] = min(each.at, first[each.worker])
    latest = max(first.values())
    return None if math.isinf(latest) else max(0.0, latest - since)


class Book:
    """A file of lines that processes append to and others read: what is written stays written."""

    def __init__(self, path: Path) -> None:
        """Open the file at *path*, made if it is missing."""
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._rest = b""
        self._offset = 0

    def write(self, *words: object, sync: bool = False) -> None:
        """Append a line that ends in the time; with *sync* it outlives the machine."""
        line = " ".join(map(str, (*words, time.time())))
        os.write(self._file, f"{line}\n".encode())
        if sync:
            os.fsync(self._file)

    def news(self) -> list[list[str]]:
        """Return the words of all lines that were completed since the last call."""
        while data := os.pread(self._file, 1 << 20, self._offset):
            self._offset += len(data)
            self._rest += data
        whole, _, self._rest = self._rest.rpartition(b"\n")
        return [line.split() for line in whole.decode().splitlines()]


class Numbers:
    """The messages that a producer has written into a book, as far as they were read."""

    def __init__(self, path: Path) -> None:
        """Read the book at *path*."""
        self._book = Book(path)
        self._known: set[int] = set()

    def read(self) -> set[int]:
        """Return all numbers."""
        self._known.update(int(words[0]) for words in self._book.news())
        return self._known
