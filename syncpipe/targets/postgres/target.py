"""A PostgreSQL database as a target."""

from __future__ import annotations

import contextlib
import itertools
import operator
import threading
from typing import TYPE_CHECKING, Any

import psycopg

from syncpipe.core import delta as deltas
from syncpipe.core.collection import VersionSource
from syncpipe.core.delta import BASES
from syncpipe.core.outcome import Outcome, Result
from syncpipe.core.version import at_milliseconds
from syncpipe.database import session
from syncpipe.errors import TargetBusy, TargetError, TargetUnavailable, TooSlow
from syncpipe.targets.postgres import horizon, installation
from syncpipe.targets.postgres.columns import read_columns, refusal
from syncpipe.targets.postgres.connections import Connections
from syncpipe.targets.postgres.documents import Documents
from syncpipe.targets.postgres.merging import Merging, written_results
from syncpipe.targets.postgres.payload import record_of
from syncpipe.targets.postgres.statements import statement
from syncpipe.targets.postgres.tables import Table
from syncpipe.targets.target import Group, Judgement

if TYPE_CHECKING:
    from collections.abc import Collection as Keys
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.core.delta import Delta
    from syncpipe.targets.postgres.options import PostgresOptions
    from syncpipe.targets.target import Check, Collected, Description, Present

#: Operations younger than this cannot lie below any floor: no horizon is shorter than twice this.
_YOUNG_MS = 12 * 3600 * 1000
_collection, _operations = operator.attrgetter("collection"), operator.attrgetter("operations")


class PostgresTarget:
    """Applies operations to a PostgreSQL database; implements the port `Target`."""

    def __init__(self, options: PostgresOptions, collections: Mapping[str, Collection]) -> None:
        """Prepare for *collections*, those that this target takes; nothing is opened yet."""
        self.name = options.name
        self._options = options
        self._collections = collections
        self._connections = Connections(options)
        self._documents = Documents(options.schema)
        self._merging = Merging(options.schema)
        self._tables: dict[str, Table] = {}
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        """Return the database's clock, milliseconds since the Unix epoch."""
        with self._connections.connection() as connection:
            return session.now_ms(connection)

    def ping(self) -> None:
        """Return if the database answers on a new connection."""
        self._connections.probe()

    def apply(self, groups: Sequence[Group], *, now_ms: int) -> list[Result]:
        """Apply operations as `Target.apply` promises."""
        with self._connection() as connection:
            results: list[Result] = []
            for layout, members in self._by_layout(connection, groups).items():
                results += self._apply(connection, layout, members, now_ms)
            return results

    def apply_each(self, groups: Sequence[Group], *, now_ms: int) -> list[Judgement]:
        """Apply each group for itself as `Target.apply_each` promises, each under a savepoint.

        There is one transaction for each table, so that rows are locked in key order within each.
        """
        with self._connection() as connection:
            answers: list[Judgement] = []
            for layout, members in self._by_layout(connection, groups).items():
                answers += self._pass(connection, layout, members, now_ms)
                if _ends_pass(answers[-1]):
                    break
            return answers

    def seen(self, groups: Sequence[Group]) -> set[bytes]:
        """Return the ids that are known to have been applied, as `Target.seen` promises."""
        with self._connections.connection() as connection:
            return self._merging.seen(connection, groups)

    def read(self, collection: Collection, keys: Sequence[str]) -> dict[str, Present]:
        """Return the records of *keys* as they are now, as `Target.read` promises."""
        with self._connection() as connection:
            return self._layout(connection, collection).present(connection, collection, keys)

    def init(self) -> list[str]:
        """Make syncpipe's own tables; may run again and again. Returns their names."""
        with self._connections.connection() as connection:
            return installation.install(connection, self._options.schema)

    def test(self) -> list[Check]:
        """Check that everything operations need is there, writing nothing that stays."""
        return installation.check(self._connections, self._options, self._collections.values())

    def describe(self) -> list[Description]:
        """Return what each collection may write."""
        with self._connections.connection() as connection:
            return [installation.describe(connection, c) for c in self._collections.values()]

    def collect(self, collection: Collection, *, keep: Keys[str] = ()) -> Collected:
        """Forget what is older than the collection's horizon, except for the keys in *keep*."""
        with self._connections.connection() as connection:
            return horizon.collect(connection, self._options.schema, collection, keep)

    def close(self) -> None:
        """Give back connections. Idempotent."""
        self._connections.close()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection to apply with."""
        try:
            with self._connections.connection() as connection:
                yield connection
        except TargetError:
            self._forget_tables()  # a column may have been added or dropped
            raise

    def _pass(
        self,
        connection: psycopg.Connection[Any],
        layout: Documents | Table,
        groups: Sequence[Group],
        now_ms: int,
    ) -> list[Judgement]:
        """Apply *groups*, which are some, in one transaction; what is refused leaves no trace."""
        answers: list[Judgement] = []
        with connection.transaction():
            for group in sorted(groups, key=record_of):
                answers.append(self._answer(connection, layout, group, now_ms))
                if _ends_pass(answers[-1]):
                    break
        return answers

    def _answer(
        self,
        connection: psycopg.Connection[Any],
        layout: Documents | Table,
        group: Group,
        now_ms: int,
    ) -> Judgement:
        try:
            with connection.transaction():
                results = self._apply(connection, layout, (group,), now_ms)
                connection.execute(statement("passes", "check_now"))
        except psycopg.Error as fault:
            error = self._connections.translated(fault)
            if connection.closed or isinstance(error, TargetUnavailable):
                raise
            self._forget_tables()
            return Judgement(group, error=error)
        return Judgement(group, results)

    def _apply(
        self,
        connection: psycopg.Connection[Any],
        layout: Documents | Table,
        groups: Sequence[Group],
        now_ms: int,
    ) -> list[Result]:
        """Write what fits the layout and is newest; merge what is not, or what increments."""
        results: list[Result] = []
        if isinstance(layout, Table):
            groups, results = _fitting(layout, groups)
        return results + self._write(connection, layout, groups, now_ms)

    def _write(
        self,
        connection: psycopg.Connection[Any],
        layout: Documents | Table,
        groups: Sequence[Group],
        now_ms: int,
    ) -> list[Result]:
        """Write what is newest at once; merge what is not, or what increments."""
        whole: list[Group] = []
        partial: list[tuple[Group, Delta]] = []
        rest: list[Group] = []
        young: dict[str, int] = {}
        for group in groups:
            name = group.collection.name
            if name not in young:
                young[name] = _young_from(group.collection, now_ms)
            newest = group.operations[-1]
            if newest.kind in BASES and newest.version >= young[name]:
                whole.append(group)
            elif delta := _newest_candidate(group, young[name]):
                partial.append((group, delta))
            else:
                rest.append(group)
        left = layout.write_newest(connection, whole, partial)
        written = [*whole, *(group for group, _ in partial)]
        if left:
            rest += [group for group in written if record_of(group) in left]
            written = [group for group in written if record_of(group) not in left]
        results = written_results(map(_operations, written))
        if rest:
            results += self._merging.apply(connection, layout, rest)
        return results

    def _by_layout(
        self, connection: psycopg.Connection[Any], groups: Iterable[Group]
    ) -> dict[Documents | Table, list[Group]]:
        parts: dict[Documents | Table, list[Group]] = {}
        for collection, members in itertools.groupby(groups, key=_collection):
            parts.setdefault(self._layout(connection, collection), []).extend(members)
        return parts

    def _layout(
        self, connection: psycopg.Connection[Any], collection: Collection
    ) -> Documents | Table:
        if collection.table is None:
            return self._documents
        with self._lock:
            table = self._tables.get(collection.name)
        if table is None:
            table = Table(self._options.schema, collection, read_columns(connection, collection))
            with self._lock:
                self._tables[collection.name] = table
        return table

    def _forget_tables(self) -> None:
        with self._lock:
            self._tables.clear()


def _ends_pass(answer: Judgement) -> bool:
    """Return whether others would have to wait, with what they wrote locked, for more like it."""
    return isinstance(answer.error, TargetBusy | TooSlow)


def _young_from(collection: Collection, now_ms: int) -> int:
    """Return the version from which on an operation cannot lie below the floor of *collection*."""
    if collection.version is not VersionSource.HLC:
        return 0
    young_ms = min(_YOUNG_MS, collection.horizon_s * 1000 // 2)
    return at_milliseconds(max(now_ms - young_ms, 0))


def _newest_candidate(group: Group, young: int) -> Delta | None:
    """Return the group's delta if the fast path may try it.

    Increments need the ledger. What is older than the version *young* may lie below the floor,
    which only the merging path reads, under its lock.
    """
    delta = deltas.fold(group.operations)
    if delta.increments:
        return None
    oldest = delta.oldest if delta.writes else delta.base
    return None if oldest.version < young else delta


def _fitting(table: Table, groups: Iterable[Group]) -> tuple[list[Group], list[Result]]:
    """Return the groups without operations that do not fit the columns, and those as dead."""
    fitting: list[Group] = []
    refused: list[Result] = []
    for group in groups:
        faults = {o.id: why for o in group.operations if (why := table.columns.fault(o))}
        refused += [
            Result(o, Outcome.DEAD, refusal(o, faults[o.id]))
            for o in group.operations
            if o.id in faults
        ]
        if left := tuple(o for o in group.operations if o.id not in faults):
            fitting.append(Group(group.collection, group.key, left))
    return fitting, refused
