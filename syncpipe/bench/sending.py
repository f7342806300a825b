"""The producer of the benchmark, a process of its own: ``python -m syncpipe.bench.sending``.

It takes the configuration, the name of a workload, names of collections with commas between them
(none: the one that the demonstration has for this), and settings of the client as TOML texts. Each
thing to do is one JSON object, see `Producer`.
"""

from __future__ import annotations

import gc
import itertools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncpipe.app import Client
from syncpipe.bench.child import serve
from syncpipe.bench.workloads import WORKLOADS
from syncpipe.demo.stage import PLAYGROUND
from syncpipe.errors import DeliveryTimeout
from syncpipe.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncpipe.bench.workloads import Document, Workload

#: Operations that are given to the client at once.
_PAGE = 1000
_NS_PER_S = 1_000_000_000
_PERCENT = 0.99
#: Seconds after a flush within which a receipt is told of everything.
_TOLD_S = 60.0


class Producer:
    """Sends operations of one workload through one client."""

    def __init__(self, client: Client, workload: Workload, collections: Sequence[str]) -> None:
        """Send through *client* what *workload* says; *collections* take turns."""
        self._client = client
        self._workload = workload
        self._collections = collections
        workload.pool()  # what it takes to read the reports is no part of any measurement
        self._verbs: dict[str, Callable[..., dict[str, float]]] = {
            "send": self.send,
            "upsert": self.upsert,
            "pace": self.pace,
            "single": self.single,
            "call": self.call,
            "bulk": self.bulk,
        }

    def act(self, order: dict[str, Any]) -> dict[str, float]:
        """Do what *order* names in ``do``, with its other members as arguments."""
        return self._verbs[order.pop("do")](**order)

    def send(self, start: int, stop: int) -> dict[str, float]:
        """Send in bulk as fast as it goes, and wait until everything is confirmed."""
        first_ms = _now_ms()
        first = start % len(self._collections)
        turns = itertools.islice(itertools.cycle(self._collections), first, None)
        pairs = self._workload.operations(start, stop)
        drafts = (
            (collection, key, document)
            for (key, document), collection in zip(pairs, turns, strict=False)
        )
        self._confirmed(drafts)
        return {"first_ms": first_ms, "confirmed_ms": _now_ms()}

    def upsert(self, start: int, stop: int) -> dict[str, float]:
        """Do the same with a call for each operation."""
        first_ms = _now_ms()
        for key, document in self._workload.operations(start, stop):
            self._client.upsert(PLAYGROUND, key, document)
        self._flush()
        return {"first_ms": first_ms, "confirmed_ms": _now_ms()}

    def pace(self, start: int, stop: int, per_s: float) -> dict[str, float]:
        """Send at an even rate."""
        first_ms = _now_ms()
        began = time.perf_counter()
        for number, pair in enumerate(self._workload.operations(start, stop)):
            ahead_s = began + number / per_s - time.perf_counter()
            if ahead_s > 0:
                time.sleep(ahead_s)
            self._client.upsert(PLAYGROUND, *pair)
        self._flush()
        return {"first_ms": first_ms, "confirmed_ms": _now_ms()}

    def single(self, start: int, seconds: float) -> dict[str, float]:
        """Send one operation at a time, each when the one before is confirmed."""
        until = time.perf_counter() + seconds
        first_ms, number = _now_ms(), start
        for key, document in self._workload.operations(start, sys.maxsize):
            if time.perf_counter() > until:
                break
            self._client.upsert(PLAYGROUND, key, document)
            self._flush()
            number += 1
        return {"first_ms": first_ms, "confirmed_ms": _now_ms(), "stop": number}

    def call(self, start: int, stop: int) -> dict[str, float]:
        """Send documents that are there already; return what the calls alone take."""
        pairs = list(self._workload.operations(start, stop))
        gc.collect()
        spent: list[int] = []
        upsert, clock = self._client.upsert, time.perf_counter_ns
        began = clock()
        for key, document in pairs:
            before = clock()
            upsert(PLAYGROUND, key, document)
            spent.append(clock() - before)
        buffered_s = (clock() - began) / _NS_PER_S
        self._flush()
        confirmed_s = (clock() - began) / _NS_PER_S
        return {
            "calls_per_s": len(pairs) / buffered_s,
            "confirmed_per_s": len(pairs) / confirmed_s,
            "call_p99_us": sorted(spent)[int(len(spent) * _PERCENT)] / 1000,
        }

    def bulk(self, start: int, stop: int) -> dict[str, float]:
        """Send documents that are there already in bulk; return how many are confirmed."""
        pairs = list(self._workload.operations(start, stop))
        gc.collect()
        began = time.perf_counter()
        self._confirmed((PLAYGROUND, *pair) for pair in pairs)
        return {"bulk_per_s": len(pairs) / (time.perf_counter() - began)}

    def _confirmed(self, drafts: Iterator[tuple[str, str, Document]]) -> None:
        """Send *drafts*, so many at a time, and wait until the last one is confirmed."""
        batches = []
        while page := list(itertools.islice(drafts, _PAGE)):
            batches.append(self._client.send_many(page))
        self._flush()
        for batch in batches:
            if not batch.wait(_TOLD_S).ok:
                raise batch.faults[0].error

    def _flush(self) -> None:
        unconfirmed = self._client.flush()
        if unconfirmed:
            raise DeliveryTimeout(f"{unconfirmed} operations were not confirmed.")


def main(config: str, workload: str, collections: str, *overrides: str) -> None:
    """Serve until stdin ends."""
    settings = load(Path(config), environ={}, overrides=overrides).settings
    with Client(settings) as client:
        names = collections.split(",") if collections else [PLAYGROUND]
        producer = Producer(client, WORKLOADS[workload], names)
        gc.collect()
        gc.freeze()  # the reports are not to be looked at again and again, as they are not of peers
        serve(producer.act)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main(*sys.argv[1:])
