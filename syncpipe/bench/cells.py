"""The cells that need nothing but ourselves: one system under one workload, on fresh services."""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any

from syncpipe.bench import feeding
from syncpipe.bench.measured import CALLS, LIMIT, OURS, RAW, Measured
from syncpipe.bench.meter import cpu_s, peak_rss_mb
from syncpipe.bench.mixture import Mixture
from syncpipe.bench.place import order
from syncpipe.bench.workloads import DISTINCT, WORKLOADS
from syncpipe.demo.oracle import actual
from syncpipe.demo.tally import read_tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncpipe.bench.child import Child
    from syncpipe.bench.place import Drained, Place
    from syncpipe.demo.tally import Tally

#: Settings of the client as it comes; the configuration of the demonstration is for streams.
_AS_IT_COMES = ("client.linger_ms=5", "client.buffer_max_bytes=67_108_864")
_MS_PER_S, _US_PER_S = 1000, 1_000_000
#: Seconds for which producers of single operations get warm.
_WARM_S = 1.0


def _sent(how: str, *, rests: bool) -> Callable[[Place, str], Measured]:
    """Return a cell whose producer sends as *how* tells, and finally *rests* or does not."""

    def cell(here: Place, workload: str) -> Measured:
        """Send at full speed to workers that are warm; then let them come to as much that waits."""
        source, scale = WORKLOADS[workload], here.scale
        first, count = scale.sample, scale.operations(workload)
        stop = first + count
        with here.producer(workload) as producer:
            order(producer, do=how, start=0, stop=first)
            footprint = here.footprint() / first
            here.hire()
            here.drain()
            here.forget()
            seconds, used, tally = _carried_out(here, producer, do=how, start=first, stop=stop)
            details = savings(tally.outcomes) | by_whom(used, count)
            if rests:
                details |= applied(here.backlog(producer, stop, stop + count))
                stop += count
            return Measured(
                operations=count,
                seconds=seconds,
                cpu_s=sum(used.values()),
                guarded=True,
                wrong_rows=source.wrong_rows(actual(here.stage.services.dsn), stop),
                peak_rss_mb=here.workers_rss_mb(),
                broker_bytes_per_op=footprint,
                details=details,
            )

    return cell


def _carried_out(
    here: Place, producer: Child, **what: Any
) -> tuple[float, dict[str, float], Tally]:
    """Have *producer* do *what*, and workers apply it.

    Returns the seconds from the first call to the last commit, those of processor by whom, and what
    workers have logged.
    """
    before = here.used(producer)
    sent = order(producer, **what)
    here.drain()
    used = here.used(producer, since=before)
    tally = read_tally(here.stage.logs)
    return ((tally.last_commit_ms or 0) - sent["first_ms"]) / _MS_PER_S, used, tally


def _drain(here: Place, workload: str) -> Measured:
    """Let workers that are warm come to a backlog."""
    first, count = here.scale.sample, here.scale.operations(workload)
    with here.producer(DISTINCT.name) as producer:
        order(producer, do="send", start=0, stop=first)
        here.hire()
        here.drain()
        drained = here.backlog(producer, first, first + count)
    return of_backlogs(
        [drained],
        wrong_rows=DISTINCT.wrong_rows(actual(here.stage.services.dsn), first + count),
        peak_rss_mb=here.workers_rss_mb(),
    )


def of_backlogs(drained: Sequence[Drained], *, wrong_rows: int, peak_rss_mb: float) -> Measured:
    """Return what workers did with backlogs that were equally large, one after the other."""
    operations = sum(each.operations for each in drained)
    rates = [rate for each in drained if (rate := each.progress.rate) is not None]
    whos = drained[0].cpu_s
    spent = {who: sum(each.cpu_s[who] for each in drained) for who in whos}
    return Measured(
        operations=operations,
        seconds=sum(each.progress.seconds for each in drained),
        cpu_s=sum(spent.values()),
        guarded=True,
        wrong_rows=wrong_rows,
        peak_rss_mb=peak_rss_mb,
        broker_bytes_per_op=drained[0].footprint_bytes / drained[0].operations,
        details={
            "applied_per_s": median(rates) if rates else None,
            "last_tenth_to_first": drained[0].progress.last_tenth_to_first,
            "ops_per_envelope": drained[0].progress.ops_per_envelope,
            **by_whom(spent, operations),
        },
    )


def by_whom(used: Mapping[str, float], operations: int) -> dict[str, float]:
    """Return microseconds of processor for each operation by whom they were *used*, in seconds."""
    return {f"{who}_us_per_op": s * _US_PER_S / operations for who, s in used.items()}


def savings(outcomes: Mapping[str, int]) -> dict[str, float | None]:
    """Return how many writes of the target folding has saved, and operations for each of them."""
    written, merged = outcomes.get("applied", 0), outcomes.get("merged", 0)
    return {
        "writes_saved": merged,
        "ops_per_write": (written + merged) / written if written else None,
    }


def applied(drained: Drained) -> dict[str, float | None]:
    """Return what workers alone did with a backlog, while the producer rested."""
    used = sum(drained.cpu_s.values())
    return {
        "applied_per_s": drained.progress.rate,
        "applied_cpu_us_per_op": used * _US_PER_S / drained.operations,
        "applied_ops_per_write": savings(drained.progress.outcomes)["ops_per_write"],
    }


def _trickle(here: Place, workload: str) -> Measured:
    """Send evenly, at a rate far below what is possible."""
    scale = here.scale
    count = scale.operations(workload)
    with here.producer(DISTINCT.name, *_AS_IT_COMES) as producer:
        here.hire()
        order(producer, do="pace", start=0, stop=scale.trickle_per_s, per_s=scale.trickle_per_s)
        here.drain()
        here.forget()
        start, stop = scale.trickle_per_s, scale.trickle_per_s + count
        what = {"do": "pace", "start": start, "stop": stop, "per_s": scale.trickle_per_s}
        seconds, used, tally = _carried_out(here, producer, **what)
        return Measured(
            operations=count,
            seconds=seconds,
            cpu_s=sum(used.values()),
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
        starts = [number * scale.single_range for number in range(scale.single_producers)]
        warm = [each["stop"] for each in _one_by_one(producers, starts, _WARM_S)]
        here.drain()
        here.forget()
        used = cpu_s(here.pids(*producers))
        sent = _one_by_one(producers, warm, scale.window_s)
        here.drain()
        used = cpu_s(here.pids(*producers)) - used
    tally = read_tally(here.stage.logs)
    count = sum(each["stop"] - begun for each, begun in zip(sent, warm, strict=True))
    first_ms = min(each["first_ms"] for each in sent)
    confirmed_s = (max(each["confirmed_ms"] for each in sent) - first_ms) / _MS_PER_S
    rows = {int(row.key_text): row.document for row in actual(here.stage.services.dsn)}
    expected = {
        each: DISTINCT.document(each)
        for start, answer in zip(starts, sent, strict=True)
        for each in range(start, answer["stop"])
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


def _one_by_one(producers: list[Child], starts: list[int], seconds: float) -> list[Any]:
    """Have each of *producers* send single operations for so many *seconds*."""
    for start, producer in zip(starts, producers, strict=True):
        producer.tell({"do": "single", "start": start, "seconds": seconds})
    return [producer.hear() for producer in producers]


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
        details=savings(tally.outcomes),
    )


def _producer(here: Place, workload: str) -> Measured:
    """Time the client's calls alone, and until Redis has confirmed everything; nobody works.

    Then as much in bulk.
    """
    first, count = here.scale.sample, here.scale.operations(workload)
    room = f"client.buffer_max_bytes={here.scale.producer_buffer_bytes}"
    with here.producer(DISTINCT.name, room) as producer:
        order(producer, do="call", start=0, stop=first)
        used = cpu_s(here.pids(producer))
        answer = order(producer, do="call", start=first, stop=first + count)
        used = cpu_s(here.pids(producer)) - used
        in_bulk = order(producer, do="bulk", start=first + count, stop=first + 2 * count)
        rss_mb = peak_rss_mb([producer.pid])
    return Measured(
        operations=count,
        seconds=count / answer["confirmed_per_s"],
        cpu_s=used,
        guarded=True,
        wrong_rows=0,
        peak_rss_mb=rss_mb,
        details={**answer, **in_bulk},
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


def _everybody(children: list[Child], orders: list[Any]) -> None:
    for child, what in zip(children, orders, strict=True):
        child.tell(what)
    for child in children:
        child.hear()


#: What can be measured with ourselves alone, by workload and system, in the order of the report.
CELLS: dict[tuple[str, str], Callable[[Place, str], Measured]] = {
    ("distinct", OURS): _sent("send", rests=True),
    ("distinct", CALLS): _sent("upsert", rests=False),
    ("distinct", LIMIT): _fed(LIMIT),
    ("distinct", RAW): _fed(RAW),
    ("hot", OURS): _sent("send", rests=True),
    ("hot", LIMIT): _fed(LIMIT),
    ("hot", RAW): _fed(RAW),
    ("mixed", OURS): _mixed,
    ("trickle", OURS): _trickle,
    ("single", OURS): _single,
    ("wide", OURS): _sent("send", rests=True),
    ("wide", LIMIT): _fed(LIMIT),
    ("wide", RAW): _fed(RAW),
    ("drain", OURS): _drain,
    ("producer", OURS): _producer,
}
