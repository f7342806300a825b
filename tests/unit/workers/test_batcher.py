from __future__ import annotations

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.errors import NotAnEnvelope, TargetUnavailable
from syncpipe.pipeline import Done, Later, Report, WorkerOptions
from syncpipe.testing.clock import FakeClock
from syncpipe.transport.dialect import dialect_of
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.deliveries import Delivery, delivery
from workers.batcher import Batcher
from workers.caution import Caution
from workers.subscriptions import Subscriptions


class Consumer:
    """Celery's consumer on a hub that turns when told, with a pool that applies when told."""

    connection_errors = (OSError,)

    def __init__(self, clock):
        self.clock = clock
        self.pool = self.timer = self.qos = self
        self.jobs, self.calls, self.alarms = [], [], []
        self.extra = 0

    def apply_async(self, target, args, *, callback):
        self.jobs.append((target, args, callback))

    def call_soon(self, function, *args):
        self.calls.append((function, args))

    def call_after(self, seconds, function):
        self.alarms.append((self.clock.monotonic() + seconds, function))

    def increment_eventually(self, number):
        self.extra += number

    def decrement_eventually(self, number):
        self.extra -= number

    def work(self):
        """Let the pool apply one batch, and the hub hear of it."""
        target, args, callback = self.jobs.pop(0)
        callback(target(*args))
        self.turn()

    def turn(self):
        """Let the hub turn once."""
        while self.calls:
            function, args = self.calls.pop(0)
            function(*args)
        due = [alarm for alarm in self.alarms if alarm[0] <= self.clock.monotonic() + 1e-6]
        self.alarms = [alarm for alarm in self.alarms if alarm not in due]
        for _, function in due:
            function()


class Channel:
    """kombu's consumer, as far as its queues matter."""

    def __init__(self):
        self.queues = []
        self.cancelled = []
        self._active_tags = {"sp.crm.0.normal": "crm's"}

    @property
    def names(self):
        return [queue.name for queue in self.queues]

    def add_queue(self, queue):
        self.queues.append(queue)

    def cancel_by_queue(self, name):
        self.queues = [queue for queue in self.queues if queue.name != name]
        self.cancelled.append(name)

    def consume(self):
        """Nothing to do."""


class Pipeline:
    """Answers what it is told, "done" unless told otherwise."""

    def __init__(self):
        self.batches, self.answers, self.cares = [], [], []

    def run(self, messages, care=None):
        self.batches.append(messages)
        self.cares.append(care)
        verdict, pause_s = self.answers.pop(0) if self.answers else (Done(), 0.0)
        outage = TargetUnavailable("down") if pause_s else None
        return Report((verdict,) * len(messages), {}, {}, None, {}, outage, pause_s)


class Bench:
    """What a batcher sees, and what it is told to do."""

    def __init__(self, *targets, url="redis://", **options):
        self.clock = FakeClock()
        self.options = WorkerOptions(**options)
        self.dialect = dialect_of(url)
        self.pipelines = {name: Pipeline() for name in targets}
        self.subscriptions = Subscriptions(self.dialect)
        self.subscriptions.assign({f"sp.{name}.0.normal": name for name in targets})
        self.begun, self.reports = 0, []
        self.caution = Caution()
        self.consumer = Consumer(self.clock)
        self.batcher = None
        self.connect()

    def connect(self):
        """Connect, again if need be, as Celery does."""
        if self.batcher is not None:
            self.subscriptions.disconnect()
            self.batcher.retire()
        self.batcher = Batcher(self.consumer, self, self.batcher)
        self.channel = Channel()
        self.subscriptions.connect(self.channel)

    def begin(self):
        self.begun += 1

    def count(self, report):
        self.reports.append(report)

    def give(self, *deliveries):
        for each in deliveries:
            self.batcher.add(each)

    def linger(self):
        self.advance(self.options.batch_linger_ms / 1000)

    def advance(self, seconds):
        self.clock.advance(seconds)
        self.consumer.turn()


@pytest.fixture
def bench():
    return Bench("crm")


def test_messages_that_come_together_are_one_batch_and_acknowledged_when_done(bench):
    each = [delivery(operation()) for _ in range(3)]
    bench.give(*each)
    assert bench.consumer.jobs == []
    bench.linger()
    assert [one.fate for one in each] == [None] * 3
    bench.consumer.work()
    assert len(bench.pipelines["crm"].batches) == 1
    assert [one.fate for one in each] == ["acknowledged"] * 3


def test_a_full_batch_does_not_linger():
    bench = Bench("crm", batch_max_ops=2)
    bench.give(delivery(operation()), delivery(operation()))
    assert len(bench.consumer.jobs) == 1


def test_no_more_batches_than_threads_run_at_once():
    bench = Bench("crm", threads=2, batch_max_ops=1)
    bench.give(*(delivery(operation()) for _ in range(5)))
    assert (len(bench.consumer.jobs), bench.batcher.running, bench.batcher.held) == (2, 2, 3)
    bench.consumer.work()
    assert (len(bench.consumer.jobs), bench.batcher.held) == (2, 2)


def test_of_several_targets_each_gets_at_most_half_of_the_threads():
    bench = Bench("crm", "erp", threads=4, batch_max_ops=1)
    bench.give(*(delivery(operation()) for _ in range(5)))
    assert len(bench.consumer.jobs) == 2
    bench.give(*(delivery(operation(), target="erp") for _ in range(5)))
    assert len(bench.consumer.jobs) == 4


def test_a_counted_retry_waits_unacknowledged_and_comes_back_with_its_attempt(bench):
    bench.pipelines["crm"].answers = [(Later(0.5, counted=True), 0.0)]
    each = delivery(operation())
    bench.give(each)
    bench.linger()
    bench.consumer.work()
    assert (each.fate, bench.consumer.jobs, bench.consumer.extra) == (None, [], 1)
    bench.advance(0.5)
    bench.consumer.work()
    assert each.fate == "acknowledged"
    attempts = [batch[0].attempts for batch in bench.pipelines["crm"].batches]
    assert (attempts, bench.consumer.extra) == ([0, 1], 0)


def test_waiting_retries_make_room_for_as_many_again_as_are_prefetched():
    bench = Bench("crm", prefetch=2, batch_max_ops=9)
    bench.pipelines["crm"].answers = [(Later(9, counted=True), 0.0)]
    bench.give(*(delivery(operation()) for _ in range(9)))
    bench.consumer.work()
    assert bench.consumer.extra == 2


def test_while_a_target_is_down_a_few_messages_are_kept_as_probes_and_the_rest_goes_back():
    bench = Bench("crm", "erp", threads=2, batch_max_ops=2)
    bench.pipelines["crm"].answers = [(Later(1.0, counted=False), 1.0)]
    each = [delivery(operation()) for _ in range(7)]
    other = delivery(operation(), target="erp")
    bench.give(*each)
    bench.consumer.work()
    fates = [one.fate for one in each]
    assert fates == ["returned", "returned", None, None, None, None, "returned"]
    assert bench.channel.cancelled == ["sp.crm.0.normal"]
    bench.give(other)
    bench.linger()
    bench.consumer.work()
    assert other.fate == "acknowledged"
    assert bench.consumer.jobs == []
    bench.advance(1.0)
    bench.consumer.work()
    bench.consumer.turn()
    assert each[2].fate == "acknowledged"
    assert bench.channel.names[-1:] == ["sp.crm.0.normal"]
    assert [len(batch) for batch in bench.pipelines["crm"].batches][:2] == [2, 1]


def test_probes_go_one_at_a_time_and_take_turns_until_one_succeeds(bench):
    bench.pipelines["crm"].answers = [(Later(1.0, counted=False), 1.0)] * 3
    each = [delivery(operation()) for _ in range(2)]
    bench.give(each[0])
    bench.linger()
    bench.consumer.work()
    bench.give(each[1])
    for _ in range(2):
        bench.advance(1.0)
        bench.consumer.work()
    assert (each[0].fate, each[1].fate) == (None, None)
    assert bench.channel.cancelled == ["sp.crm.0.normal"]
    bench.advance(1.0)
    bench.consumer.work()
    assert each[0].fate == "acknowledged"
    tried = [message.id for batch in bench.pipelines["crm"].batches[:4] for message in batch]
    assert tried[2] != tried[0] == tried[1] == tried[3]


def test_what_celery_would_drop_reaches_a_pipeline_with_its_fault(bench):
    fault = NotAnEnvelope("no task")
    each = Delivery(b"raw", queue="celery")
    bench.batcher.add(each, fault)
    bench.linger()
    bench.consumer.work()
    ((message,),) = bench.pipelines["crm"].batches
    assert (message.body, message.fault, each.fate) == (b"raw", fault, "acknowledged")


def test_draining_finishes_what_runs_and_starts_nothing_more():
    bench = Bench("crm", threads=1, batch_max_ops=1)
    running, waiting = delivery(operation()), delivery(operation())
    bench.give(running, waiting)
    target, args, callback = bench.consumer.jobs.pop()
    callback(target(*args))
    assert bench.batcher.drain(60, cancelled=lambda: False) == 0
    assert (running.fate, waiting.fate, bench.batcher.held) == ("acknowledged", None, 1)
    bench.consumer.turn()
    assert bench.consumer.jobs == []


def test_draining_ends_when_somebody_is_in_a_hurry():
    bench = Bench("crm", batch_max_ops=1)
    bench.give(delivery(operation()))
    assert bench.batcher.drain(60, cancelled=lambda: True) == 1


def test_every_batch_is_counted_when_it_begins_and_when_it_ends(bench):
    bench.give(delivery(operation()))
    bench.linger()
    assert (bench.begun, bench.reports) == (1, [])
    bench.consumer.work()
    (report,) = bench.reports
    assert len(report.verdicts) == 1
    assert Outcome.DEAD not in report.counts


def test_where_each_queue_has_its_own_prefetch_it_stays_what_it_is():
    bench = Bench("crm", url="amqp://", batch_max_ops=9)
    bench.pipelines["crm"].answers = [(Later(9, counted=True), 0.0)]
    bench.give(*(delivery(operation()) for _ in range(9)))
    bench.consumer.work()
    assert bench.consumer.extra == 0


def test_what_waits_at_the_end_goes_back_at_once():
    bench = Bench("crm", threads=1, batch_max_ops=1)
    running, waiting = delivery(operation()), delivery(operation())
    bench.give(running, waiting)
    assert bench.batcher.give_back() == 1
    bench.consumer.work()
    assert (running.fate, waiting.fate) == ("acknowledged", "returned")
    assert bench.consumer.jobs == []


def test_after_a_lost_connection_what_waited_is_forgotten_and_starts_nowhere():
    bench = Bench("crm", threads=1, batch_max_ops=1)
    each = [delivery(operation()) for _ in range(3)]
    bench.give(*each)
    old = bench.batcher
    bench.connect()
    bench.consumer.work()
    bench.advance(9)
    assert (old.held, old.running, bench.consumer.jobs) == (0, 0, [])
    assert [one.fate for one in each] == ["acknowledged", None, None]


def test_a_batch_that_ends_after_its_connection_is_counted_and_moves_nothing():
    bench = Bench("crm", batch_max_ops=9)
    bench.pipelines["crm"].answers = [(Later(9, counted=True), 0.0)]
    each = [delivery(operation()) for _ in range(9)]
    bench.give(*each)
    bench.connect()
    bench.consumer.work()
    assert (len(bench.reports), bench.consumer.extra, bench.channel.cancelled) == (1, 0, [])
    assert [one.fate for one in each] == [None] * 9
    assert bench.batcher.held == 0


def test_an_outage_that_is_noticed_after_its_connection_is_left_to_the_next_batch():
    bench = Bench("crm", batch_max_ops=1)
    bench.pipelines["crm"].answers = [(Later(1.0, counted=False), 1.0)]
    bench.give(delivery(operation()))
    bench.connect()
    bench.consumer.work()
    assert bench.channel.names == ["sp.crm.0.normal"]


def test_an_acknowledgement_that_the_broker_no_longer_understands_is_dropped():
    bench = Bench("crm", batch_max_ops=2)
    each = [delivery(operation()), delivery(operation())]
    each[0].ack = fail = _Failing()
    bench.give(*each)
    bench.connect()
    bench.consumer.work()
    assert (fail.calls, each[1].fate) == (1, None)


class _Failing:
    calls = 0

    def __call__(self):
        self.calls += 1
        raise ConnectionResetError


def test_a_target_that_was_left_alone_stays_so_on_the_next_connection():
    bench = Bench("crm", "erp", batch_max_ops=1)
    bench.pipelines["crm"].answers = [(Later(5.0, counted=False), 5.0)]
    bench.give(delivery(operation()))
    bench.consumer.work()
    bench.advance(1)
    bench.connect()
    assert bench.channel.names == ["sp.erp.0.normal"]
    bench.advance(3.9)
    assert bench.channel.names == ["sp.erp.0.normal"]
    bench.advance(0.2)
    bench.consumer.turn()
    assert sorted(bench.channel.names) == ["sp.crm.0.normal", "sp.erp.0.normal"]
    each = delivery(operation())
    bench.give(each)
    bench.consumer.work()
    assert each.fate == "acknowledged"


def test_a_pause_that_ended_while_there_was_no_connection_is_over():
    bench = Bench("crm", batch_max_ops=1)
    bench.pipelines["crm"].answers = [(Later(5.0, counted=False), 5.0)]
    bench.give(delivery(operation()))
    bench.consumer.work()
    bench.clock.advance(60)
    bench.connect()
    assert bench.channel.names == ["sp.crm.0.normal"]


def test_what_is_taken_and_what_is_in_hand_is_told(bench):
    """What waits to be tried again is in hand; what was returned or acknowledged is not.

    It counts for the queue that it came from, whatever its routing key.
    """
    bench.pipelines["crm"].answers = [
        (Later(0.5, counted=True), 0.0),
        (Later(1.0, counted=False), 1.0),
    ]
    queue, foreign = "sp.crm.0.normal", delivery(operation())
    foreign.delivery_info = {"routing_key": "orders.created", "consumer_tag": "crm's"}
    bench.give(foreign, *(delivery(operation()) for _ in range(6)))
    assert (bench.batcher.taken, bench.batcher.in_hand[queue]) == (7, 7)
    bench.linger()
    bench.consumer.work()
    assert bench.batcher.in_hand[queue] == 7
    bench.advance(0.5)
    bench.consumer.work()
    assert bench.batcher.in_hand[queue] == 4
    for _ in range(4):
        bench.advance(1.0)
        if bench.consumer.jobs:
            bench.consumer.work()
    assert (bench.batcher.taken, bench.batcher.in_hand.total()) == (7, 0)
    assert Batcher(bench.consumer, bench, bench.batcher).taken == 7
