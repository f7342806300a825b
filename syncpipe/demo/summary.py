"""The result of the demonstration, for machines and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.demo.feed import Fed
    from syncpipe.demo.oracle import Example, Verdict
    from syncpipe.demo.tally import Tally


@dataclass(frozen=True, slots=True)
class Summary:
    """What was sent, what the workers counted, and what the oracle found.

    `lost` and `mismatches` come from the oracle alone, `dead` from the store; the counts of the
    workers are shown beside.
    """

    #: Distinct operations sent.
    sent: int
    #: Outcomes together: operations that arrived at the target, repeats and redeliveries included.
    deliveries: int
    #: Written, as the newest of their record in a batch.
    applied: int
    #: Went into the write of a newer operation of the same batch.
    merged: int
    #: Something newer had already decided everything they would change.
    superseded: int
    #: Had been applied before.
    duplicates: int
    #: Given up, and kept in the store as dead letters, each once.
    dead: int
    #: Ran out of time before they were applied; nothing gives operations such a time yet.
    expired: int
    #: Operations whose effect should be visible and is not.
    lost: int
    #: Rows that are wrong, missing or extra.
    mismatches: int
    #: From the first enqueue to the last commit.
    seconds: float
    #: Distinct operations in one of these seconds.
    ops_per_s: float
    #: Half of the operations took no longer from the enqueue call to the commit; None if none did.
    p50_ms: int | None
    #: 99 of 100 took no longer.
    p99_ms: int | None
    #: Operations that the target had to refuse.
    poisoned: int
    #: Seconds for which the target was stopped in the middle.
    outage_s: float

    @property
    def right(self) -> bool:
        """Whether every row is as it has to be."""
        return self.lost == 0 and self.mismatches == 0

    @property
    def ok(self) -> bool:
        """Whether that is so, and as many operations are dead letters as were poisoned."""
        return self.right and self.dead == self.poisoned

    def as_dict(self) -> dict[str, int | float | None]:
        """Return the members by name, in order."""
        return asdict(self)


def summarise(
    fed: Fed, tally: Tally, verdict: Verdict, *, dead: int, outage_s: float = 0.0
) -> Summary:
    """Put the summary together; the store keeps so many *dead* letters."""
    outcomes = tally.outcomes
    counts = {
        "applied": outcomes.get("applied", 0),
        "merged": outcomes.get("merged", 0),
        "superseded": outcomes.get("superseded", 0),
        "duplicates": outcomes.get("duplicate", 0),
        "dead": dead,
    }
    # Clocks tell milliseconds: a very short run takes at least one.
    milliseconds = max(1, (tally.last_commit_ms or 0) - fed.first_ms)
    return Summary(
        sent=fed.operations,
        deliveries=sum(counts.values()),
        **counts,
        expired=0,
        lost=verdict.lost,
        mismatches=verdict.mismatches,
        seconds=milliseconds / 1000,
        ops_per_s=round(fed.operations * 1000 / milliseconds, 1),
        p50_ms=tally.percentile_ms(50),
        p99_ms=tally.percentile_ms(99),
        poisoned=fed.poisoned,
        outage_s=outage_s,
    )


def summary_text(summary: Summary, verdict: Verdict) -> str:
    """Return the summary for people."""
    return "\n".join(_lines(summary, verdict))


def _lines(summary: Summary, verdict: Verdict) -> Iterator[str]:
    yield (
        f"sent        {summary.sent:,} operations to {verdict.records:,} records in "
        f"{summary.seconds:.1f} s: {summary.ops_per_s:,.0f} operations/s"
    )
    yield f"latency     p50 {_ms(summary.p50_ms)}, p99 {_ms(summary.p99_ms)}, enqueue to commit"
    yield (
        f"deliveries  {summary.deliveries:,}: {summary.applied:,} applied, "
        f"{summary.merged:,} merged, {summary.superseded:,} superseded, "
        f"{summary.duplicates:,} duplicates, {summary.dead:,} dead"
    )
    if summary.outage_s:
        yield f"outage      PostgreSQL was stopped for {summary.outage_s:g} s in the middle"
    if summary.poisoned or summary.dead:
        yield f"poison      {summary.poisoned:,} operations had to be refused: {_buried(summary)}"
    judgement = "every row is right" if summary.right else "THE ROWS ARE NOT RIGHT"
    yield f"checked     lost {summary.lost}, mismatches {summary.mismatches}: {judgement}"
    for name in ("wrong", "missing", "extra"):
        examples: tuple[Example, ...] = getattr(verdict, name)
        for example in examples:
            yield f"  {name}: {_place(example)}: {example.expected} is {example.actual}"


def _buried(summary: Summary) -> str:
    if summary.dead == summary.poisoned:
        return "these are dead letters, and no others"
    return f"THERE ARE {summary.dead:,} DEAD LETTERS"


def _place(example: Example) -> str:
    field = "" if example.field is None else f" field {example.field!r}"
    return f"{example.collection} {example.key!r}{field}"


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value:,} ms"
