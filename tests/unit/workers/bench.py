"""A batcher, and what it sees: Celery's consumer, kombu's, pipelines, breakers and a fleet."""

from __future__ import annotations

from types import SimpleNamespace

import structlog

from syncpipe.errors import TargetUnavailable
from syncpipe.pipeline import Done, Report, WorkerOptions
from syncpipe.resilience.options import GuardOptions
from syncpipe.settings import Settings
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.transport.dialect import dialect_of
from workers import batcher
from workers.assignment import Assignment
from workers.batcher import Batcher
from workers.caution import Caution
from workers.guards import Guards
from workers.limits import Limits
from workers.sizing import Sizing
from workers.subscriptions import Subscriptions

DOWN = TargetUnavailable("down")
#: Open after the first failure, and probe after a second at most.
HASTY = {"breaker_failures": 1}


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
        alarm = Alarm(self, self.clock.monotonic() + seconds, function)
        self.alarms.append(alarm)
        return alarm

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
        due = [alarm for alarm in self.alarms if alarm.at <= self.clock.monotonic() + 1e-6]
        self.alarms = [alarm for alarm in self.alarms if alarm not in due]
        for alarm in due:
            alarm.function()


class Alarm:
    """A timer of the hub."""

    def __init__(self, hub, at, function):
        self.hub, self.at, self.function = hub, at, function

    def cancel(self):
        self.hub.alarms.remove(self)


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
        self.pings, self.faults, self.together = 0, [], []

    def run(self, messages, care=None, together=None):
        self.batches.append(messages)
        self.together.append(together)
        self.cares.append(care)
        verdict, outage = self.answers.pop(0) if self.answers else (Done(), None)
        return Report((verdict,) * len(messages), {}, {}, None, {}, outage, asked=True)

    @property
    def target(self):
        return self

    def ping(self):
        self.pings += 1
        error = self.faults.pop(0) if self.faults else None
        if error:
            raise error


class Thread:
    """A thread of which nobody notices that it takes time."""

    def submit(self, function, *arguments):
        function(*arguments)


class Bench:
    """What a batcher sees, and what it is told to do."""

    def __init__(
        self, *targets, url="redis://", guard=None, broker=MemoryBroker, clock=None, **options
    ):
        self.clock = clock or FakeClock()
        self.options = WorkerOptions(**options)
        self.dialect = dialect_of(url)
        self.pipelines = {name: Pipeline() for name in targets}
        self.subscriptions = Subscriptions(self.dialect)
        self.subscriptions.assign({f"sp.{name}.0.normal": name for name in targets})
        self.begun, self.reports = 0, []
        self.caution = Caution()
        queues = {f"sp.{name}.0.normal": name for name in targets}
        self.assignment = Assignment("w@h", queues)
        self.assignment.look([])
        settings = Settings(
            shards=1,
            worker=self.options,
            targets=dict.fromkeys(targets),
            guards=dict.fromkeys(targets, GuardOptions(**(guard or {}))),
        )
        parts = SimpleNamespace(clock=self.clock, random=SeededRandom(), settings=settings)
        log = structlog.get_logger()
        self.guards = Guards(parts, "w@h", self.assignment, log)
        self.sizing = Sizing(parts, {name: self.guards.slots(name) for name in targets}, log)
        self.broker = broker(self.clock)
        self.troubles = []
        fails = lambda *trouble: self.troubles.append(trouble)  # noqa: E731
        self.limits = Limits(parts, self.broker, fails=fails, works=lambda _job: None)
        self.limits._thread.shutdown()
        self.limits._thread = Thread()
        self.consumer = Consumer(self.clock)
        self.batcher = None
        self.connect()

    def connect(self):
        """Connect, again if need be, as Celery does."""
        if self.batcher is not None:
            self.subscriptions.disconnect()
            self.batcher.retire()
        self.consumer.qos = None  # as it is until the channel is there
        self.batcher = Batcher(self.consumer, self, self.batcher)
        self.consumer.qos = self.consumer
        self.channel = Channel()
        self.subscriptions.connect(self.channel)

    def begin(self):
        self.begun += 1

    def count(self, _target, report):
        self.reports.append(report)

    def aside(self, action, *arguments):
        self.consumer.jobs.append((action, arguments, lambda _: None))

    def work(self):
        """Let the pool do everything that it has got, and what follows from it."""
        self.consumer.turn()
        while self.consumer.jobs:
            self.consumer.work()

    def give(self, *deliveries):
        for each in deliveries:
            self.batcher.add(each)

    def linger(self):
        self.advance(self.options.batch_linger_ms / 1000)

    def pace(self):
        self.advance(batcher._PACE_S)

    def advance(self, seconds):
        self.clock.advance(seconds)
        self.consumer.turn()
