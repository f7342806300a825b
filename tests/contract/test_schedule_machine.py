"""The life of scheduled operations, in any order that promoters, workers and crashes make of it.

A naive model says what must be in the schedule. Beside it stand the broker's messages and the
effects: nothing that was scheduled is ever lost, and no repeat has an effect.

Which of several due operations is lent first is the schedule's choice, and no two schedules of a
test choose alike. So what is drawn never depends on what there is to choose from: hypothesis must
find the same choices when it repeats a run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.contract.schedules import entry, in_memory, in_postgres

OPERATIONS = range(4)
PROMOTERS = range(2)
#: Attempts after which the target takes an operation.
ENOUGH = 3
#: Which one of whatever there is.
WHICH = st.integers(0, 11)


@dataclass
class Row:
    """What the model knows of an operation in the schedule; hours."""

    tries: int
    due: int
    holder: object = None


class Scheduler(RuleBasedStateMachine):
    """A schedule between a broker that may deliver twice and a target that refuses for a while."""

    timed = None

    def __init__(self):
        super().__init__()
        self.timed.empty()
        self.schedule = self.timed.schedule
        self.now = 0
        self.rows: dict[int, Row] = {}
        #: Messages in the broker: operation and number of attempts.
        self.messages = Counter()
        self.done: Counter[int] = Counter()
        self.held: dict[int, tuple[object, list[int], bool]] = {}

    @initialize()
    def sent(self):
        self.messages.update((number, 0) for number in OPERATIONS)

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours):
        self.now += hours
        self.timed.advance(hours * 3600)

    @rule(which=WHICH, hours=st.integers(0, 2), delayed=st.booleans())
    def a_worker_takes_a_message(self, which, hours, delayed):
        """It applies it, or finds it not due, or refused for now; then it acknowledges."""
        message = _one_of(self.messages, which)
        if message is None:
            return
        number, tries = message
        if tries >= ENOUGH:
            self.done[number] += number not in self.done  # the target refuses repeats
        else:
            after = tries if delayed else tries + 1
            self.schedule.put([entry(number, after, hours)])
            row = self.rows.get(number)
            if row is None or after >= row.tries:
                self.rows[number] = Row(after, self.now + hours)
            else:
                row.holder = None
        self.messages -= Counter([message])

    @rule(which=WHICH)
    def the_broker_delivers_twice(self, which):
        message = _one_of(self.messages, which)
        if message is not None:
            self.messages[message] += 1

    @rule(promoter=st.sampled_from(PROMOTERS), limit=st.integers(1, 5))
    def a_promoter_borrows(self, promoter, limit):
        """Whatever it held before, it has crashed over it."""
        lease = self.schedule.lease(["crm"], limit=limit, max_bytes=10**6, seconds=3600)
        lent = [int(each.key[1:]) for each in lease.operations]
        due = {number for number, row in self.rows.items() if row.due <= self.now}
        assert set(lent) <= due
        assert len(lent) == min(limit, len(due))
        for each, number in zip(lease.operations, lent, strict=True):
            assert len(each.attempts) == self.rows[number].tries
            self.rows[number].due = self.now + 1
            self.rows[number].holder = lease.token
        self.held[promoter] = (lease, lent, False)

    @rule(which=WHICH, confirmed=st.booleans())
    def a_promoter_publishes(self, which, confirmed):
        """What is stored may not be confirmed, and then it is not removed."""
        promoter = _one_of([p for p, held in self.held.items() if not held[2]], which)
        if promoter is None:
            return
        lease, lent, _ = self.held[promoter]
        self.messages.update(
            (number, len(each.attempts))
            for each, number in zip(lease.operations, lent, strict=True)
        )
        self.held[promoter] = (lease, lent if confirmed else [], True)

    @rule(which=WHICH)
    def a_promoter_removes(self, which):
        promoter = _one_of([p for p, held in self.held.items() if held[2]], which)
        if promoter is None:
            return
        lease, confirmed, _ = self.held.pop(promoter)
        operations = [each for each in lease.operations if int(each.key[1:]) in confirmed]
        mine = [n for n in confirmed if n in self.rows and self.rows[n].holder == lease.token]
        assert self.schedule.remove(lease, operations) == len(mine)
        for number in mine:
            del self.rows[number]

    @invariant()
    def nothing_is_lost(self):
        waiting = {number for number, _ in self.messages}
        assert set(OPERATIONS) - set(self.done) <= waiting | set(self.rows)

    @invariant()
    def the_schedule_holds_what_the_model_says(self):
        outlook = self.schedule.outlook()
        assert sum(each.count for each in outlook.values()) == len(self.rows)
        if self.rows:
            expected_s = 3600 * (min(row.due for row in self.rows.values()) - self.now)
            assert expected_s - 1800 < outlook["crm"].next_s <= expected_s

    def teardown(self):
        """Once nothing crashes any more, everything is done, each once."""
        for _ in range(4 * ENOUGH):
            for number, tries in list(self.messages):
                if tries >= ENOUGH:
                    self.done[number] += number not in self.done
                else:
                    self.schedule.put([entry(number, tries + 1)])
            self.messages.clear()
            self.timed.advance(10 * 3600)
            lease = self.schedule.lease(["crm"], limit=100, max_bytes=10**6, seconds=1)
            self.messages.update(
                (int(each.key[1:]), len(each.attempts)) for each in lease.operations
            )
            self.schedule.remove(lease, lease.operations)
        assert self.done == dict.fromkeys(OPERATIONS, 1)
        assert self.schedule.outlook() == {}


def _one_of(choices, which):
    """Return one of *choices*, None if there are none."""
    return sorted(choices)[which % len(choices)] if choices else None


def _run(timed, examples):
    machine = type("Machine", (Scheduler,), {"timed": timed})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=40)
    )


def test_in_memory():
    _run(in_memory(), settings().max_examples)


def test_in_postgres(dsn):
    with in_postgres(dsn) as timed:
        _run(timed, max(10, settings().max_examples // 5))
