"""Series of backlogs in which one thing grows: does an operation cost the same all along?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.bench.cells import of_backlogs
from syncpipe.bench.place import Layout, order
from syncpipe.bench.workloads import DISTINCT
from syncpipe.demo.oracle import actual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from syncpipe.bench.measured import Measured
    from syncpipe.bench.place import Place
    from syncpipe.demo.oracle.rows import ActualRow

#: What grows, and what a place has other than usual where it has grown to so many. Backlogs grow
#: by themselves.
SERIES: dict[str, Callable[[int], Layout]] = {
    "backlog": lambda _: Layout(),
    "collections": lambda many: Layout(collections=tuple(f"c{n:03d}" for n in range(many))),
    "processes": lambda many: Layout(processes=many),
    "lanes": lambda many: Layout(lanes=many),
}
#: A small backlog comes so often that there is something to measure, but not more often than that.
_MOST_TIMES = 10
#: Settings of a client that fills its envelopes, however many lanes there are: an envelope costs
#: the same whatever it holds.
_PATIENT = ("client.linger_ms=10_000", "client.buffer_max_bytes=268_435_456")


def measure_point(here: Place, series: str, size: int) -> Measured:
    """Measure the point of *series* where it has grown to *size*."""
    scale = here.scale
    count = size if series == "backlog" else scale.operations(series)
    times = min(max(scale.operations("backlog") // count, 1), _MOST_TIMES)
    first = scale.sample
    with here.producer(DISTINCT.name, *_PATIENT) as producer:
        order(producer, do="send", start=0, stop=first)
        here.hire()
        here.drain()
        starts = range(first, first + times * count, count)
        drained = [here.backlog(producer, start, start + count) for start in starts]
    rows = _at_home(actual(here.stage.services.dsn), here.layout.collections)
    return of_backlogs(
        drained,
        wrong_rows=DISTINCT.wrong_rows(rows, first + times * count),
        peak_rss_mb=here.workers_rss_mb(),
    )


def _at_home(rows: Iterable[ActualRow], collections: Sequence[str]) -> Iterator[ActualRow]:
    """Yield *rows*; one that is not in the collection it was sent to has no document."""
    many = len(collections)
    for row in rows:
        home = not many or row.collection == collections[int(row.key_text) % many]
        yield row if home else row._replace(document=None)
