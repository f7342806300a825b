"""Worker processes on two targets and a store, a client, and what may be asked about them."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from syncpipe import app as wiring
from syncpipe.core.filtering import ALL
from syncpipe.core.routing import DEAD_QUEUE, queues_of
from syncpipe.settings import load
from syncpipe.supervisor import Command, Supervisor
from tests.chaos.processes import until
from tests.resumable import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.store.deadletters import Kept
    from tests.chaos.targets.ground import Ground

#: Seconds after which what did not happen never will.
PATIENCE_S = 120.0
#: Seconds between two looks.
_LOOK_S = 0.1
_CONFIG = """
shards = 4
[broker]
url = "{broker}"
[store]
dsn = "{store}"
connect_timeout_s = 2
[worker]
refused_delay_s = 1
refused_delay_max_s = 4
{worker}
[targets.crm]
type = "postgres"
dsn = "{crm}"
{target}
[targets.erp]
type = "postgres"
dsn = "{erp}"
[collections.items]
target = "crm"
table = "public.items"
fields = ["n", "note"]
[collections.others]
target = "erp"
table = "public.items"
fields = ["n", "note"]
[collections.notes]
target = "crm"
[collections.parents]
target = "crm"
table = "public.parents"
fields = ["n"]
[collections.children]
target = "crm"
table = "public.children"
fields = ["parent"]
{extra}
"""


class Works:
    """Everything that one row of the table needs; databases and broker are empty at first."""

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        *,
        user: str | None = None,
        worker: str = "",
        target: str = "",
        extra: str = "",
    ) -> None:
        """Work on *ground*, with files in *folder*; further lines go into the configuration.

        Workers are *user* in the database of `crm`, which has the rights that they need.
        """
        self.ground = ground
        self.folder = folder
        self.dsn = ground.first.new_database()
        self.other_dsn = ground.second.new_database()
        self.store_dsn = ground.second.new_database()
        self.config = folder / "syncpipe.toml"
        self._user = user
        self._lines = {"worker": worker, "target": target, "extra": extra}
        self.sent: dict[str, dict[str, int]] = {"items": {}, "others": {}, "notes": {}}

    def __enter__(self) -> Self:
        """Make the tables."""
        for dsn in (self.dsn, self.other_dsn):
            execute(dsn, Path(__file__).with_name("tables.sql").read_text())
        broker = self.ground.empty_broker()
        self._configure(broker, self.dsn)
        self.parts = wiring.build(load(self.config, environ={}).settings)
        for name in ("crm", "erp"):
            target = self.parts.target(name)
            target.init()
            target.close()
        self.store = self.parts.store()
        self.store.migrate()
        if self._user:
            self._grant(self._user)
            self._configure(broker, psycopg.conninfo.make_conninfo(self.dsn, user=self._user))
        self.broker = self.parts.broker()
        self.client = wiring.Client(self.parts.settings)
        return self

    def __exit__(self, *_: object) -> None:
        """Give back connections and databases."""
        self.client.close()
        self.broker.close()
        self.store.close()
        self.ground.first.drop_database(self.dsn)
        self.ground.second.drop_database(self.other_dsn)
        self.ground.second.drop_database(self.store_dsn)

    def _configure(self, broker: str, crm: str) -> None:
        text = _CONFIG.format(
            broker=broker, crm=crm, erp=self.other_dsn, store=self.store_dsn, **self._lines
        )
        self.config.write_text(text)

    def _grant(self, user: str) -> None:
        for statement in (
            f"DO $$ BEGIN CREATE ROLE {user} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
            f"GRANT USAGE ON SCHEMA syncpipe, public TO {user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncpipe TO {user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}",
        ):
            execute(self.dsn, statement)

    # --- workers ---

    @contextmanager
    def workers(self, processes: int = 2, sabotage: str | None = None) -> Iterator[None]:
        """Run so many worker processes, which the product's own supervisor keeps.

        *sabotage* names the module of ours that each of them runs first.
        """
        environment = {n: text for n, text in os.environ.items() if not n.startswith("SYNCPIPE_")}
        if sabotage:
            module = f"tests.chaos.targets.sabotage.{sabotage}"
            (self.folder / "sitecustomize.py").write_text(f"import {module}\n")
            environment["PYTHONPATH"] = f"{self.folder}:{ROOT}"
            environment["CHAOS_COUNTS"] = str(self.folder / "counts")
        command = Command(
            name="workers",
            argv=(
                *(sys.executable, "-m", "syncpipe.cli", "worker"),
                *("--processes", str(processes), "--config", str(self.config)),
            ),
            env=environment,
            cwd=ROOT,
            log=self.folder / "workers.log",
            ready=lambda: self.events()["worker-ready"] >= processes,
            ready_timeout_s=PATIENCE_S,
            grace_s=60.0,
        )
        with Supervisor() as supervisor:
            supervisor.start(command)
            yield

    def lines(self) -> list[dict[str, Any]]:
        """Return what the workers have logged so far."""
        path = self.folder / "workers.log"
        whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in whole if line[:1] + line[-1:] == b"{}"]

    def events(self) -> Counter[str]:
        """Return how often each event stands in the log."""
        return Counter(line["event"] for line in self.lines())

    def deaths(self) -> int:
        """Return how many worker processes were killed."""
        return (self.folder / "workers.log").read_text(errors="replace").count("status -9")

    def outcomes(self, target: str = "crm") -> Counter[str]:
        """Return what became of operations on *target*, as the workers count it."""
        found: Counter[str] = Counter()
        for line in self.lines():
            if line["event"] == "batch" and line["target"] == target:
                found.update(line["outcomes"])
        return found

    # --- operations ---

    def send(self, collection: str, key: str, n: int, *, good: bool = True, **data: Any) -> None:
        """Send an upsert of one record; *good* says that it has to be there in the end."""
        self.client.upsert(collection, key, {"n": n, **data})
        if good:
            self.sent[collection][key] = n

    def flush(self) -> None:
        """Return when the broker has everything. Raises RuntimeError if it does not take it."""
        if left := self.client.flush():
            raise RuntimeError(f"{left} operations were not confirmed.")

    def rows(self, collection: str = "items") -> dict[str, int]:
        """Return what is in the table of *collection*."""
        dsn = self.other_dsn if collection == "others" else self.dsn
        if collection == "notes":
            documents = "SELECT key, document->'n' FROM syncpipe.documents WHERE collection = %s"
            return dict(query(dsn, documents, collection))
        return dict(query(dsn, "SELECT id, n FROM public.items"))

    def lost(self, collection: str = "items") -> int:
        """Return how many records that were sent are not as they were sent."""
        found = self.rows(collection)
        return sum(found.get(key) != n for key, n in self.sent[collection].items())

    def extra(self, collection: str = "items") -> int:
        """Return how many records there are that should not be."""
        return len(self.rows(collection).keys() - self.sent[collection].keys())

    def pending(self) -> int:
        """Return how many messages wait, in lanes, as dead letters, or in somebody's hands."""
        queues = [*queues_of("crm", 4), *queues_of("erp", 4), DEAD_QUEUE]
        depths = self.broker.depths(queues).values()
        return sum(depth.ready + depth.unacked for depth in depths)

    def scheduled(self) -> int:
        """Return how many operations are to be tried later."""
        return sum(each.count for each in self.store.schedule.outlook().values())

    def ever_scheduled(self) -> int:
        """Return how many attempts were counted: with a store, each puts a row into its schedule.

        Servers count rows with some delay, at the end of a connection at the latest.
        """
        rows = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'scheduled'"
        return int(query(self.store_dsn, rows)[0][0])

    def reopen_store(self) -> None:
        """Forget connections to the store, which may be broken."""
        self.store.close()
        self.store = self.parts.store()

    def letters(self) -> list[Kept]:
        """Return the dead letters in the store."""
        return self.store.triage.letters(ALL, limit=100_000)

    def settle(self, within_s: float = PATIENCE_S) -> bool:
        """Wait until nothing waits anywhere; return whether that was so in time."""
        return bool(
            until(lambda: not self.pending() and not self.scheduled(), within_s, every_s=_LOOK_S)
            and until(
                lambda: not self.pending() and not self.scheduled(), within_s, every_s=_LOOK_S
            )
        )

    def rate(self, collection: str, begin: float, end: float) -> float:
        """Return how many rows of *collection* were written a second, between two moments."""
        dsn = self.other_dsn if collection == "others" else self.dsn
        number = query(
            dsn,
            "SELECT count(*) FROM public.items"
            " WHERE extract(epoch FROM at) >= %s AND extract(epoch FROM at) < %s",
            begin,
            end,
        )[0][0]
        return number / (end - begin)


class Load:
    """Sends records to collections at an even rate, from a thread of its own, until it is left."""

    def __init__(self, works: Works, collections: tuple[str, ...], rate: float) -> None:
        """Send so many records a second to each of *collections*."""
        self._works = works
        self._collections = collections
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fault: BaseException | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, when the broker has everything."""
        self._ended.set()
        self._thread.join()
        if self._fault:
            raise self._fault
        self._works.flush()

    def _run(self) -> None:
        began, number = time.monotonic(), 0
        try:
            while not self._ended.wait(0.01):
                while number < (time.monotonic() - began) * self._rate:
                    number += 1
                    for collection in self._collections:
                        self._works.send(collection, f"load-{number}", number)
        except BaseException as fault:  # noqa: BLE001 - it is raised by whoever leaves
            self._fault = fault


def execute(dsn: str, statement: str) -> None:
    """Change the database at *dsn*."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def query(dsn: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Ask the database at *dsn*."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(statement, parameters).fetchall()


def seconds_until(condition: Callable[[], object], within_s: float) -> float | None:
    """Return after how many seconds *condition* is true; None if that takes too long."""
    began = time.monotonic()
    found = until(condition, within_s, every_s=_LOOK_S)
    return time.monotonic() - began if found else None
