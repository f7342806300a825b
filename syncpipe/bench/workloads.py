"""What the benchmark sends: real reports as documents, under keys that make a workload. Pure."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from syncpipe.demo.dataset import strikes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncpipe.demo.oracle.rows import ActualRow

Document = dict[str, Any]
#: Records of the hot workload, and the exponent of Zipf's law over them.
_HOT_KEYS, _HOT_EXPONENT = 10_000, 1.1
#: Keys that are drawn at once: drawing them one by one would take longer than sending.
_DRAWN = 10_000
#: Bytes of JSON of a wide document, at least.
_WIDE_BYTES = 4096
#: The documents of a workload; then they begin again, each with another number in it.
POOL = 10_000


@dataclass(frozen=True, slots=True)
class Workload:
    """Upserts: which records they are on, and what they set."""

    #: Its name.
    name: str
    #: One line of meaning.
    meaning: str
    #: The documents that take turns.
    pool: Callable[[], tuple[Document, ...]]
    #: The keys, without end, the same each time; None: every operation has a key of its own.
    drawn_keys: Callable[[], Iterator[str]] | None = None

    def keys(self, start: int = 0) -> Iterator[str]:
        """Yield the key of each operation from *start* on, without end."""
        if self.drawn_keys:
            return itertools.islice(self.drawn_keys(), start, None)
        return (f"{number:08d}" for number in itertools.count(start))

    def document(self, number: int) -> Document:
        """Return what the operation *number* sets; no two are equal."""
        pool = self.pool()
        return {**pool[number % len(pool)], "n": number}

    def operations(self, start: int, stop: int) -> Iterator[tuple[str, Document]]:
        """Yield key and document of the operations from *start* to *stop*."""
        pool = self.pool()
        size = len(pool)
        numbers = range(start, stop)
        for number, key in zip(numbers, self.keys(start), strict=False):
            yield key, {**pool[number % size], "n": number}

    def wrong_rows(self, rows: Iterable[ActualRow], count: int) -> int:
        """Return how many of *rows* are not what the first *count* operations leave, or missing."""
        newest = self._newest(count) if self.drawn_keys else None
        missing = count if newest is None else len(newest)
        wrong = 0
        for row in rows:
            number = int(row.key_text) if newest is None else newest.get(row.key_text, -1)
            if not 0 <= number < count or row.document != self.document(number):
                wrong += 1
            missing -= 1
        return wrong + abs(missing)

    def _newest(self, count: int) -> dict[str, int]:
        """Return the last operation of each record."""
        return {key: number for number, key in enumerate(itertools.islice(self.keys(), count))}


@cache
def _reports() -> tuple[Document, ...]:
    return tuple({**asdict(strike), "day": strike.day.isoformat()} for strike in strikes()[:POOL])


@cache
def _collections_of_reports() -> tuple[Document, ...]:
    """Return documents that hold as many reports as it takes to be wide."""
    reports = itertools.cycle(_reports())
    documents = []
    for _ in range(POOL // 10):
        members: list[Document] = []
        while len(json.dumps(members)) < _WIDE_BYTES:
            members.append(next(reports))
        documents.append({"reports": members})
    return tuple(documents)


def _zipf_keys() -> Iterator[str]:
    """Yield keys of which few are frequent; equally many are drawn in each process."""
    draw = random.Random(_HOT_KEYS)  # noqa: S311 - the same draw each time, not a secret
    names = [f"{number:05d}" for number in range(_HOT_KEYS)]
    weights = list(itertools.accumulate(1 / (n + 1) ** _HOT_EXPONENT for n in range(_HOT_KEYS)))
    while True:
        yield from draw.choices(names, cum_weights=weights, k=_DRAWN)


DISTINCT = Workload(
    "distinct", "documents of about 250 bytes, each under a key of its own", _reports
)
HOT = Workload(
    "hot", "the same documents on 10,000 records, by Zipf's law (1.1)", _reports, _zipf_keys
)
WIDE = Workload("wide", "documents of 4 KiB, each under a key of its own", _collections_of_reports)
#: The workloads of upserts, by name.
WORKLOADS = {workload.name: workload for workload in (DISTINCT, HOT, WIDE)}
