"""The pipeline to an endpoint: what is sent has one effect, whatever the endpoint does."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import structlog

from syncpipe.core.collection import Collection
from syncpipe.core.deadletter import decode_dead
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import TargetError, TargetUnavailable
from syncpipe.pipeline import BatchLog, Done, Later, Pipeline, WorkerOptions
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from tests.integration.targets.http.endpoint import (
    Endpoint,
    answers,
    closes,
    commits_then,
    resets,
    truncates,
)
from tests.patience import eventually
from tests.unit.pipeline.envelopes import message, operation

COLLECTIONS = {"orders": Collection("orders", ("crm",))}


class Bench:
    """A pipeline to a real endpoint."""

    def __init__(self, endpoint, **options):
        self.endpoint = endpoint
        self.broker = MemoryBroker(FakeClock())
        self.target = endpoint.opened(**{"timeout_s": 10, **options})
        self.target.name = "crm"
        self.pipeline = Pipeline(
            target=self.target,
            collections=COLLECTIONS,
            broker=self.broker,
            clock=SystemClock(),
            random=SystemRandom(),
            options=WorkerOptions(busy_timeout_s=0.2),
            log=BatchLog(structlog.get_logger(), "crm", "w"),
        )

    def run(self, *operations):
        return self.pipeline.run([message(*operations)])

    def run_until_done(self, messages):
        """Run as a worker would, but without its pauses."""
        waiting = list(messages)

        def run():
            nonlocal waiting
            verdicts = self.pipeline.run(waiting).verdicts
            waiting = [
                replace(each, attempts=each.attempts + verdict.counted)
                for each, verdict in zip(waiting, verdicts, strict=True)
                if isinstance(verdict, Later)
            ]
            return not waiting

        eventually(run)

    def dead(self):
        return [decode_dead(body) for body in self.broker.peek(DEAD_QUEUE, limit=10_000)]

    def records(self):
        target = self.endpoint.target
        return {key: target.record("orders", key) for key in target.keys("orders")}


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def bench(endpoint):
    bench = Bench(endpoint)
    yield bench
    bench.pipeline.close()


def increments(number):
    return [operation(f"k{i}", Kind.INCREMENT, {"n": 1}) for i in range(number)]


def test_a_thousand_operations_are_one_request(bench):
    operations = increments(1000)
    assert bench.run(*operations).counts == {Outcome.APPLIED: 1000}
    assert len(bench.endpoint.received) == 1
    assert len(bench.records()) == 1000


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_operations_of_a_mebibyte_arrive_as_they_are(endpoint, compression):
    bench = Bench(endpoint, compression=compression)
    noise = random.Random(5)
    texts = {f"k{i}": noise.randbytes(500_000).hex() for i in range(4)}
    report = bench.run(*(operation(key, data={"text": text}) for key, text in texts.items()))
    assert report.verdicts == (Done(),)
    assert {key: record["text"] for key, record in bench.records().items()} == texts
    bench.pipeline.close()


def test_one_operation_that_the_endpoint_refuses_alone_harms_only_itself(bench):
    bench.endpoint.judge = lambda item: (
        item["key"] == "k7"
        and {
            "status": 422,
            "code": "positive",
            "message": "n must be positive",
        }
    )
    report = bench.run(*increments(100))
    assert report.counts == {Outcome.APPLIED: 99, Outcome.DEAD: 1}
    assert len(bench.endpoint.received) == 1
    (letter,) = bench.dead()
    assert (letter.key, letter.code, letter.constraint) == ("k7", "SP-E511", "positive")
    assert letter.message == "Target 'test' answered 422 (positive): n must be positive."


@pytest.mark.parametrize("status", [400, 422])
def test_one_operation_for_which_all_are_refused_is_found(bench, status):
    def strict(handler, received):
        if any(each["key"] == "k700" for each in received.operations):
            handler.answer(status, {"message": "bad k700"})
        else:
            handler.answer(200, {"results": handler.server.endpoint.apply(received.batch)})

    bench.endpoint.always = strict
    report = bench.run(*increments(1000))
    assert report.counts == {Outcome.APPLIED: 999, Outcome.DEAD: 1}
    (letter,) = bench.dead()
    assert letter.key == "k700"
    assert "bad k700" in letter.message
    assert set(bench.endpoint.effects.values()) == {1}


def test_a_batch_that_is_too_large_is_halved_until_it_fits(bench):
    def small_only(handler, received):
        if len(received.operations) > 100:
            handler.answer(413)
        else:
            handler.answer(200, {"results": handler.server.endpoint.apply(received.batch)})

    bench.endpoint.always = small_only
    report = bench.run(*increments(1000))
    assert report.counts == {Outcome.APPLIED: 1000}
    assert bench.dead() == []


def test_a_single_operation_that_is_too_large_is_a_dead_letter(bench):
    bench.endpoint.always = answers(413)
    report = bench.run(*increments(1))
    assert report.counts == {Outcome.DEAD: 1}


@pytest.mark.parametrize(
    "misdeed",
    [
        *(answers(status) for status in (301, 401, 403, 404, 408, 410, 415, 429, 500, 502, 503)),
        *(answers(200, body) for body in (b"garbage", b"{}", b"<html>")),
        answers(503, retry_after="1"),
        closes,
    ],
)
def test_what_is_no_operations_fault_counts_no_attempt_and_buries_nothing(bench, misdeed):
    bench.endpoint.always = misdeed
    report = bench.run(*increments(50))
    (verdict,) = report.verdicts
    assert not verdict.counted
    assert isinstance(report.outage, TargetError)
    assert report.unknown == {}
    bench.endpoint.always = None
    assert bench.run(*increments(50)).verdicts == (Done(),)
    assert bench.dead() == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_operation_that_never_passes_is_a_dead_letter_at_last_and_holds_up_no_mate(
    bench, status
):
    bench.endpoint.judge = lambda item: (item["key"] == "k3" and {"status": status}) or None
    bad, *mates = increments(20)[3:]
    messages = [message(bad, mates[0]), message(*mates[1:])]
    reports = []
    for attempts in range(20):
        tried = replace(messages[0], attempts=attempts)
        reports.append(bench.pipeline.run([tried, messages[1]]))
    assert [report.outage for report in reports] == [None] * 20
    assert reports[0].verdicts[0].counted
    assert reports[0].verdicts[1] == Done()
    assert reports[-1].verdicts == (Done(), Done())
    assert [dead.key for dead in bench.dead()] == ["k3"]


def test_an_operation_that_breaks_the_endpoint_is_refused_for_now_and_harms_no_other(bench):
    def breaks(handler, received):
        if any(each["key"] == "k0" for each in received.operations):
            handler.answer(500, {})
        else:
            handler.answer(200, {"results": handler.server.endpoint.apply(received.batch)})

    bench.endpoint.always = breaks
    bad, *others = increments(500)
    report = bench.pipeline.run([message(bad), message(*others)])
    assert report.outage is None
    assert report.verdicts[0].counted
    assert report.verdicts[1] == Done()
    assert len(bench.endpoint.received) == 4
    assert isinstance(bench.run(bad).outage, TargetUnavailable)


def test_a_part_that_is_throttled_is_refused_for_now(bench):
    def most(handler, received):
        batch = received.batch
        taken, rest = batch["operations"][:-5], batch["operations"][-5:]
        results = handler.server.endpoint.apply({**batch, "operations": taken})
        results += [{"id": each["id"], "status": 429} for each in rest]
        handler.answer(207, {"results": results}, retry_after="3")

    bench.endpoint.planned.append(most)
    operations = increments(30)
    report = bench.pipeline.run([message(*operations[:10]), message(*operations[10:])])
    assert any(isinstance(verdict, Later) and verdict.counted for verdict in report.verdicts)
    assert (report.outage, report.took) == (None, True)
    assert bench.run(*operations).verdicts == (Done(),)
    assert set(bench.endpoint.effects.values()) == {1}


def test_what_is_not_told_is_tried_again_and_counted(bench):
    bench.endpoint.planned.append(commits_then(answers(200, {"results": []})))
    operations = increments(5)
    report = bench.run(*operations)
    assert report.verdicts[0].counted
    assert report.unknown == {"no-result": 5}
    assert bench.run(*operations).counts == {Outcome.DUPLICATE: 5}
    assert set(bench.endpoint.effects.values()) == {1}


def test_an_endpoint_that_ends_in_the_middle_of_a_batch_and_comes_back_does_it_once(bench):
    def dies(handler, received):
        half = received.batch["operations"][: len(received.operations) // 2]
        handler.server.endpoint.apply({**received.batch, "operations": half})
        handler.close_connection = True
        handler.server.endpoint.always = resets

    bench.endpoint.planned.append(dies)
    operations = increments(100)
    assert isinstance(bench.run(*operations).verdicts[0], Later)
    bench.endpoint.stop()
    assert isinstance(bench.run(*operations).verdicts[0], Later)
    bench.endpoint.always = None
    bench.endpoint.start()
    report = bench.run(*operations)
    assert report.counts == {Outcome.DUPLICATE: 50, Outcome.APPLIED: 50}
    assert sorted(bench.endpoint.effects.values()) == [1] * 100


def test_two_workers_at_once_do_everything_once(endpoint):
    benches = [Bench(endpoint, pool_max=2) for _ in range(2)]
    messages = [message(*increments(20)) for _ in range(20)]
    with ThreadPoolExecutor(8) as threads:
        runs = [
            threads.submit(bench.run_until_done, [each]) for each in messages for bench in benches
        ]
        for run in runs:
            run.result()
    assert sorted(endpoint.effects.values()) == [1] * 400
    assert {record["n"] for record in benches[0].records().values()} == {20}
    for bench in benches:
        bench.pipeline.close()


def omits_half(handler, received):
    results = handler.server.endpoint.apply(received.batch)
    handler.answer(200, {"results": results[::2]})


MISDEEDS = [
    *(answers(status) for status in (302, 401, 404, 408, 429, 500, 502, 504)),
    *(closes, resets, truncates, omits_half),
    answers(503, retry_after="0"),
    answers(200, b"<html>"),
    *(commits_then(answers(status)) for status in (429, 500, 503)),
    *(commits_then(misdeed) for misdeed in (closes, resets)),
    commits_then(answers(200, b"garbage")),
    commits_then(answers(200, {"results": []})),
]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_endpoint_does_each_operation_has_one_effect(bench, seed):
    chance = random.Random(seed)
    kinds = [Kind.UPSERT, Kind.PATCH, Kind.INCREMENT, Kind.DELETE]
    operations = [
        operation(
            f"k{chance.randrange(40)}",
            kind := chance.choice(kinds),
            None if kind is Kind.DELETE else {"n": chance.randrange(100)},
            version=version,
        )
        for version in range(1, 301)
    ]
    messages = [message(*operations[start : start + 30]) for start in range(0, 300, 30)]
    chance.shuffle(messages)
    bench.endpoint.planned.extend(chance.choices(MISDEEDS, k=8))
    bench.run_until_done(messages)
    assert bench.dead() == []
    assert max(bench.endpoint.effects.values()) == 1
    with Endpoint() as other:
        right = Bench(other)
        right.run(*operations)
        assert bench.records() == right.records()
        right.pipeline.close()
