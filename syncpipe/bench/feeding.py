"""Processes that feed PostgreSQL directly: ``python -m syncpipe.bench.feeding``.

They take a way (limit or raw), the configuration, and the name of a workload.
*limit* gives decoded batches to our own target, without broker, envelopes and checks. *raw* is a
loop around one guarded statement per batch, with nothing of ours in it. Each is told once what to
prepare, ``[start, stop, part, parts]``, and then to go.
"""

from __future__ import annotations

import gc
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import psycopg

from syncpipe.app import build
from syncpipe.bench.child import serve
from syncpipe.bench.workloads import WORKLOADS
from syncpipe.core.lines import carried
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.version import at_milliseconds
from syncpipe.demo.oracle.rows import ActualRow, decoded_document
from syncpipe.demo.stage import PLAYGROUND, TARGET
from syncpipe.pipeline.isolation import MOST_TOGETHER
from syncpipe.settings import load
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncpipe.app import App
    from syncpipe.bench.workloads import Document
    from syncpipe.core.operation import Data
    from syncpipe.targets.postgres.options import PostgresOptions

_ID_RANDOM_BITS = 74
_ROWS_PER_FETCH = 1000
#: Key, number and document of an operation.
Numbered = tuple[str, int, "Document"]


class Way(Protocol):
    """A way into PostgreSQL."""

    def prepare(self, operations: list[Numbered]) -> Any:
        """Return what `write` takes for one batch."""
        ...

    def write(self, batch: Any) -> None:
        """Write one batch and return when it is durable."""
        ...


class Limit:
    """Our own target."""

    def __init__(self, app: App) -> None:
        """Apply to the only target of *app*."""
        self._app = app
        self._collection = app.settings.collections[PLAYGROUND]
        self._target = app.target(TARGET)
        self._first = at_milliseconds(app.clock.now_ms())

    def prepare(self, operations: list[Numbered]) -> list[Group]:
        """Return the groups of a batch, as the fold stage makes them."""
        records: dict[str, list[Operation]] = {}
        documents = carried([document for _, _, document in operations])
        for (key, number, _), document in zip(operations, documents, strict=True):
            records.setdefault(key, []).append(self._operation(key, number, document))
        return [Group(self._collection, key, tuple(each)) for key, each in records.items()]

    def write(self, batch: list[Group]) -> None:
        """Apply it, with the question for the time that comes before."""
        self._target.apply(batch, now_ms=self._target.now_ms())

    def _operation(self, key: str, number: int, document: Data) -> Operation:
        id_ = uuid7(self._app.clock.now_ms(), self._app.random.bits(_ID_RANDOM_BITS))
        version = self._first + number
        return Operation(id_, Kind.UPSERT, PLAYGROUND, key, version, document)


class Raw:
    """A bare connection."""

    def __init__(self, app: App) -> None:
        """Write to a table of its own in the database of the only target of *app*."""
        options = cast("PostgresOptions", app.settings.targets[TARGET])
        self._put = text_of("raw_put")
        self._connection = psycopg.connect(options.dsn, autocommit=True)
        self._connection.execute(text_of("raw_table"))

    def prepare(self, operations: list[Numbered]) -> list[dict[str, object]]:
        """Return the rows of a batch, of each record the newest."""
        rows = {key: (number, document) for key, number, document in operations}
        return [
            {"key": key, "version": number + 1, "document": document}
            for key, (number, document) in rows.items()
        ]

    def write(self, batch: list[dict[str, object]]) -> None:
        """Write it with one statement."""
        self._connection.execute(self._put, {"records": json.dumps(batch)})


_WAYS: dict[str, Callable[[App], Way]] = {"limit": Limit, "raw": Raw}


class Feeder:
    """Prepares batches, then writes them."""

    def __init__(self, way: Way, workload: str) -> None:
        """Feed operations of *workload* in batches of as many as our own apply stage writes."""
        self._way = way
        self._workload = WORKLOADS[workload]
        self._batches: list[Any] = []

    def act(self, order: list[int] | str) -> str:
        """Prepare what *order* says, or go."""
        if isinstance(order, str):
            for batch in self._batches:
                self._way.write(batch)
            return "done"
        self._batches = [self._way.prepare(batch) for batch in self._cut(*order)]
        # What is prepared would in truth not be there: it must not cost the collector anything.
        gc.collect()
        gc.freeze()
        return "prepared"

    def _cut(self, start: int, stop: int, part: int, parts: int) -> Iterator[list[Numbered]]:
        pairs = enumerate(self._workload.operations(start, stop), start)
        mine: Iterable[Numbered] = (
            (key, number, document)
            for number, (key, document) in pairs
            if _part(key, parts) == part
        )
        mine = iter(mine)
        while batch := list(itertools.islice(mine, MOST_TOGETHER)):
            yield batch


def rows(dsn: str) -> Iterator[ActualRow]:
    """Read what the bare loop has written."""
    with psycopg.connect(dsn) as connection, connection.cursor(name="raw") as cursor:
        cursor.itersize = _ROWS_PER_FETCH
        for collection, key, document in cursor.execute(text_of("raw_rows")):
            yield ActualRow(collection, key, decoded_document(document))


def text_of(statement: str) -> bytes:
    """Return one of the statements beside this file."""
    return Path(__file__).with_name(f"{statement}.sql").read_bytes()


def main(way: str, config: str, workload: str) -> None:
    """Serve until stdin ends."""
    app = build(load(Path(config), environ={}).settings)
    feeder = Feeder(_WAYS[way](app), workload)
    serve(feeder.act)


def _part(key: str, parts: int) -> int:
    """Return which process a record belongs to: as with lanes, always the same."""
    return int(key) % parts


if __name__ == "__main__":
    main(*sys.argv[1:])
