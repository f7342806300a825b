"""Leaves a collection alone of which the target refuses too much: that is no matter of its records.

.. code-block:: text

                    each of 20 records of a batch refused,
                    or more than half of the latest records,
                    or a misconfiguration that others do not meet
            taken ──────────────────────────────────────────────► paused ◄─┐
              ▲                                                     │      │ it is refused again:
              │ no more of it is refused than taken                 │ time │ pause doubled
              └───────────────────── probe of a few records ◄───────┘──────┘

Meanwhile its operations wait, uncounted, and other collections of the target go on. What the target
refuses in a probe waits as well. What a replay has sent and is refused again does not count. Each
operation waits for as long as the collection has been paused already, so that it is not looked at
again and again.
"""

from __future__ import annotations

import operator
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs

from syncpipe.core.outcome import Outcome
from syncpipe.errors import Refused, RefusedForNow, TargetError, TargetMisconfigured
from syncpipe.pipeline.fold import identity
from syncpipe.resilience.backoff import equal_jitter

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.outcome import Result
    from syncpipe.pipeline.fold import Identity
    from syncpipe.pipeline.log import BatchLog
    from syncpipe.targets.target import Group

#: So many records of a batch, all refused and none taken, show a misconfiguration.
_ALL_OF = 20
#: So many of the latest records are looked at, and so many there must be at least. One that is
#: refused counts once, because what is tried again and again must not harm the others; one that is
#: taken counts in each batch, because a few records may be most of what there is.
_WINDOW, _VOLUME = 200, 20
#: First and longest pause, seconds.
_FIRST_S, _LONGEST_S = 1.0, 60.0
#: The shortest wait of an operation for its collection, milliseconds.
FIRST_PAUSE_MS = round(1000 * _FIRST_S)
#: Records of a probe.
_PROBE = 8
_TAKEN = frozenset({Outcome.APPLIED, Outcome.MERGED})
#: A missing parent row, and what failed because something else did: others are to blame.
_OTHERS_SQLSTATES, _OTHERS_STATUSES = frozenset({"23503"}), frozenset({424})
_RANDOM_BITS = 32
_collection = operator.attrgetter("operation.collection")


@dataclass(slots=True)
class _Record:
    """What is remembered of one collection."""

    #: Why the latest records were refused, by key, and None for those that were taken, by key and
    #: batch, oldest first.
    latest: dict[str | tuple[str, int], TargetError | None] = field(default_factory=dict)
    #: How many batches there were.
    batches: int = 0
    #: Why it is paused; None if it is not.
    reason: TargetMisconfigured | None = None
    #: How many pauses there were in a row.
    pauses: int = 0
    #: `Clock.monotonic` at which the first of them began.
    since: float = 0.0
    #: `Clock.monotonic` at which the next probe may be.
    until: float = 0.0

    def remember(
        self, results: Sequence[Result], refused: Mapping[str, TargetError | None]
    ) -> None:
        """Add the records of *results*, one batch in its order, of which some were *refused*."""
        self.batches += 1
        if not refused and len(self.latest) == _WINDOW and not any(self.latest.values()):
            return  # all that is remembered was taken, and this was as well: nothing changes
        newest: dict[str, tuple[str | tuple[str, int], TargetError | None]] = {}
        for result in reversed(results):
            key = result.operation.key
            if key in refused:
                newest.setdefault(key, (key, refused[key]))
            elif result.outcome in _TAKEN:
                newest.setdefault(key, ((key, self.batches), None))
            if len(newest) == _WINDOW:
                break  # what comes before these would be forgotten at once
        for key, (entry, error) in reversed(newest.items()):
            self.latest.pop(key, None)
            self.latest[entry] = error
        for old in list(self.latest)[:-_WINDOW]:
            del self.latest[old]


class CollectionPauses:
    """The collections of one target that are left alone in this process. Thread-safe."""

    def __init__(self, clock: Clock, random: Random, log: BatchLog, *, longest_s: float) -> None:
        """Leave none alone; *log* is told of each that is, and of its end.

        However long a pause lasts, nothing waits for more than *longest_s* seconds beyond the next
        probe before it is looked at again.
        """
        self._longest_s = longest_s
        self._clock = clock
        self._random = random
        self._log = log
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}

    def admitted(self, groups: Sequence[Group]) -> list[Group]:
        """Return those of *groups* that are to be tried now: of a paused collection a few at most.

        Which few is left to chance, so that no bad record stands in the way of others for ever.
        """
        with self._lock:
            paused = {name for name, record in self._records.items() if record.reason}
            waiting = [group for group in groups if group.collection.name in paused]
            if not waiting:
                return list(groups)
            probes = {id(group) for group in self._probes(waiting)}
        return [
            group for group in groups if group.collection.name not in paused or id(group) in probes
        ]

    def judged(self, results: Sequence[Result], again: Container[Identity] = ()) -> list[Result]:
        """Return *results*, what waits for the end of a pause retrying because of it.

        That the target refuses what it has refused before, and somebody has sent *again*, says
        nothing about others, and waits for nothing.
        """
        apart: list[Result] = []
        if again:
            apart = [r for r in results if identity(r.operation) in again and _is_refused(r)]
            aside = set(map(id, apart))
            results = [r for r in results if id(r) not in aside]
        names = list(map(_collection, results))
        members: dict[str, list[Result]] = {name: [] for name in dict.fromkeys(names)}
        if len(members) == 1:  # most batches
            members[names[0]] += results
        else:
            for name, result in zip(names, results, strict=True):
                members[name].append(result)
        judged: list[Result] = []
        with self._lock:
            for name, part in members.items():
                judged += self._judge(name, part)
        return judged + apart

    def reason(self, collection: str) -> TargetMisconfigured | None:
        """Return why *collection* is paused; None if it is not."""
        with self._lock:
            record = self._records.get(collection)
            return record.reason if record else None

    def wait_ms(self, collection: str) -> int | None:
        """Return how long an operation on *collection* is to wait; None if it is not paused."""
        with self._lock:
            record, now = self._records.get(collection), self._clock.monotonic()
            if record is None or record.reason is None:
                return None
            lasted_s = min(now - record.since, self._longest_s)
            wait_s = max(record.until - now, lasted_s, _FIRST_S)
            return round(1000 * wait_s)

    def _probes(self, waiting: Iterable[Group]) -> Iterable[Group]:
        """Return a few of *waiting* for each collection whose pause is over."""
        members: dict[str, list[Group]] = {}
        for group in waiting:
            members.setdefault(group.collection.name, []).append(group)
        now = self._clock.monotonic()
        for name, part in members.items():
            record = self._records[name]
            if record.until <= now:
                # Until it is judged, others look again soon.
                record.until = now + _FIRST_S
                yield from sorted(part, key=lambda _: self._random.bits(_RANDOM_BITS))[:_PROBE]

    def _judge(self, name: str, results: list[Result]) -> list[Result]:
        record = self._records.setdefault(name, _Record())
        if record.reason is not None:
            return self._judge_probe(name, record, results)
        faulty = [result for result in results if result.error]
        refused = list(filter(_is_refused, faulty))
        if faulty and (reason := _reason(name, results, refused)):
            self._pause(name, record, reason)
            return [_waiting(result, reason) for result in results]
        fitting: set[str] = set()
        if refused:
            fitting = {result.operation.key for result in results if result.outcome in _TAKEN}
        record.remember(
            results,
            {
                each.operation.key: _error(each)
                for each in refused
                if each.operation.key not in fitting
            },
        )
        if reason := _reason_of_many(name, record.latest.values()):
            self._pause(name, record, reason)
        return results

    def _judge_probe(self, name: str, record: _Record, results: list[Result]) -> list[Result]:
        taken = sum(result.outcome in _TAKEN for result in results)
        refused = sum(_is_refused(result) or _misfits(result) for result in results)
        reason = record.reason
        if reason is not None and refused > taken:
            self._pause(name, record, reason)
            return [_waiting(result, reason) for result in results]
        self._log.collection_resumed(name)
        self._records[name] = _Record()
        return results

    def _pause(self, name: str, record: _Record, reason: TargetMisconfigured) -> None:
        now = self._clock.monotonic()
        if record.reason is None:
            record.since = now
            self._log.collection_paused(name, reason)
        pause_s = equal_jitter(record.pauses, _FIRST_S, _LONGEST_S, self._random)
        record.reason = reason
        record.pauses += 1
        record.until = now + pause_s


def _is_refused(result: Result) -> bool:
    """Return whether *result* may show that the target refuses everything like it."""
    error = result.error
    if error is None or not isinstance(error, Refused | RefusedForNow):
        return False
    return error.sqlstate not in _OTHERS_SQLSTATES and error.status not in _OTHERS_STATUSES


def _misfits(result: Result) -> bool:
    return isinstance(result.error, TargetMisconfigured)


def _error(result: Result) -> TargetError | None:
    return result.error if isinstance(result.error, TargetError) else None


def _reason(
    name: str, results: Sequence[Result], refused: Sequence[Result]
) -> TargetMisconfigured | None:
    """Return why *results*, all of one batch and the collection *name*, show a misconfiguration."""
    if any(result.outcome in _TAKEN for result in results):
        return None
    misfit = next(filter(_misfits, results), None)
    if misfit is not None and isinstance(misfit.error, TargetMisconfigured):
        return misfit.error
    keys = len({result.operation.key for result in refused})
    if keys < _ALL_OF:
        return None
    return _named(f"The target refuses each of {keys} records of {name!r}", map(_error, refused))


def _reason_of_many(
    name: str, latest: Collection[TargetError | None]
) -> TargetMisconfigured | None:
    """Return why the *latest* records of the collection *name* show a misconfiguration."""
    refused = [error for error in latest if error is not None]
    if len(latest) < _VOLUME or 2 * len(refused) <= len(latest):
        return None
    what = f"The target refuses {len(refused)} of the last {len(latest)} records of {name!r}"
    return _named(what, refused)


def _named(what: str, errors: Iterable[TargetError | None]) -> TargetMisconfigured:
    """Return the error that says *what*, and which refusal is most frequent; never a value."""
    tally = Counter(
        (error.code, error.sqlstate, error.constraint, error.status) for error in errors if error
    )
    (code, sqlstate, constraint, status), _ = tally.most_common(1)[0]
    details = [
        code,
        *([f"SQLSTATE {sqlstate}"] if sqlstate else []),
        *([f"status {status}"] if status else []),
        # An endpoint may write anything there, and this goes into the log.
        *([f"constraint {constraint!r}"] if constraint and sqlstate else []),
    ]
    return TargetMisconfigured(
        f"{what} ({', '.join(details)}).", sqlstate=sqlstate, constraint=constraint, status=status
    )


def _waiting(result: Result, reason: TargetMisconfigured) -> Result:
    """Return *result* as one that waits, if it is refused."""
    if not (_is_refused(result) or _misfits(result)):
        return result
    return structs.replace(result, outcome=Outcome.RETRYING, error=reason)
