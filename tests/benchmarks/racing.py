"""One peer under one workload, on services of its own: a fixed time, after it is warm."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from syncpipe.bench.child import Child
from syncpipe.bench.measured import Measured
from syncpipe.bench.meter import cpu_s, peak_rss_mb
from syncpipe.bench.workloads import DISTINCT, WORKLOADS
from syncpipe.demo.oracle.rows import ActualRow, decoded_document
from syncpipe.embedded import attached
from syncpipe.supervisor import Command
from syncpipe.system import SystemClock
from syncpipe.transport.redis_footprint import footprint_bytes
from tests.resumable import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.bench.scale import Scale
    from syncpipe.bench.workloads import Workload
    from syncpipe.embedded import Attached
    from tests.benchmarks.systems import Peer

#: Operations that are weighed in the broker before anybody works.
_WEIGHED = 2_000
#: Hot keys that are drawn before they begin again; more than any peer manages.
_DRAWN = 1_000_000
#: Seconds for which everybody works before the time is taken.
_WARM_S = 4.0
#: Seconds without progress after which what was sent counts as done, or lost.
_QUIET_S = 5.0
#: Seconds for the first operation.
_START_S = 60.0
_LOOK_S = 0.2
#: Single operations that may wait.
_SINGLE_AHEAD = 500
_TABLE = Path(__file__).with_name("peers") / "records.sql"


@dataclass(frozen=True)
class Ground:
    """The services of one cell, and what a peer has written there."""

    running: Attached
    connection: psycopg.Connection
    folder: Path
    peer: Peer
    workload: Workload

    def environment(self) -> dict[str, str]:
        services = self.running.services
        return os.environ | self.peer.variables(self.folder, services.redis_url, services.dsn)

    def done(self) -> int:
        """Return how many operations are durable: rows, or writes where rows are written again."""
        if self.workload.drawn_keys is None:
            return self.connection.execute("SELECT count(*) FROM bench_records").fetchone()[0]
        query = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = %s"
        return self.connection.execute(query, ("bench_records",)).fetchone()[0]

    def rows(self) -> Iterator[ActualRow]:
        query = "SELECT key, document::text FROM bench_records"
        with self.connection.transaction(), self.connection.cursor(name="rows") as cursor:
            for key, document in cursor.execute(query):
                yield ActualRow("", key, decoded_document(document))

    def footprint(self) -> int:
        """Return the bytes that waiting messages occupy."""
        if self.peer.broker == "redis":
            return footprint_bytes(self.running.services.redis_url, clock=SystemClock())
        query = """
            SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
            WHERE relkind = 'r' AND relname LIKE 'procrastinate%'
        """
        return self.connection.execute(query).fetchone()[0]

    def pids(self, *children: Child) -> list[int]:
        kept = [pid for pid in self.running.supervisor.pids().values() if pid]
        return [*kept, *(child.pid for child in children)]

    def workers_rss_mb(self) -> float:
        kept = self.running.supervisor.pids().items()
        return peak_rss_mb(pid for name, pid in kept if pid and name.startswith("worker"))

    def producer(self) -> Child:
        log = self.folder / "producer.log"
        child = Child(self.peer.producer_argv(), log=log, env=self.environment(), cwd=ROOT)
        child.hear()
        return child

    def hire(self) -> None:
        argv, environment = self.peer.worker_argv(), self.environment()
        commands = [
            Command(
                name=f"worker-{number}",
                argv=argv,
                env=environment,
                cwd=ROOT,
                log=self.folder / f"worker-{number}.log",
                grace_s=5.0,
            )
            for number in range(self.peer.workers)
        ]
        self.running.supervisor.start(*commands)

    def wait(self, wanted: int, quiet_s: float) -> int:
        """Wait for *wanted* operations, or until nothing comes any more; return how many came."""
        count, moved_at = self.done(), time.monotonic()
        while count < wanted and time.monotonic() - moved_at < quiet_s:
            time.sleep(_LOOK_S)
            before, count = count, self.done()
            moved_at = moved_at if count == before else time.monotonic()
        return count


@contextmanager
def ground(peer: Peer, workload: str) -> Iterator[Ground]:
    """Run services with the peer's table, and write down what it is to send."""
    source = WORKLOADS.get(workload, DISTINCT)
    with (
        tempfile.TemporaryDirectory(prefix="syncpipe-bench-") as directory,
        attached(Path(directory, "state")) as running,
        psycopg.connect(running.services.dsn, autocommit=True) as connection,
    ):
        folder = Path(directory)
        lines = map(json.dumps, source.pool())
        (folder / "documents.jsonl").write_text("".join(f"{line}\n" for line in lines))
        if source.drawn_keys:
            (folder / "keys.txt").write_text("\n".join(islice(source.keys(), _DRAWN)))
        here = Ground(running, connection, folder, peer, source)
        connection.execute(_TABLE.read_text())
        if prepare := peer.prepare_argv():
            subprocess.run(prepare, env=here.environment(), cwd=ROOT, check=True, timeout=60)
        yield here


def race(peer: Peer, workload: str, scale: Scale) -> Measured:
    """Measure *peer* once. Raises Missing where it cannot run here."""
    with ground(peer, workload) as here:
        try:
            return _single(here, scale) if workload == "single" else _stream(here, scale)
        except Exception as error:
            logs = [path.read_text(errors="replace")[-2000:] for path in here.folder.glob("*.log")]
            error.add_note("\n".join(logs))
            raise


def _stream(here: Ground, scale: Scale) -> Measured:
    with here.producer() as producer:
        before = here.footprint()
        producer.tell({"do": "send", "start": 0, "stop": _WEIGHED})
        producer.hear()
        footprint = (here.footprint() - before) / _WEIGHED
        here.hire()
        here.wait(1, _START_S)
        producer.tell({"do": "stream", "start": _WEIGHED, "ahead": here.peer.ahead})
        time.sleep(_WARM_S)
        operations, seconds, used = _window(here, scale, producer)
        producer.tell({"do": "stop"})
        sent = producer.hear()
        here.wait(sent, _QUIET_S)
        return Measured(
            operations=operations,
            seconds=seconds,
            cpu_s=used,
            guarded=here.peer.guarded,
            wrong_rows=here.workload.wrong_rows(here.rows(), sent),
            peak_rss_mb=here.workers_rss_mb(),
            broker_bytes_per_op=footprint,
        )


def _single(here: Ground, scale: Scale) -> Measured:
    """Let many producers send one operation at a time."""
    here.hire()
    with ExitStack() as stack:
        producers = [stack.enter_context(here.producer()) for _ in range(scale.single_producers)]
        starts = [number * scale.single_range for number in range(scale.single_producers)]
        unused = scale.single_producers * scale.single_range
        producers[0].tell({"do": "send", "start": unused, "stop": unused + 1})
        producers[0].hear()
        here.wait(1, _START_S)
        seconds = _WARM_S + scale.window_s
        began = time.monotonic()
        for start, producer in zip(starts, producers, strict=True):
            order = {"do": "single", "start": start, "seconds": seconds + 1}
            producer.tell(order | {"ahead": _SINGLE_AHEAD})
        time.sleep(_WARM_S)
        operations, seconds, used = _window(here, scale, *producers)
        stops = [producer.hear() for producer in producers]
        sending_s = time.monotonic() - began
        sent = sum(stop - start for start, stop in zip(starts, stops, strict=True))
        came = here.wait(1 + sent, _QUIET_S)
        wrong = sum(row.document != DISTINCT.document(int(row.key_text)) for row in here.rows())
        return Measured(
            operations=operations,
            seconds=seconds,
            cpu_s=used,
            guarded=here.peer.guarded,
            wrong_rows=wrong + 1 + sent - came,
            peak_rss_mb=here.workers_rss_mb(),
            details={"confirmed_per_s": sent / sending_s},
        )


def _window(here: Ground, scale: Scale, *children: Child) -> tuple[int, float, float]:
    """Return the operations, seconds and seconds of processor of the fixed time."""
    operations, began, used = here.done(), time.monotonic(), cpu_s(here.pids(*children))
    time.sleep(scale.window_s)
    operations = here.done() - operations
    if not operations:
        raise RuntimeError(f"{here.peer.name} has done nothing.")
    return operations, time.monotonic() - began, cpu_s(here.pids(*children)) - used
