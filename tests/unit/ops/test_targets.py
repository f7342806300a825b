from __future__ import annotations

import pytest

from syncpipe.ops.targets import TargetState, states
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State, digest
from syncpipe.store.pauses import Pause
from syncpipe.transport.broker import WorkerInfo

OPEN = Register(7, State.OPEN, since_ms=500, code=501, writer=digest("w1"))


def worker(name, **counters):
    said = {name.replace("__", ":"): count for name, count in counters.items()}
    return WorkerInfo(name, 5, "h", 0, 0, said)


def state(workers, pauses, target="crm"):
    (found,) = states([target], workers, pauses)
    return found


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ([], TargetState("crm", "closed")),
        ([worker("w1", breaker__crm=0)], TargetState("crm", "closed")),
        (
            [worker("w1", breaker__crm=OPEN.pack()), worker("w2", breaker__crm=0)],
            TargetState("crm", "open", 500, "w1", "SP-E501"),
        ),
        (
            [worker("w2", breaker__crm=OPEN.pack())],
            TargetState("crm", "open", 500, None, "SP-E501"),
        ),
        (
            [worker("w1", breaker__crm=Register(8, State.HALF_OPEN, since_ms=600).pack())],
            TargetState("crm", "half-open", 600),
        ),
        (None, TargetState("crm", None)),
    ],
)
def test_the_newest_of_what_workers_say_holds(workers, expected):
    assert state(workers, {}) == expected


def test_what_people_want_comes_first_with_who_and_why():
    workers = [worker("w1", breaker__crm=OPEN.pack())]
    pause = Pause("crm", Hold.OPEN, "ada@h", "maintenance", 900)
    expected = TargetState("crm", "paused", 900, "ada@h", "maintenance")
    assert state(workers, {"crm": pause}) == expected
    assert state(None, {"crm": pause}) == expected
    kept = Pause("crm", Hold.CLOSED, "ada@h", "", 900)
    assert state(workers, {"crm": kept}) == TargetState("crm", "kept-closed", 900, "ada@h", "")
    over = Pause("crm", Hold.NONE, "ada@h", "", 900)
    assert state(workers, {"crm": over}).state == "open"
    assert state(workers, {"crm": pause}, "erp").state == "closed"


def test_while_the_store_is_away_workers_tell_what_people_want():
    workers = [
        worker("w1", pause__crm=Hold.OPEN.pack(900)),
        worker("w2", pause__crm=Hold.NONE.pack(800)),
    ]
    assert state(workers, None) == TargetState("crm", "paused", 900)
    assert state(workers, {}) == TargetState("crm", "closed")


@pytest.mark.parametrize("hold", Hold)
def test_wishes_are_numbers_that_grow_with_time(hold):
    assert Hold.unpack(hold.pack(123)) == (hold, 123)
    assert all(hold.pack(124) > other.pack(123) for other in Hold)
    assert Hold.unpack(0) == (Hold.NONE, 0)


def test_the_sizes_of_batches_are_the_least_and_the_sum_of_what_workers_tell():
    workers = [
        worker("w1", batch_operations__crm=500, batches__crm=2),
        worker("w2", batch_operations__crm=16_000, batches__crm=4),
        worker("w3", batch_operations__erp=10, batches__erp=1),
    ]
    found = state(workers, {})
    assert (found.batch, found.at_once) == (500, 6)
    assert state([], {}).batch is None
    assert state(None, {}).at_once is None
