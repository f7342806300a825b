"""Whoever replays is told what became of it, before its message is done."""

from __future__ import annotations

import uuid

import pytest

from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.envelope import Header, seal
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import Priority
from syncpipe.errors import Quarantined, Refused, RefusedForNow, StoreUnavailable, TargetUnavailable
from syncpipe.pipeline import Done, Later, Message
from syncpipe.testing.clock import START_MS
from tests.unit.pipeline.envelopes import LANE, QUEUE, message, operation
from tests.unit.pipeline.test_runner import Bench

REPLAY = uuid.UUID(int=7)
OTHER = uuid.UUID(int=8)
NO = Refused("No.", sqlstate="23514")


def again(*operations, replay=REPLAY):
    """A message in which *replay* sends *operations*."""
    header = Header(
        bytes(16), LANE, Priority.NORMAL, len(operations), START_MS, replay=replay.bytes
    )
    return Message(QUEUE, "m", seal(header, [encode(each) for each in operations]))


def letter_of(each):
    """The id of the dead letter that an operation was."""
    return DeadLetter(
        raw=encode(each),
        queue=QUEUE,
        stage="apply",
        code="SP-E511",
        message="",
        died_ms=1,
        worker="w",
        operation_id=each.uuid,
        collection=each.collection,
        key=each.key,
        version=each.version,
    ).id


class Told(Bench):
    """A bench whose replays are known."""

    def expect(self, *operations, replay=REPLAY):
        self.outcomes.expect(str(replay), map(letter_of, operations))

    def told(self, *operations, replay=REPLAY):
        """Outcome and code of each, None where nothing was told."""
        found = self.outcomes.found(str(replay))
        reports = [found[letter_of(each)] for each in operations]
        return [report and (report.outcome, report.code) for report in reports]


@pytest.fixture
def bench():
    return Told(stored=True)


def test_each_outcome_is_told(bench):
    good, stale, bad, gone = (
        operation("a", version=9),
        operation("a", version=1),
        operation("b"),
        operation("c", expires=0),
    )
    bench.run(message(good))
    bench.target.refusals[bad.id] = NO
    bench.expect(good, stale, bad, gone)
    assert bench.run(again(good, stale, bad, gone)).verdicts == (Done(),)
    assert bench.told(good, stale, bad, gone) == [
        (Outcome.DUPLICATE, None),
        (Outcome.SUPERSEDED, None),
        (Outcome.DEAD, "SP-E511"),
        (Outcome.EXPIRED, None),
    ]
    assert len(bench.dead()) == 1


def test_what_comes_the_ordinary_way_is_not_told(bench):
    each = operation("a")
    bench.expect(each)
    bench.run(message(each))
    assert bench.told(each) == [None]


def test_while_the_store_is_away_the_message_comes_again_and_nothing_is_buried(bench):
    good, bad = operation("a"), operation("b")
    bench.target.refusals[bad.id] = NO
    bench.expect(good, bad)
    bench.outcomes.fail(StoreUnavailable("away"))
    (verdict,) = bench.run(again(good, bad)).verdicts
    assert isinstance(verdict, Later)
    assert not verdict.counted
    assert bench.dead() == []
    bench.outcomes.fail(None)
    bench.clock.advance(30)
    assert bench.run(again(good, bad)).verdicts == (Done(),)
    assert bench.told(good, bad) == [(Outcome.DUPLICATE, None), (Outcome.DEAD, "SP-E511")]
    assert len(bench.dead()) == 1


def test_a_store_that_is_away_holds_up_no_other_message(bench):
    bench.outcomes.fail(StoreUnavailable("away"))
    verdicts = bench.run(again(operation("a")), message(operation("b"))).verdicts
    assert isinstance(verdicts[0], Later)
    assert verdicts[1] == Done()


def test_what_is_tried_later_tells_of_its_replay_in_the_schedule(bench):
    early = operation("a", version=90_000, due=90_000)
    waits = operation("b")
    bench.target.refusals[waits.id] = RefusedForNow("no parent", sqlstate="23503")
    bench.expect(early, waits)
    assert bench.run(again(early, waits)).verdicts == (Done(),)
    assert bench.told(early, waits) == [None, None]
    bench.clock.advance(100)
    lease = bench.schedule.lease(["crm"], limit=9, max_bytes=10**6, seconds=1)
    assert [each.replay for each in lease.operations] == [REPLAY.bytes] * 2


def test_an_outage_tells_nothing(bench):
    each = operation("a")
    bench.expect(each)
    bench.target.fail(TargetUnavailable("away"))
    bench.run(again(each))
    assert bench.told(each) == [None]


def test_copies_share_the_outcome_of_the_one_that_went_on(bench):
    good, bad, waits = operation("a"), operation("b"), operation("c")
    bench.target.refusals[bad.id] = NO
    bench.target.refusals[waits.id] = RefusedForNow("no parent", sqlstate="23503")
    for replay in (REPLAY, OTHER):
        bench.expect(good, bad, waits, replay=replay)
    ordinary = message(good, bad, waits)
    report = bench.run(ordinary, again(good, bad, waits), again(good, bad, waits, replay=OTHER))
    assert report.verdicts == (Done(),) * 3
    expected = [(Outcome.APPLIED, None), (Outcome.DEAD, "SP-E511"), None]
    assert bench.told(good, bad, waits) == expected
    assert bench.told(good, bad, waits, replay=OTHER) == expected
    assert len(bench.dead()) == 1
    bench.clock.advance(100)
    lease = bench.schedule.lease(["crm"], limit=9, max_bytes=10**6, seconds=1)
    assert [each.replay for each in lease.operations] in ([REPLAY.bytes], [OTHER.bytes])


def test_what_is_set_aside_as_a_whole_is_dead(bench):
    each = operation("a")
    bench.expect(each)
    sent = again(each)
    quarantined = Message(QUEUE, "m", sent.body, fault=Quarantined("It killed a process."))
    assert bench.run(quarantined, Message(QUEUE, "n", b"garbage")).verdicts == (Done(), Done())
    assert bench.told(each) == [(Outcome.DEAD, "SP-E516")]


def test_what_a_replay_sends_and_is_refused_again_pauses_no_collection(bench):
    bad = [operation(f"k{n}") for n in range(60)]
    bench.target.refusals = {each.id: NO for each in bad}
    bench.expect(*bad)
    assert bench.run(again(*bad)).counts == {Outcome.DEAD: 60}
    assert bench.run(message(operation("good"))).counts == {Outcome.APPLIED: 1}
