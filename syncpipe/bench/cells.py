"""The cells that need nothing but ourselves: one system under one workload, on fresh services."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncpipe.bench import feeding
from syncpipe.bench.child import Child
from syncpipe.bench.measured import LIMIT, OURS, RAW, Measured
from syncpipe.bench.meter import cpu_s, peak_rss_mb
from syncpipe.bench.mixture import Mixture
from syncpipe.bench.progress import tenths
from syncpipe.bench.workloads import DISTINCT, WORKLOADS
from syncpipe.demo.oracle import actual
from syncpipe.demo.run import hire, open_stage, settle
from syncpipe.demo.tally import read_tally
from syncpipe.settings import without_ours
from syncpipe.transport.redis_footprint import footprint_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.bench.scale import Scale
    from syncpipe.demo.stage import Stage
    from syncpipe.supervisor import Supervisor

#: Settings of the client as it comes; the configuration of the demonstration is for streams.
_AS_IT_COMES = ("client.linger_ms=5", "client.buffer_max_bytes=67_108_864")
_MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Private services, with what it takes to measure on them."""

    #: The services.
    stage: Stage
    #: Keeps them, and workers.
    supervisor: Supervisor
    #: How much is sent.
    scale: Scale
    #: Hears of progress.
    say: Callable[[str], object]

    def hire(self) -> None:
        """Start the workers."""
        hire(self.stage, self.supervisor, self.scale.processes, self.say)

    def drain(self) -> None:
        """Wait until nothing is left in any lane."""
        settle(self.stage, self.say)

    def producer(self, workload: str, *overrides: str) -> Child:
        """Return a producer that is ready."""
        return self.child("syncpipe.bench.sending", str(self.stage.config), workload, *overrides)

    def child(self, module: str, *arguments: str) -> Child:
        """Return a process that is ready."""
        child = Child(
            (sys.executable, "-m", module, *arguments),
            log=self.stage.logs / "children.log",
            env=without_ours(),
        )
        child.hear()
        return child

    def pids(self, *children: Child) -> list[int]:
        """Return the processes of servers, workers and *children*."""
        kept = (pid for pid in self.supervisor.pids().values() if pid)
        return [*kept, *(child.pid for child in children)]

    def workers_rss_mb(self) -> float:
        """Return the most memory that one worker has ever occupied."""
        kept = self.supervisor.pids().items()
        return peak_rss_mb(pid for name, pid in kept if pid and name.startswith("worker"))

    def footprint(self) -> int:
        """Return the bytes that the broker holds."""
        return footprint_bytes(self.stage.services.redis_url, clock=self.stage.app.clock)


@contextmanager
def place(scale: Scale, say: Callable[[str], object]) -> Iterator[Place]:
    """Run private services for one cell."""
    with (
        tempfile.TemporaryDirectory(prefix="syncpipe-bench-") as directory,
        open_stage(Path(directory, "state"), lambda _: None) as (stage, supervisor),
    ):
        yield Place(stage, supervisor, scale, say)


def measure(workload: str, system: str, scale: Scale, say: Callable[[str], object]) -> Measured:
    """Measure one of `CELLS` once. Raises SyncpipeError when something fails on the way."""
    with place(scale, say) as here:
        return CELLS[workload, system](here, workload)


def _bulk(here: Place, workload: str) -> Measured:
    """Send at full speed to workers that are warm."""
    source, scale = WORKLOADS[workload], here.scale
    first = scale.sample
    last = first + scale.operations(workload)
    with here.producer(workload) as producer:
        _order(producer, do="send", start=0, stop=first)
        footprint = here.footprint() / first
        here.hire()
        here.drain()
        before = read_tally(here.stage.logs).outcomes
        used = cpu_s(here.pids(producer))
        sent = _order(producer, do="send", start=first, stop=last)
        here.drain()
        used = cpu_s(here.pids(producer)) - used
        tally = read_tally(here.stage.logs)
        writes = tally.outcomes["applied"] - before["applied"]
        return Measured(
            operations=last - first,
            seconds=((tally.last_commit_ms or 0) - sent["first_ms"]) / _MS_PER_S,
            cpu_s=used,
            guarded=True,
            wrong_rows=source.wrong_rows(actual(here.stage.services.dsn), last),
            peak_rss_mb=here.workers_rss_mb(),
            broker_bytes_per_op=footprint,
            details={"ops_per_write": (last - first) / writes},
        )


def _drain(here: Place, workload: str) -> Measured:
    """Let workers come to a backlog."""
    count = here.scale.operations(workload)
    with here.producer(DISTINCT.name) as producer:
        _order(producer, do="send", start=0, stop=count)
        footprint = here.footprint() / count
    used = cpu_s(here.pids())
    here.hire()
    here.drain()
    used = cpu_s(here.pids()) - used
    first_s, last_s, all_s = tenths(here.stage.logs)
    return Measured(
        operations=count,
        seconds=all_s,
        cpu_s=used,
        guarded=True,
        wrong_rows=DISTINCT.wrong_rows(actual(here.stage.services.dsn), count),
        peak_rss_mb=here.workers_rss_mb(),
        broker_bytes_per_op=footprint,
        details={"last_tenth_to_first": first_s / last_s},
    )


def _trickle(here: Place, workload: str) -> Measured:
    """Send evenly, at a rate far below what is possible."""
    scale = here.scale
    count = scale.operations(workload)
    with here.producer(DISTINCT.name, *_AS_IT_COMES) as producer:
        here.hire()
        _order(producer, do="pace", start=0, stop=scale.trickle_per_s, per_s=scale.trickle_per_s)
        here.drain()
        for log in here.stage.logs.glob("worker*.log"):
            log.write_bytes(b"")  # what came before has warmed everybody up
        used = cpu_s(here.pids(producer))
        start, stop = scale.trickle_per_s, scale.trickle_per_s + count
        sent = _order(producer, do="pace", start=start, stop=stop, per_s=scale.trickle_per_s)
        here.drain()
        used = cpu_s(here.pids(producer)) - used
        tally = read_tally(here.stage.logs)
        return Measured(
            operations=count,
            seconds=((tally.last_commit_ms or 0) - sent["first_ms"]) / _MS_PER_S,
            cpu_s=used,
            guarded=True,
            wrong_rows=DISTINCT.wrong_rows(actual(here.stage.services.dsn), stop),
            peak_rss_mb=here.workers_rss_mb(),
            details={
                "p50_ms": tally.percentile_ms(50) or 0,
                "p99_ms": tally.percentile_ms(99) or 0,
            },
        )


def _single(here: Place, workload: str) -> Measured:  # noqa: ARG001 - it is its own
    """Let many producers wait for each operation of theirs."""
    scale = here.scale
    here.hire()
    with ExitStack() as stack:
        producers = [
            stack.enter_context(here.producer(DISTINCT.name, *_AS_IT_COMES))
            for _ in range(scale.single_producers)
        ]
        used = cpu_s(here.pids(*producers))
        for number, producer in enumerate(producers):
            producer.tell(
                {"do": "single", "start": number * scale.single_range, "seconds": scale.window_s}
            )
        sent = [producer.hear() for producer in producers]
        here.drain()
        used = cpu_s(here.pids(*producers)) - used
    tally = read_tally(here.stage.logs)
    count = sum(each["stop"] - number * scale.single_range for number, each in enumerate(sent))
    first_ms = min(each["first_ms"] for each in sent)
    confirmed_s = (max(each["confirmed_ms"] for each in sent) - first_ms) / _MS_PER_S
    rows = {int(row.key_text): row.document for row in actual(here.stage.services.dsn)}
    expected = {
        each: DISTINCT.document(each)
        for number, answer in enumerate(sent)
        for each in range(number * scale.single_range, answer["stop"])
    }
    return Measured(
        operations=count,
        seconds=((tally.last_commit_ms or 0) - first_ms) / _MS_PER_S,
        cpu_s=used,
        guarded=True,
        wrong_rows=len(rows.keys() ^ expected.keys())
        + sum(rows[each] != expected[each] for each in rows.keys() & expected.keys()),
        peak_rss_mb=here.workers_rss_mb(),
        details={"confirmed_per_s": count / confirmed_s},
    )


def _mixed(here: Place, workload: str) -> Measured:
    """Send the demonstration's stream, whose rows the oracle knows."""
    here.hire()
    mixture = Mixture(here.stage.app, here.scale.operations(workload))
    used = cpu_s([*here.pids(), mixture.pid])
    first_ms = mixture.send()
    here.drain()
    used = cpu_s([*here.pids(), mixture.pid]) - used
    tally = read_tally(here.stage.logs)
    return Measured(
        operations=mixture.operations,
        seconds=((tally.last_commit_ms or 0) - first_ms) / _MS_PER_S,
        cpu_s=used,
        guarded=True,
        wrong_rows=mixture.wrong_rows(actual(here.stage.services.dsn)),
        peak_rss_mb=here.workers_rss_mb(),
        details={"ops_per_write": mixture.operations / tally.outcomes["applied"]},
    )


def _producer(here: Place, workload: str) -> Measured:
    """Time the client's calls alone, and until Redis has confirmed everything; nobody works."""
    count = here.scale.operations(workload)
    room = f"client.buffer_max_bytes={here.scale.producer_buffer_bytes}"
    with here.producer(DISTINCT.name, room) as producer:
        _order(producer, do="call", start=0, stop=here.scale.sample)
        used = cpu_s(here.pids(producer))
        answer = _order(
            producer, do="call", start=here.scale.sample, stop=here.scale.sample + count
        )
        used = cpu_s(here.pids(producer)) - used
        rss_mb = peak_rss_mb([producer.pid])
    return Measured(
        operations=count,
        seconds=count / answer["confirmed_per_s"],
        cpu_s=used,
        guarded=True,
        wrong_rows=0,
        peak_rss_mb=rss_mb,
        details=answer,
    )


def _fed(way: str) -> Callable[[Place, str], Measured]:
    def cell(here: Place, workload: str) -> Measured:
        """Feed PostgreSQL directly."""
        scale, dsn = here.scale, here.stage.services.dsn
        count, parts = scale.operations(workload), scale.processes
        with ExitStack() as stack:
            arguments = way, str(here.stage.config), workload
            feeders = [
                stack.enter_context(here.child("syncpipe.bench.feeding", *arguments))
                for _ in range(parts)
            ]
            _everybody(feeders, [[0, scale.sample, part, parts] for part in range(parts)])
            _everybody(feeders, ["go"] * parts)
            orders = [[scale.sample, scale.sample + count, part, parts] for part in range(parts)]
            _everybody(feeders, orders)
            used, began = cpu_s(here.pids(*feeders)), time.monotonic()
            _everybody(feeders, ["go"] * parts)
            seconds = time.monotonic() - began
            used = cpu_s(here.pids(*feeders)) - used
            rss_mb = peak_rss_mb(feeder.pid for feeder in feeders)
        rows = actual(dsn) if way == LIMIT else feeding.rows(dsn)
        return Measured(
            operations=count,
            seconds=seconds,
            cpu_s=used,
            guarded=True,
            wrong_rows=WORKLOADS[workload].wrong_rows(rows, scale.sample + count),
            peak_rss_mb=rss_mb,
        )

    return cell


def _order(child: Child, **order: Any) -> Any:
    child.tell(order)
    return child.hear()


def _everybody(children: list[Child], orders: list[Any]) -> None:
    for child, order in zip(children, orders, strict=True):
        child.tell(order)
    for child in children:
        child.hear()


#: What can be measured with ourselves alone, by workload and system, in the order of the report.
CELLS: dict[tuple[str, str], Callable[[Place, str], Measured]] = {
    ("distinct", OURS): _bulk,
    ("distinct", LIMIT): _fed(LIMIT),
    ("distinct", RAW): _fed(RAW),
    ("hot", OURS): _bulk,
    ("hot", LIMIT): _fed(LIMIT),
    ("hot", RAW): _fed(RAW),
    ("mixed", OURS): _mixed,
    ("trickle", OURS): _trickle,
    ("single", OURS): _single,
    ("wide", OURS): _bulk,
    ("wide", LIMIT): _fed(LIMIT),
    ("wide", RAW): _fed(RAW),
    ("drain", OURS): _drain,
    ("producer", OURS): _producer,
}
