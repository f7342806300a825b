"""What one run of the pipeline did, and what it means for each message."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncpipe.core.operation import CREATED_BYTES, created_ms
from syncpipe.core.outcome import Outcome
from syncpipe.errors import TargetError
from syncpipe.pipeline.effort import Effort
from syncpipe.pipeline.fold import copies_in, identity
from syncpipe.pipeline.verdict import Done, Later, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.pipeline.batch import Batch

#: Outcomes of an operation that arrived for the first time, after which the target holds its effect
#: or something newer. A repeat has the id of its original, so its latency would say nothing.
HELD = frozenset({Outcome.APPLIED, Outcome.MERGED, Outcome.SUPERSEDED})
#: Seconds before a message comes again that waits for something other than its operations.
AGAIN_S = 1.0
#: Digits of a latency in the histogram.
_DIGITS = 2
_outcome = operator.attrgetter("outcome")
_not_before_ms = operator.attrgetter("not_before_ms")


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
    #: making of the id, or the due time, to the commit; of those whose effect the target holds,
    #: repeats not counted.
    latency_ms: Mapping[int, int]
    #: Why the target takes nothing more, while it is down, misconfigured, too busy or throttled: a
    #: TargetError. Anything else is a fault of ours.
    outage: BaseException | None
    #: Whether the target was asked to apply anything.
    asked: bool = False
    #: Whether it took, or finally refused, any of that.
    took: bool = False
    #: Operations that met an error of which nothing says what it means, by its code.
    unknown: Mapping[str, int] = field(default_factory=dict)
    #: What the calls of the target were like.
    effort: Effort = field(default_factory=Effort)


def verdicts(batch: Batch) -> tuple[Verdict, ...]:
    """Return what to do with each message of the settled *batch*.

    A message is done when every operation in it, and the first copy of each, has a durable
    outcome, or is in the schedule. One that holds what was not tried counts no attempt.
    """
    open_messages = {fault.message for fault in batch.faults if fault.unkept}
    untried = {item.message for item in batch.items}
    open_messages |= untried
    unsettled = {identity(item.operation) for item in batch.items}
    held = [s for s in batch.settled if s.outcome is Outcome.RETRYING and not s.scheduled]
    waits_ms: dict[int, int] = {}
    counted: set[int] = set()
    for settled in held:
        message = settled.item.message
        unsettled.add(identity(settled.item.operation))
        if settled.wait_ms is None:
            open_messages.add(message)
            continue
        waits_ms[message] = min(settled.wait_ms, waits_ms.get(message, settled.wait_ms))
        if settled.error is not None:
            counted.add(message)
    open_messages |= {
        copy.item.message for copy in copies_in(batch) if identity(copy.item.operation) in unsettled
    }
    return tuple(
        Later(waits_ms[index] / 1000, counted=index in counted)
        if index in waits_ms and index not in untried
        else Later(AGAIN_S, counted=False)
        if index in open_messages
        else Done()
        for index in range(len(batch.messages))
    )


def counts(batch: Batch) -> Counter[Outcome]:
    """Return the operations of the settled *batch* by what became of them."""
    tally = Counter(map(_outcome, itertools.chain(batch.settled, batch.taken)))
    for fault in batch.faults:
        tally[Outcome.RETRYING if fault.unkept else Outcome.DEAD] += 1
    if batch.items:
        tally[Outcome.RETRYING] += len(batch.items)
    return tally


def took(batch: Batch) -> bool:
    """Return whether the target took, or finally refused, anything of *batch*."""
    return bool(batch.taken) or any(
        s.stage == "apply" and s.outcome is not Outcome.RETRYING for s in batch.settled
    )


def unknown(batch: Batch) -> Counter[str]:
    """Return the operations of *batch* that met an error which nobody knows, by its code."""
    errors = (settled.error for settled in batch.settled)
    return Counter(
        error.unknown for error in errors if isinstance(error, TargetError) and error.unknown
    )


def latencies(batch: Batch, committed_ms: int) -> Counter[int]:
    """Return the operations whose effect the target holds by their rounded latency in ms."""
    held = [settled.item.operation for settled in batch.settled if settled.outcome in HELD]
    held += [result.operation for result in batch.taken if result.outcome in HELD]
    delayed = list(filter(_not_before_ms, held))
    if delayed:
        held = [each for each in held if not each.not_before_ms]
    tally: Counter[int] = Counter()
    # Many are made in the same millisecond.
    for created, operations in Counter([each.id[:CREATED_BYTES] for each in held]).items():
        tally[_rounded(committed_ms - created_ms(created))] += operations
    for each in delayed:
        due_ms = max(created_ms(each.id), each.not_before_ms)
        tally[_rounded(committed_ms - due_ms)] += 1
    return tally


def _rounded(ms: int) -> int:
    """Return *ms* with two significant digits; 0 where the clocks disagree."""
    return round(ms, min(0, _DIGITS - len(str(ms)))) if ms > 0 else 0
