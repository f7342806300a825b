from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from syncpipe.core.deadletter import DeadLetter, encode_dead
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import StoreOutdated, StoreUnavailable
from syncpipe.pipeline import WorkerOptions
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.store import MemoryStore
from syncpipe.transport.dialect import dialect_of
from tests.unit.workers.bench import Channel, Consumer
from tests.unit.workers.deliveries import Delivery
from workers import recorder as module
from workers.recorder import Recorder
from workers.subscriptions import Subscriptions

LETTER = DeadLetter(b"raw", "sp.crm.0.low", "decode", "SP-E301", "No.", 5, "w")
AWAY = StoreUnavailable("The store is away.")


class Store(MemoryStore):
    """A store that can be away."""

    def __init__(self):
        super().__init__()
        self.error = None
        self._record, self.dead_letters.record = self.dead_letters.record, self.record

    def check(self):
        if self.error:
            raise self.error

    def record(self, letters):
        self.check()
        return self._record(letters)

    @property
    def raws(self):
        return {kept.letter.raw for kept in self.dead_letters._kept.values()}


class Thread:
    """An executor that works when told."""

    def __init__(self):
        self.jobs = []

    def submit(self, function, *arguments):
        self.jobs.append((function, arguments))


class Bench:
    """What a recorder sees, and what it is told to do."""

    def __init__(self, url="redis://", **options):
        self.clock = FakeClock()
        self.options = WorkerOptions(**options)
        self.dialect = dialect_of(url)
        self.parts = SimpleNamespace(random=SeededRandom(1))
        self.name = "w@h"
        self.store = Store()
        self.recording = Thread()
        self.subscriptions = Subscriptions(self.dialect)
        self.subscriptions.assign({DEAD_QUEUE: DEAD_QUEUE, "sp.crm.0.low": "crm"})
        self.consumer = Consumer(self.clock)
        self.told, self.said, self.troubles = [], [], []
        self.recorder = None
        self.connect()

    def connect(self):
        """Connect, again if need be, as Celery does."""
        if self.recorder is not None:
            self.subscriptions.disconnect()
            self.recorder.retire()
            self.consumer = Consumer(self.clock)
        self.recorder = Recorder(self.consumer, self, self.store, self.recorder)
        self.channel = Channel()
        self.subscriptions.connect(self.channel)

    def tell(self, letters):
        self.told += letters

    def say(self, event, **details):
        self.said.append((event, details))

    def fails(self, job, error):
        self.troubles.append((job, error.code))

    def works(self, job):
        self.troubles.append((job, "works"))

    def give(self, *letters):
        deliveries = [Delivery(encode_dead(each), queue=DEAD_QUEUE) for each in letters]
        for each in deliveries:
            self.recorder.add(each)
        self.consumer.turn()
        return deliveries

    def work(self):
        """Let the thread do what there is, and the hub hear of it."""
        while self.recording.jobs:
            function, arguments = self.recording.jobs.pop(0)
            function(*arguments)
            self.consumer.turn()

    def advance(self, seconds):
        self.clock.advance(seconds)
        self.consumer.turn()

    @property
    def consumed(self):
        return any(name.startswith(DEAD_QUEUE) for name in self.channel.names)


@pytest.fixture
def bench():
    return Bench()


def letters(count, at=0):
    return [replace(LETTER, raw=b"%d" % number) for number in range(at, at + count)]


def fates(deliveries):
    return {each.fate for each in deliveries}


def test_a_letter_is_acknowledged_when_it_is_recorded_and_flower_is_told(bench):
    (delivery,) = bench.give(LETTER)
    assert (delivery.fate, bench.recorder.in_hand) == (None, 1)
    bench.work()
    assert (delivery.fate, bench.recorder.in_hand) == ("acknowledged", 0)
    assert bench.store.raws == {b"raw"}
    assert [letter.id for letter in bench.told] == [LETTER.id]
    assert bench.said == [("dead-letters-kept", {"letters": 1, "new": 1})]


def test_what_comes_during_a_write_makes_up_the_next(bench):
    deliveries = bench.give(*letters(1)) + bench.give(*letters(9, at=1))
    assert len(bench.recording.jobs) == 1
    bench.work()
    assert [details["letters"] for _, details in bench.said] == [1, 9]
    assert fates(deliveries) == {"acknowledged"}


def test_a_write_is_bounded_in_letters_and_bytes(bench, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    bench.give(*letters(1))
    bench.give(*(replace(LETTER, raw=bytes([number]) * 500) for number in range(3)))
    bench.give(replace(LETTER, raw=b"x" * 5000), *letters(300, at=1))
    monkeypatch.setattr(module, "_MOST_BYTES", 10**9)
    bench.work()
    sizes = [details["letters"] for _, details in bench.said]
    assert sum(sizes) == 305
    assert max(sizes) == module._MOST


def test_a_repeat_is_acknowledged_too_and_told_only_when_it_may_not_have_been(bench):
    for letter, told in ((LETTER, 1), (LETTER, 2), (replace(LETTER, died_ms=9), 2), (LETTER, 2)):
        (delivery,) = bench.give(letter)
        bench.work()
        assert delivery.fate == "acknowledged"
        assert len(bench.told) == told
    assert bench.store.dead_letters.count() == 1


def test_what_is_no_letter_is_kept_with_its_bytes(bench):
    delivery = Delivery("not a letter", queue=DEAD_QUEUE)
    bench.recorder.add(delivery)
    bench.work()
    assert delivery.fate == "acknowledged"
    (kept,) = bench.store.dead_letters.find(bench.told[0].id)
    letter = kept.letter
    assert (letter.raw, letter.code, letter.stage) == (b"not a letter", "SP-E306", "decode")
    assert (letter.queue, letter.target) == (DEAD_QUEUE, None)


@pytest.mark.parametrize("error", [AWAY, StoreOutdated("It is old."), ZeroDivisionError()])
def test_while_the_store_cannot_be_used_letters_go_back_and_none_is_taken(bench, error):
    bench.store.error = error
    deliveries = bench.give(*letters(3))
    bench.work()
    code = getattr(error, "code", "SP-E701")
    assert fates(deliveries) == {"returned"}
    assert bench.troubles == [("dead-letters", code)]
    assert not bench.consumed
    assert bench.recorder.in_hand == 0
    assert (bench.told, bench.said) == ([], [])
    (late,) = bench.give(LETTER)
    assert late.fate == "returned"


def test_the_store_is_looked_at_after_pauses_that_grow_and_without_letters(bench):
    bench.store.error = AWAY
    bench.give(LETTER)
    looks, passed = [], 0.0
    while passed < 200:
        bench.work()
        if not bench.consumer.alarms:
            bench.advance(0.01)
            continue
        looks.append(bench.consumer.alarms[0].at - bench.clock.monotonic())
        passed += looks[-1]
        bench.advance(looks[-1] + 0.001)
    assert 0.5 <= looks[0] <= 1.0
    assert all(30 <= pause <= 60 for pause in looks[7:])
    assert not bench.consumed

    bench.store.error = None
    bench.advance(61)
    bench.work()
    assert bench.consumed
    assert bench.troubles[-1] == ("dead-letters", "works")
    (delivery,) = bench.give(LETTER)
    bench.work()
    assert delivery.fate == "acknowledged"


def test_pauses_grow_on_when_the_store_answers_but_takes_nothing(bench):
    pauses = []
    for _ in range(4):
        bench.store.error = AWAY
        bench.give(LETTER)
        bench.work()
        bench.store.error = None
        pauses.append(bench.consumer.alarms[0].at - bench.clock.monotonic())
        bench.advance(pauses[-1] + 0.001)
        bench.work()
        assert bench.consumed
    assert pauses[3] > 2 * pauses[0]


def test_a_store_that_is_left_alone_stays_so_on_the_next_connection(bench):
    bench.store.error = AWAY
    bench.give(LETTER)
    bench.work()
    bench.connect()
    assert not bench.consumed
    bench.store.error = None
    bench.advance(1)
    bench.work()
    assert bench.consumed


def test_a_write_that_outlives_its_connection_harms_nothing(bench):
    first = bench.give(*letters(2))
    bench.connect()
    bench.work()
    again = bench.give(*letters(2))
    bench.work()
    assert fates(again) == {"acknowledged"}
    assert fates(first) <= {None, "acknowledged"}
    assert bench.store.dead_letters.count() == 2


def test_at_the_end_what_waits_goes_back_and_what_is_written_is_acknowledged(bench):
    writing, waiting = bench.give(LETTER), bench.give(*letters(3))
    assert bench.recorder.give_back() == 3
    ((function, arguments),) = bench.recording.jobs
    function(*arguments)
    bench.recorder.drain(5, cancelled=lambda: False)
    assert (fates(writing), fates(waiting)) == ({"acknowledged"}, {"returned"})
    assert bench.recording.jobs.pop()
    assert not bench.recording.jobs


def test_at_a_hurried_end_nothing_is_waited_for(bench):
    (delivery,) = bench.give(LETTER)
    bench.recorder.drain(5, cancelled=lambda: True)
    assert delivery.fate is None


def test_letters_in_hand_do_not_use_up_what_the_lanes_may_prefetch(bench):
    bench.give(*letters(40))
    assert bench.consumer.extra == 40
    bench.work()
    assert bench.consumer.extra == 0


def test_of_very_many_letters_some_stay_in_the_broker(bench):
    bench.give(*letters(module._PLENTY))
    assert not bench.consumed
    assert bench.consumer.extra == module._PLENTY
    while bench.recorder.in_hand > module._PLENTY // 2:
        assert not bench.consumed
        (function, arguments) = bench.recording.jobs.pop()
        function(*arguments)
        bench.consumer.turn()
    assert bench.consumed
    bench.work()
    assert bench.consumer.extra == 0


def test_of_very_large_letters_some_stay_in_the_broker(bench, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    bench.give(*(replace(LETTER, raw=bytes([number]) * 900) for number in range(5)))
    assert not bench.consumed
    bench.work()
    assert bench.consumed


def test_having_held_back_is_forgotten_with_the_connection(bench):
    bench.give(*letters(module._PLENTY))
    bench.connect()
    assert bench.consumed


def test_where_each_queue_has_a_prefetch_nothing_is_balanced():
    bench = Bench("amqp://")
    bench.give(*letters(module._PLENTY))
    assert bench.consumed
    assert bench.consumer.extra == 0


def test_the_log_says_nothing_of_what_is_in_a_letter(bench):
    with capture_logs() as log:
        bench.give(replace(LETTER, raw=b"canary", message="canary"))
        bench.work()
    assert "canary" not in repr(log) + repr(bench.said)
