"""What one run of the pipeline did, and what it means for each message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.operation import created_ms
from syncpipe.core.outcome import Outcome
from syncpipe.errors import RefusedForNow
from syncpipe.resilience.backoff import equal_jitter
from syncpipe.pipeline.fold import copies_in, identity
from syncpipe.pipeline.verdict import Done, Later, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.chance import Random
    from syncpipe.pipeline.batch import Batch
    from syncpipe.pipeline.options import WorkerOptions

#: Outcomes of an operation that arrived for the first time, after which the target holds its effect
#: or something newer. A repeat has the id of its original, so its latency would say nothing.
HELD = frozenset({Outcome.APPLIED, Outcome.MERGED, Outcome.SUPERSEDED})
#: Seconds before a message comes again that waits for something other than its operations.
AGAIN_S = 1.0
#: Digits of a latency in the histogram.
_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the pipeline did with its messages."""

    #: What to do with each message, in the order in which they were given.
    verdicts: tuple[Verdict, ...]
    #: Operations by what became of them; a message that cannot be read counts as one.
    counts: Mapping[Outcome, int]
    #: Milliseconds spent in each stage, by its name.
    spent_ms: Mapping[str, float]
    #: The target's clock when the batch was durable, milliseconds since the Unix epoch; None when
    #: the target was not asked.
    committed_ms: int | None
    #: Operations by their latency in milliseconds, rounded to two significant digits, from the
    #: making of the id to the commit; of those whose effect the target holds, repeats not counted.
    latency_ms: Mapping[int, int]
    #: Why the target took nothing, while it is down, misconfigured or too busy: a TargetError.
    #: Anything else is a fault of ours.
    outage: BaseException | None


def verdicts(batch: Batch, *, options: WorkerOptions, random: Random) -> tuple[Verdict, ...]:
    """Return what to do with each message of the settled *batch*.

    A message is done when every operation in it, and the first copy of each, has a durable
    outcome.
    """
    open_messages = {fault.message for fault in batch.faults if fault.unkept}
    open_messages |= {item.message for item in batch.items}
    unsettled = {identity(item.operation) for item in batch.items}
    counted: set[int] = set()
    for settled in batch.settled:
        if settled.outcome is Outcome.RETRYING:
            unsettled.add(identity(settled.item.operation))
            refused = isinstance(settled.error, RefusedForNow)
            (counted if refused else open_messages).add(settled.item.message)
    open_messages |= {
        copy.item.message for copy in copies_in(batch) if identity(copy.item.operation) in unsettled
    }
    return tuple(
        Later(_retry_s(message.attempts, options, random), counted=True)
        if index in counted
        else Later(AGAIN_S, counted=False)
        if index in open_messages
        else Done()
        for index, message in enumerate(batch.messages)
    )


def counts(batch: Batch) -> Counter[Outcome]:
    """Return the operations of the settled *batch* by what became of them."""
    tally = Counter(settled.outcome for settled in batch.settled)
    for fault in batch.faults:
        tally[Outcome.RETRYING if fault.unkept else Outcome.DEAD] += 1
    if batch.items:
        tally[Outcome.RETRYING] += len(batch.items)
    return tally


def latencies(batch: Batch, committed_ms: int) -> Counter[int]:
    """Return the operations whose effect the target holds by their rounded latency in ms."""
    return Counter(
        _rounded(committed_ms - created_ms(settled.item.operation.id))
        for settled in batch.settled
        if settled.outcome in HELD
    )


def _retry_s(attempts: int, options: WorkerOptions, random: Random) -> float:
    return equal_jitter(attempts, options.refused_delay_s, options.refused_delay_max_s, random)


def _rounded(ms: int) -> int:
    """Return *ms* with two significant digits; 0 where the clocks disagree."""
    return round(ms, min(0, _DIGITS - len(str(ms)))) if ms > 0 else 0
