"""Two workers that deliver a history and check what becomes of it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from syncpipe.core.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncpipe.core.operation import Operation
    from syncpipe.core.outcome import Result
    from syncpipe.targets.target import Target
    from tests.integration.targets.histories import Delivery
    from tests.integration.targets.places import Place

EFFECTIVE = {Outcome.APPLIED, Outcome.MERGED}


class Workers:
    """Two workers with a target each, and a connection that reads what they did."""

    def __init__(
        self,
        place: Place,
        targets: Sequence[Target],
        threads: ThreadPoolExecutor,
        reader: psycopg.Connection,
    ) -> None:
        self._place = place
        self._targets = targets
        self._threads = threads
        self._reader = reader

    def deliver(self, delivery: Delivery) -> list[Outcome]:
        """Deliver, check that nothing was applied twice, and return every outcome."""
        run = self._threads.map if delivery.at_once else map
        done = run(self._work, self._targets, delivery.batches)
        results = [result for of_worker in done for result in of_worker]
        applied = Counter((r.operation.key, r.operation.id) for r in results if _applied(r))
        assert not [place for place, times in applied.items() if times > 1]
        return [result.outcome for result in results]

    def check(self, delivery: Delivery) -> None:
        """Deliver, compare the rows, deliver everything again, and compare once more."""
        self.deliver(delivery)
        self._compare(delivery)
        again = self._place.apply(*delivery.history, by=self._targets[0])
        assert not [result for result in again if result.outcome in EFFECTIVE]
        self._compare(delivery)

    def _work(self, target: Target, batches: list[list[Operation]]) -> list[Result]:
        return [result for batch in batches for result in self._place.apply(*batch, by=target)]

    def _compare(self, delivery: Delivery) -> None:
        rows = self._place.rows_on(self._reader, delivery.keys)
        assert rows == self._place.reference(delivery.history)
        assert rows == self._place.oracle(delivery.history)


def _applied(result: Result) -> bool:
    return result.outcome is Outcome.APPLIED


@contextmanager
def two_workers(place: Place, targets: Sequence[Target] | None = None) -> Iterator[Workers]:
    """Two workers on *place*, with targets of their own unless *targets* are given."""
    targets = targets or (place.another(), place.another())
    with ThreadPoolExecutor(2) as threads, psycopg.connect(place.dsn, autocommit=True) as reader:
        yield Workers(place, targets, threads, reader)
    for target in targets:
        target.close()
