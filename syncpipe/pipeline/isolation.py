"""Applies a batch so that what the target refuses, or is slow at, harms only itself.

When all records together are refused, a `Search` says what to try next. What the target takes long
to refuse, because it waits for a lock or runs into its statement timeout, is not divided: each of
its records is tried alone, so that each bad one costs that time once. A record of several
operations that is refused is unfolded, and its operations are tried in version order.

An endpoint that breaks at one operation says the same as one that breaks at all. So its first such
answer to several records has the first and the last of them tried alone: where it takes neither, it
is down; else what it breaks at is refused for now, and is sought like anything that is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooSlow,
)
from syncpipe.pipeline.search import Search
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.pipeline.attempt import Attempt

#: So many calls of one batch may end one after the other with a busy target before the whole target
#: counts as busy. Each may take a lock timeout.
_MOST_BUSY = 12
#: So many records, tried alone, at which a target breaks one after the other mean that it is down.
_MOST_BROKEN = 12
#: The status of HTTP of an endpoint that breaks, perhaps at what it was sent.
_BROKE = 500


#: Most records that are applied together. A batch may have more operations, so that more of them
#: become one write; but a longer statement is no faster, and a refusal disturbs what is in it.
MOST_TOGETHER = 2000


class _EnoughError(Exception):
    """Nothing more of the batch is tried now; what has no result waits."""

    def __init__(self, reason: TargetError | None = None) -> None:
        """Keep the *reason*, if it is the target's fault."""
        super().__init__(reason)
        self.reason = reason


class Isolation:
    """Applies the groups of one batch, dividing them where the target refuses."""

    def __init__(self, attempt: Attempt, *, timeout_s: float) -> None:
        """Try with *attempt*; begin nothing more *timeout_s* seconds after the first refusal.

        However long each call takes, a search goes on until something has its result.
        """
        self._attempt = attempt
        self._timeout_s = timeout_s
        self._until: float | None = None
        self._busy = 0
        self._broken = 0
        self._works = False
        self._dawdles = False
        self._known_to_fit: set[str] = set()
        self._taken: list[Sequence[Result]] = []
        self._misfits: list[tuple[Group, TargetMisconfigured]] = []
        #: What became of each operation so far.
        self.results: list[Result] = []

    def run(self, groups: Sequence[Group]) -> TargetError | None:
        """Apply *groups*; return why some operations are left without result, if so.

        They are left without reason when the time is over.
        """
        try:
            together = min(MOST_TOGETHER, self._attempt.together or MOST_TOGETHER)
            for start in range(0, len(groups), together):
                self._go_on(groups[start : start + together])
            return self._settle_misfits()
        except _EnoughError as enough:
            return enough.reason
        except (TargetUnavailable, TargetThrottled) as outage:
            return outage

    def _go_on(self, part: Sequence[Group]) -> None:
        """Apply the next *part* of the batch, as carefully as what came before has taught."""
        if self._until is not None:
            self._check_time()
        if self._dawdles:
            self._each_alone(part)
        else:
            self._try(tuple(part))

    def _try(self, part: Sequence[Group]) -> None:
        """Apply *part*, of which nothing is known."""
        try:
            self._took(self._call(part))
        except TargetMisconfigured as error:
            self._divide(part, error)
        except TargetUnavailable as error:
            if error.status != _BROKE or len(part) == 1:
                raise
            self._doubt(part, error)
        except (TargetBusy, TooSlow) as error:
            self._try_alone(part, error)
        except (Refused, RefusedForNow) as error:
            if len(part) == 1:
                self._refuse(part[0], error)
            else:
                self._search(part)

    def _call(self, groups: Sequence[Group]) -> list[Result]:
        """Apply *groups*; what breaks a target that takes others of the batch is refused for now.

        Raises what `Target.apply` does.
        """
        try:
            return self._attempt(groups)
        except (Refused, RefusedForNow) as error:
            if error.status is not None:
                self._works, self._broken = True, 0
            raise
        except TargetUnavailable as error:
            if error.status != _BROKE or not self._works:
                raise
            self._broken += len(groups) == 1
            if self._broken >= _MOST_BROKEN:
                raise
            raise _for_now(error) from error

    def _doubt(self, part: Sequence[Group], error: TargetError) -> None:
        """Apply *part*, all of which together broke the target with *error*, unless it is down."""
        broken = []
        for group in (part[0], part[-1]):
            try:
                self._took(self._call((group,)))
            except TargetUnavailable as own:
                if own.status != _BROKE:
                    raise
                broken.append((group, own))
            except (Refused, RefusedForNow, TargetBusy, TargetMisconfigured) as own:
                self._note(own)
                self._judge(group, own)
        if not self._works:
            raise error
        for group, fault in broken:
            self._refuse(group, _for_now(fault))
        if len(part) > 2:  # noqa: PLR2004 - the first and the last
            self._try(part[1:-1])

    def _search(self, part: Sequence[Group]) -> None:
        """Apply the records of *part*, of which the target has refused all together."""
        row, search = list(part), Search(len(part))
        while row:
            self._check_time()
            if self._dawdles:
                self._each_alone(row)
                return
            step = search.next()
            tried = row[: step.number]
            if step.each:
                done, refused = self._try_each(tried)
                search.settled(len(done), refused)
                row = [group for group in row if _record(group) not in done]
                continue
            try:
                self._took(self._call(tried))
                search.passed(step.number)
            except (TargetBusy, TooSlow) as error:
                self._try_alone(tried, error)
                search.settled(step.number, 1)
            except TargetMisconfigured as error:
                if self._fits(tried):
                    search.failed(step.number)
                    continue
                self._divide(tried, error)
                search.settled(step.number, 1)
            except (Refused, RefusedForNow):
                search.failed(step.number)
                continue
            del row[: step.number]

    def _try_each(self, groups: Sequence[Group]) -> tuple[set[tuple[str, str]], int]:
        """Try each of *groups* for itself; return the records that are done, and how many fail."""
        answers = []
        if len(groups) > 1:
            try:
                answers = self._attempt.each(groups)
            except (Refused, RefusedForNow, TargetBusy, TargetMisconfigured):
                answers = []  # nobody can tell whose fault that is
            except TargetUnavailable as error:
                if error.status != _BROKE or not self._works:
                    raise
                answers = []
        for answer in answers:
            if answer.error is None:
                self._took(answer.results)
            elif isinstance(answer.error, TargetBusy):
                self._try_one(answer.group)  # with the patience that a transaction cannot have
            else:
                self._judge(answer.group, answer.error)
            self._dawdles |= isinstance(answer.error, TooSlow)
        if answers:
            refused = sum(answer.error is not None for answer in answers)
            return {_record(answer.group) for answer in answers}, refused
        return {_record(group) for group in groups}, self._each_alone(groups)

    def _try_alone(self, part: Sequence[Group], error: TargetError) -> None:
        """Apply each of *part*, at which the target took long before it raised *error*."""
        self._note(error)
        self._dawdles = True
        if len(part) == 1:
            self._judge(part[0], error)
        else:
            self._each_alone(part)

    def _each_alone(self, groups: Iterable[Group]) -> int:
        """Apply each of *groups* in a call of its own; return how many the target refuses."""
        refused = 0
        for group in groups:
            self._check_time()
            refused += not self._try_one(group)
        return refused

    def _try_one(self, group: Group) -> bool:
        """Apply *group*, and return whether the target took it."""
        try:
            self._took(self._call((group,)))
        except (Refused, RefusedForNow, TargetBusy, TargetMisconfigured) as error:
            self._note(error)
            self._judge(group, error)
            return False
        return True

    def _judge(self, group: Group, error: TargetError) -> None:
        """Note that the target has refused *group* alone."""
        if isinstance(error, TargetMisconfigured):
            self._misfits.append((group, error))
        else:
            self._refuse(group, error)

    def _refuse(self, group: Group, error: TargetError) -> None:
        """Give up what of *group* the target refuses, which has refused all of it."""
        self._known_to_fit.add(group.collection.name)
        if len(group.operations) == 1:
            self._give_up(group, error)
            return
        for operation in group.operations:
            self._check_time()
            alone = Group(group.collection, group.key, (operation,))
            try:
                self._took(self._call((alone,)))
            except (Refused, RefusedForNow, TargetBusy) as own:
                self._note(own)
                self._give_up(alone, own)
            except TargetMisconfigured as own:
                self._misfits.append((alone, own))

    def _give_up(self, group: Group, error: TargetError) -> None:
        outcome = Outcome.DEAD if isinstance(error, Refused) else Outcome.RETRYING
        self.results += [Result(operation, outcome, error) for operation in group.operations]

    def _took(self, results: Sequence[Result]) -> None:
        self._works, self._broken, self._busy = True, 0, 0
        self._taken.append(results)
        self.results += results

    def _divide(self, part: Sequence[Group], error: TargetMisconfigured) -> None:
        """Apply *part* so that a collection or record that does not fit the target stops no other.

        Where neither the first nor the last record of a collection fits, none does.
        """
        collections: dict[str, list[Group]] = {}
        for group in part:
            collections.setdefault(group.collection.name, []).append(group)
        if len(collections) > 1:
            for members in collections.values():
                self._try(members)
            return
        if len(part) == 1:
            self._misfits.append((part[0], error))
            return
        if not self._fits(part):
            self._each_alone((part[0], part[-1]))
            part = part[1:-1]
        if self._fits(part):
            self._search(part)
        else:
            self._misfits += [(group, error) for group in part]

    @property
    def _fitting(self) -> set[str]:
        """The collections of which something fits the target; few ask."""
        while self._taken:
            results = self._taken.pop()
            self._known_to_fit.update({result.operation.collection for result in results})
        return self._known_to_fit

    def _fits(self, part: Sequence[Group]) -> bool:
        """Return whether *part* is of one collection, of which something fits the target."""
        names = {group.collection.name for group in part}
        return len(names) == 1 and names <= self._fitting

    def _settle_misfits(self) -> TargetError | None:
        """Let wait what does not fit; return why, if nothing of the batch does.

        What fails while others of its collection pass is refused like any other: for now.
        """
        if self._misfits and not self.results:
            return self._misfits[0][1]
        while self._misfits:
            group, error = self._misfits.pop()
            if group.collection.name in self._fitting:
                self._refuse(group, _for_now(error))
            else:
                self._give_up(group, error)
        return None

    def _note(self, error: TargetError) -> None:
        """Count how often in a row the target is busy, which ends the batch at last.

        Raises:
            _EnoughError: it is busy too often, or the process is to end.

        """
        if not isinstance(error, TargetBusy):
            return
        self._busy += 1
        if self._busy >= _MOST_BUSY or self._attempt.stopped.is_set():
            raise _EnoughError(error)

    def _check_time(self) -> None:
        """Return if there is time for another call, or a search would have been for nothing.

        Raises:
            _EnoughError: there is none.

        """
        now = self._attempt.clock.monotonic()
        if self._until is None:
            self._until = now + self._timeout_s
        ends = self._dawdles or bool(self.results)
        if (ends and now >= self._until) or (self._dawdles and self._attempt.stopped.is_set()):
            raise _EnoughError


def _record(group: Group) -> tuple[str, str]:
    return group.collection.name, group.key


def _for_now(error: TargetError) -> RefusedForNow:
    return RefusedForNow(
        error.message,
        sqlstate=error.sqlstate,
        constraint=error.constraint,
        status=error.status,
        endpoint=error.endpoint,
    )
