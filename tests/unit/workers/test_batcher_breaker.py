"""What a batcher does with a target that is left alone."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from syncpipe.errors import BrokerUnavailable, TargetBusy, TargetThrottled
from syncpipe.pipeline import Later
from syncpipe.resilience.register import Register, State
from syncpipe.testing.broker import MemoryBroker
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import DOWN, HASTY, Bench
from tests.unit.workers.deliveries import delivery

LATER = Later(1.0, counted=False)


@pytest.fixture
def bench():
    return Bench("crm", "erp", guard=HASTY, threads=2, batch_max_ops=2)


def fail(bench, *, times=1, error=DOWN):
    bench.pipelines["crm"].answers += [(LATER, error)] * times


def open_(bench):
    """Have the target found down, with something that waits meanwhile."""
    fail(bench)
    each = [delivery(operation()) for _ in range(7)]
    bench.give(*each)
    bench.consumer.work()
    return each


def test_everything_goes_back_and_nothing_is_claimed_while_other_targets_go_on(bench):
    each, other = open_(bench), delivery(operation(), target="erp")
    assert [one.fate for one in each] == ["returned"] * 7
    assert bench.channel.cancelled == ["sp.crm.0.normal"]
    assert (bench.batcher.held, bench.batcher.in_hand.total()) == (0, 0)
    bench.give(other)
    bench.linger()
    bench.work()
    assert other.fate == "acknowledged"


def test_what_still_comes_goes_back_at_once(bench):
    open_(bench)
    late = delivery(operation())
    bench.give(late)
    assert late.fate == "returned"


def test_a_probe_takes_no_message_and_its_failure_doubles_the_period(bench):
    open_(bench)
    bench.pipelines["crm"].faults = [DOWN] * 3
    breaker = bench.guards["crm"]
    for failures in (1, 2, 3):
        assert breaker.register.failures == failures
        bench.advance(breaker.register.period_ms / 1000 - 0.01)
        assert bench.consumer.jobs == []
        bench.advance(0.02)
        bench.work()
    assert bench.pipelines["crm"].pings == 3
    assert len(bench.pipelines["crm"].batches) == 1


def test_after_a_probe_that_passes_one_message_is_tried_and_then_more():
    bench = Bench("crm", guard=HASTY, threads=4, batch_max_ops=1)
    open_(bench)
    bench.advance(1)
    bench.work()
    assert bench.channel.names == ["sp.crm.0.normal"]
    bench.give(*(delivery(operation()) for _ in range(9)))
    seen = []
    while bench.batcher.running:
        seen.append(bench.batcher.running)
        for _ in range(bench.batcher.running):
            bench.consumer.work()
    assert seen[:2] == [1, 2]
    assert bench.guards["crm"].state is State.CLOSED


def test_a_trial_that_fails_returns_its_message(bench):
    open_(bench)
    bench.advance(1)
    bench.work()
    fail(bench)
    each = [delivery(operation()), delivery(operation())]
    bench.give(*each)
    bench.linger()
    bench.work()
    assert [one.fate for one in each] == ["returned"] * 2
    assert bench.guards["crm"].register.failures == 2


def test_while_it_is_still_called_what_failed_is_held_for_a_moment():
    bench = Bench("crm", batch_max_ops=1)
    fail(bench, times=4)
    each = delivery(operation())
    bench.give(each)
    for _ in range(4):
        bench.consumer.work()
        assert (each.fate, bench.batcher.held) == (None, 1)
        bench.advance(1)
    bench.consumer.work()
    assert each.fate == "acknowledged"


def test_a_quiet_target_that_is_down_is_noticed_with_a_single_message():
    bench = Bench("crm", batch_max_ops=1)
    fail(bench, times=5)
    each = delivery(operation())
    bench.give(each)
    for _ in range(5):
        bench.consumer.work()
        bench.advance(1)
    assert each.fate == "returned"


def test_a_throttled_target_waits_with_its_messages_or_without_when_that_is_long(bench):
    fail(bench, error=TargetThrottled("slowly", retry_after_s=2))
    each = delivery(operation())
    bench.give(each)
    bench.linger()
    bench.work()
    bench.advance(1.9)
    assert (each.fate, bench.consumer.jobs, bench.channel.cancelled) == (None, [], [])
    fail(bench, error=TargetThrottled("slowly", retry_after_s=9))
    bench.advance(0.1)
    bench.work()
    assert (each.fate, bench.channel.cancelled) == ("returned", ["sp.crm.0.normal"])
    bench.advance(9)
    bench.consumer.turn()
    assert "sp.crm.0.normal" in bench.channel.names
    assert bench.guards["crm"].state is State.CLOSED


def test_a_fault_of_ours_says_nothing_about_the_target():
    bench = Bench("crm", guard=HASTY, batch_max_ops=1)
    fail(bench, times=9, error=ZeroDivisionError())
    each = delivery(operation())
    bench.give(each)
    for _ in range(9):
        bench.consumer.work()
        bench.advance(1)
    assert (each.fate, bench.guards["crm"].state) == (None, State.CLOSED)


def test_a_target_that_is_left_alone_stays_so_on_the_next_connection(bench):
    open_(bench)
    bench.connect()
    assert bench.channel.names == ["sp.erp.0.normal"]
    bench.advance(1)
    bench.work()
    assert sorted(bench.channel.names) == ["sp.crm.0.normal", "sp.erp.0.normal"]
    each = delivery(operation())
    bench.give(each)
    bench.linger()
    bench.work()
    assert each.fate == "acknowledged"


def test_a_probe_that_ends_after_its_connection_counts_on_the_next(bench):
    open_(bench)
    bench.advance(1)
    assert len(bench.consumer.jobs) == 1
    bench.connect()
    assert bench.channel.names == ["sp.erp.0.normal"]
    bench.work()
    assert "sp.crm.0.normal" in bench.channel.names


def test_a_failure_that_ends_after_its_connection_counts_on_the_next(bench):
    fail(bench)
    bench.give(delivery(operation()), delivery(operation()))
    bench.connect()
    bench.work()
    assert bench.guards["crm"].state is State.OPEN
    assert bench.channel.names == ["sp.erp.0.normal"]


def test_who_does_not_lead_waits_for_the_others(bench):
    queues = ["sp.crm.0.normal", "sp.erp.0.normal"]
    bench.guards.told(present=True)
    bench.guards.heard([])
    bench.assignment.look([])
    assert bench.guards.leads("crm")
    open_(bench)
    rivals = [f"r{number}@h" for number in range(9)]
    bench.assignment.look(rivals)
    bench.clock.advance(1)
    bench.guards.heard([])
    bench.consumer.turn()
    assert (bench.guards.leads("crm"), bench.pipelines["crm"].pings) == (False, 0)
    register = Register(number=2, state=State.HALF_OPEN)
    bench.guards._said["crm"] = register
    bench.guards.heed()
    bench.batcher.pump()
    bench.consumer.turn()
    assert sorted(bench.channel.names) == queues


def test_the_log_tells_of_each_change_once(bench):
    with capture_logs() as lines:
        fail(bench, error=TargetBusy("locked"))
        bench.give(delivery(operation()), delivery(operation()))
        bench.consumer.work()
        bench.pipelines["crm"].faults = [DOWN]
        for _ in range(2):
            bench.advance(2)
            bench.work()
        bench.give(delivery(operation()))
        bench.linger()
        bench.work()
    events = [line["event"] for line in lines]
    assert events == [
        "target-paused",
        "target-probed",
        "target-probed",
        "target-half-open",
        "target-resumed",
    ]
    assert (lines[0]["code"], lines[0]["heard_from"]) == ("SP-E502", None)
    assert [line["passed"] for line in lines if "passed" in line] == [False, True]
    assert 1 <= lines[1]["next_s"] <= 2


def stuck(**options):
    """A target that has taken everything there was room for, and does not answer."""
    bench = Bench("crm", "erp", threads=4, prefetch=8, batch_max_ops=1, **options)
    each = [delivery(operation()) for _ in range(8)]
    bench.give(*each)
    assert len(bench.consumer.jobs) == 2
    return bench, each


def test_a_target_that_hangs_leaves_slots_and_prefetch_to_others():
    bench, each = stuck()
    bench.advance(0.99)
    assert (bench.consumer.extra, bench.channel.cancelled) == (0, [])
    bench.advance(0.02)
    assert (bench.consumer.extra, bench.channel.cancelled) == (8, ["sp.crm.0.normal"])
    other = delivery(operation(), target="erp")
    bench.give(other)
    bench.linger()
    target, args, callback = bench.consumer.jobs.pop()
    callback(target(*args))
    bench.consumer.turn()
    assert other.fate == "acknowledged"
    assert [one.fate for one in each] == [None] * 8


def test_when_it_moves_again_it_is_claimed_again():
    bench, each = stuck()
    bench.advance(1.01)
    bench.consumer.work()
    assert each[0].fate == "acknowledged"
    assert (bench.consumer.extra, bench.channel.names[-1]) == (0, "sp.crm.0.normal")
    bench.work()
    assert [one.fate for one in each] == ["acknowledged"] * 8
    assert not bench.batcher._hands.targets.total()


def test_where_each_queue_has_its_own_prefetch_or_there_is_no_other_nobody_is_in_the_way():
    bench, _ = stuck(url="amqp://")
    bench.advance(9)
    assert (bench.consumer.extra, bench.channel.cancelled) == (0, [])
    alone = Bench("crm", prefetch=8, batch_max_ops=1)
    alone.give(*(delivery(operation()) for _ in range(8)))
    alone.advance(9)
    assert (alone.consumer.extra, alone.channel.cancelled) == (0, [])


def test_a_target_gets_its_share_of_the_threads_at_most():
    bench = Bench("crm", "erp", threads=8, batch_max_ops=1, guard={"max_share": 0.25})
    bench.give(*(delivery(operation()) for _ in range(8)))
    assert len(bench.consumer.jobs) == 2


class Silent(MemoryBroker):
    """A broker that keeps no quotas, as RabbitMQ."""

    def reserve(self, *_):
        return None


class Away(MemoryBroker):
    """A broker that cannot be asked."""

    def reserve(self, *_):
        raise BrokerUnavailable("away")


class Broken(MemoryBroker):
    """A broker whose client has a fault."""

    def reserve(self, *_):
        raise RuntimeError("a bug")


def begun_in(bench, seconds):
    """How many operations begin in so many seconds, with more than enough waiting."""
    bench.give(*(delivery(operation(), operation()) for _ in range(500)))
    for _ in range(round(seconds * 10)):
        bench.advance(0.1)
        bench.work()
    return sum(len(batch) for batch in bench.pipelines["crm"].batches) * 2


@pytest.mark.parametrize(
    ("broker", "processes", "per_s"),
    [(MemoryBroker, 1, 20), (Silent, 4, 5), (Away, 2, 10), (Broken, 2, 10)],
)
def test_no_more_begins_than_the_rate_allows(broker, processes, per_s):
    bench = Bench("crm", guard={"rate": "20/s"}, broker=broker)
    bench.limits.processes = processes
    begun = begun_in(bench, 20)
    assert 0.9 * 20 * per_s <= begun <= 20 * per_s + 20 / processes


def test_a_fault_in_asking_for_the_rate_is_told():
    bench = Bench("crm", guard={"rate": "20/s"}, broker=Broken)
    begun_in(bench, 1)
    job, error = bench.troubles[0]
    assert (job, error.code, "a bug" in str(error)) == ("quota", "SP-E400", True)


def test_a_message_with_more_than_a_burst_gets_through_and_is_paid_for():
    bench = Bench("crm", guard={"rate": "10/s", "burst": 2})
    large, small = delivery(*(operation() for _ in range(40))), delivery(operation())
    bench.give(large, small)
    bench.linger()
    bench.work()
    assert (large.fate, small.fate) == ("acknowledged", None)
    bench.advance(3.5)
    bench.work()
    assert small.fate is None
    bench.advance(1)
    bench.work()
    assert small.fate == "acknowledged"


def test_messages_that_wait_very_long_for_their_turn_wait_in_the_broker():
    bench = Bench("crm", "erp", guard={"rate": "10/h"}, batch_max_ops=1)
    each = [delivery(operation()) for _ in range(3)]
    bench.give(*each)
    bench.work()
    assert [one.fate for one in each] == ["acknowledged", "returned", "returned"]
    assert bench.channel.names == ["sp.erp.0.normal"]
    bench.advance(360)
    bench.consumer.turn()
    assert "sp.crm.0.normal" in bench.channel.names
    bench.give(again := delivery(operation()))
    bench.work()
    assert again.fate == "acknowledged"


def test_targets_without_a_rate_are_not_held_up():
    bench = Bench("crm", batch_max_ops=1, broker=Away)
    bench.give(each := delivery(operation()))
    bench.work()
    assert each.fate == "acknowledged"
