"""What waits in the broker, lane by lane, who works on it, and whether that is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from syncpipe.core.routing import DEAD_QUEUE, Lane, Priority, lanes_of, parse_queue, queues_of
from syncpipe.errors import SendError, StoreError
from syncpipe.ops.targets import states

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from syncpipe.ops.targets import TargetState
    from syncpipe.store.pauses import Pause
    from syncpipe.store.schedule import Outlook
    from syncpipe.store.store import Store
    from syncpipe.transport.broker import Broker, QueueDepth, WorkerInfo

#: Seconds for which an envelope may wait before that is a problem.
OVERDUE_S = 60.0


class _Place(NamedTuple):
    """A lane in one version of the topology."""

    lane: Lane
    topology: str

    def queue(self, priority: Priority) -> str:
        return self.lane.queue(priority) + (self.topology and f".{self.topology}")


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """What waits in one lane, counted in envelopes."""

    #: The lane.
    lane: Lane
    #: Version of the topology that its queues are of, such as ``v0``; empty if it is ours.
    topology: str
    #: Whether the configuration names it; what others hold was sent before something was changed.
    declared: bool
    #: Envelopes that nobody has taken yet, by priority.
    ready: Mapping[Priority, int]
    #: Envelopes that a worker has taken and not yet acknowledged.
    unacked: int
    #: Seconds since the oldest ready envelope was published; None when there is none.
    oldest_age_s: float | None

    @property
    def depth(self) -> int:
        """All envelopes that are not done."""
        return sum(self.ready.values()) + self.unacked


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the whole."""

    #: Every declared lane, and any other that holds something.
    lanes: tuple[LaneStatus, ...]
    #: Dead letters that wait in the broker.
    dead: int
    #: Open dead letters that the store keeps; None without a store, or while it cannot be asked.
    kept: int | None
    #: Messages in queues of ours that are neither lanes nor the dead letters', by name.
    others: Mapping[str, int]
    #: The workers that live; None when the broker could not tell.
    workers: tuple[WorkerInfo, ...] | None
    #: What is not well, a sentence each that says what to do.
    problems: tuple[str, ...]
    #: What waits for its time in the store, by target; None as `kept`.
    scheduled: Mapping[str, Outlook] | None
    #: What is done about each declared target.
    targets: tuple[TargetState, ...] = ()

    @property
    def depth(self) -> int:
        """Envelopes that are not done, in all lanes."""
        return sum(lane.depth for lane in self.lanes)


def look(broker: Broker, targets: Sequence[str], shards: int, store: Store | None = None) -> Status:
    """Return the state of the lanes of *targets*. Raises BrokerUnavailable.

    Who lives may be unknown all the same, and the *store* away: those are problems of it then.
    """
    declared = {_Place(lane, "") for target in targets for lane in lanes_of(target, shards)}
    places = {queue: _place(queue) for queue in broker.queues()}
    found = {place for place in places.values() if place is not None}
    others = [queue for queue, place in places.items() if place is None and queue != DEAD_QUEUE]
    lanes = sorted(declared | found)
    names = [lane.queue(priority) for lane in lanes for priority in Priority]
    depths = broker.depths([*names, *others, DEAD_QUEUE])
    statuses = tuple(_lane_status(lane, depths, declared=lane in declared) for lane in lanes)
    workers, silence = _workers(broker)
    kept, scheduled, pauses, absence = _stored(store)
    done = states(targets, workers, pauses)
    return Status(
        statuses,
        _all(depths[DEAD_QUEUE]),
        kept,
        {queue: _all(depths[queue]) for queue in others},
        workers,
        (
            *_topology_problems(broker, targets, shards),
            *silence,
            *absence,
            *_outages(done),
            *_schedule_problems(scheduled, targets),
            *_problems(statuses, workers, targets),
        ),
        scheduled,
        done,
    )


def _workers(broker: Broker) -> tuple[tuple[WorkerInfo, ...] | None, tuple[str, ...]]:
    """Return the workers that live, or None and why nobody can tell."""
    try:
        return tuple(broker.workers()), ()
    except SendError as error:
        return None, (f"Which workers live cannot be found out: {error.message}",)


class _Stored(NamedTuple):
    """What the store tells; None where there is none, or it cannot be asked."""

    #: How many dead letters it keeps.
    kept: int | None = None
    #: What is scheduled.
    scheduled: Mapping[str, Outlook] | None = None
    #: What people want of targets; nothing, where there is no store to say it to.
    pauses: Mapping[str, Pause] | None = None
    #: Why it cannot be asked.
    absence: tuple[str, ...] = ()


def _stored(store: Store | None) -> _Stored:
    if store is None:
        return _Stored(pauses={})
    try:
        store.check()
        return _Stored(store.dead_letters.count(), store.schedule.outlook(), store.pauses.current())
    except StoreError as error:
        return _Stored(absence=(f"{error.message} {error.hint}",))


def _outages(targets: Iterable[TargetState]) -> Iterator[str]:
    for each in targets:
        if each.is_left_alone:
            why = "it is slow" if each.reason is None else each.reason
            yield (
                f"Target {each.target!r} is left alone, because {why}. It is tried again by itself;"
                f" see `syncpipe target test {each.target}`."
            )


def _schedule_problems(
    scheduled: Mapping[str, Outlook] | None, targets: Sequence[str]
) -> Iterator[str]:
    for target, outlook in (scheduled or {}).items():
        if target not in targets:
            yield (
                f"{outlook.count} operations are scheduled for {target!r}, which is not a target "
                "of this configuration: no worker sends them on. Declare it again."
            )
        elif outlook.next_s < -OVERDUE_S:
            yield (
                f"What is scheduled for {target!r} has been due for {-outlook.next_s:.0f} s, and "
                "no worker sends it on. See the workers' log."
            )


def _topology_problems(broker: Broker, targets: Sequence[str], shards: int) -> Iterator[str]:
    """Yield a sentence about queues that are missing, and one about those that are not ours."""
    queues = [*(queue for target in targets for queue in queues_of(target, shards)), DEAD_QUEUE]
    if missing := broker.missing(queues):
        yield f"The broker has no queue {_first(missing)}. Run `syncpipe migrate`."
    if unfit := broker.unfit(queues):
        yield (
            f"The queue {_first(unfit)} has other properties than ours, and can lose what is "
            "confirmed. `syncpipe migrate` names the properties."
        )


def _first(queues: Sequence[str]) -> str:
    return repr(queues[0]) + (f" and {len(queues) - 1} more" if queues[1:] else "")


def _place(queue: str) -> _Place | None:
    """Return the lane and the version of the topology of *queue*; None if it is no lane's."""
    parsed = parse_queue(queue)
    if parsed is None:
        return None
    lane, priority = parsed
    return _Place(lane, queue.removeprefix(lane.queue(priority)).removeprefix("."))


def _all(depth: QueueDepth) -> int:
    return depth.ready + depth.unacked


def _lane_status(place: _Place, depths: Mapping[str, QueueDepth], *, declared: bool) -> LaneStatus:
    queues = {priority: depths[place.queue(priority)] for priority in Priority}
    ages = [depth.oldest_age_s for depth in queues.values() if depth.oldest_age_s is not None]
    return LaneStatus(
        place.lane,
        place.topology,
        declared,
        {priority: depth.ready for priority, depth in queues.items()},
        sum(depth.unacked for depth in queues.values()),
        max(ages, default=None),
    )


def _problems(
    lanes: Iterable[LaneStatus], workers: Sequence[WorkerInfo] | None, targets: Sequence[str]
) -> Iterator[str]:
    depths: dict[str, int] = {}
    for status in lanes:
        if status.depth:
            target = status.lane.target
            depths[target] = depths.get(target, 0) + status.depth
    if depths and workers is not None and not workers:
        waiting = sum(depths.values())
        yield f"{waiting} envelopes wait and no worker lives. Start one: `syncpipe worker`."
    yield from _overdue(lanes, targets)
    for target in sorted(depths.keys() - set(targets)):
        yield (
            f"{depths[target]} envelopes wait for {target!r}, which is not a target of this "
            "configuration: no worker takes them. Declare it, or purge its queues."
        )


def _overdue(lanes: Iterable[LaneStatus], targets: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each target for which something waits too long, whoever lives."""
    ages: dict[str, float] = {}
    for status in lanes:
        target, age_s = status.lane.target, status.oldest_age_s
        if target in targets and age_s is not None and age_s > OVERDUE_S:
            ages[target] = max(age_s, ages.get(target, 0.0))
    for target, age_s in sorted(ages.items()):
        yield (
            f"Envelopes for {target!r} wait for {age_s:.0f} s: its workers are behind, leave it "
            f"alone, or are not there. See `syncpipe target test {target}` and the workers' log."
        )
