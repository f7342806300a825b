"""A RabbitMQ that falls silent holds nobody longer than a deadline, also not those who wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from syncpipe.errors import BrokerUnavailable
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import WorkerInfo
from tests.integration.transport.relay import relay

QUEUE = "sp.crm.0.normal"
ME = WorkerInfo("me", pid=7, host="here", started_ms=1, seen_ms=2)
#: Each caller has 5 s, or somewhat more for many queues: far fewer than one after the other would
#: take who use the same line.
SHARING, TOGETHER_S = 10, 30


@pytest.fixture
def line(rabbitmq):
    with relay(rabbitmq.port) as running:
        yield running


@pytest.fixture
def broker(line, rabbitmq, rabbitmq_url):
    url = rabbitmq_url.replace(f":{rabbitmq.port}/", f":{line.port}/")
    options = {"clock": SystemClock(), "management_url": rabbitmq.management_url}
    with open_broker(url, **options) as opened:
        opened.declare([QUEUE])
        opened.announce(ME, ttl_s=600)
        yield opened


def test_every_verb_ends_by_its_own_deadline(broker, line):
    verbs = [
        *[lambda: broker.announce(ME, ttl_s=600), broker.workers] * (SHARING // 2),
        lambda: broker.withdraw("other"),
        lambda: broker.missing([QUEUE]),
        lambda: broker.declare([QUEUE]),
        lambda: broker.depths([QUEUE]),
        lambda: broker.ready([QUEUE]),
        lambda: broker.peek(QUEUE, limit=1),
        lambda: broker.purge(QUEUE),
        lambda: broker.undeclared([QUEUE]),
        broker.queues,
        broker.reclaim,
    ]
    line.go_dark(on=True)

    pool = ThreadPoolExecutor(len(verbs))
    asked = [pool.submit(verb) for verb in verbs]
    late = wait(asked, timeout=TOGETHER_S).not_done
    line.go_dark(on=False)
    pool.shutdown()

    assert not late
    assert {type(each.exception()) for each in asked} == {BrokerUnavailable}
    broker.announce(ME, ttl_s=600)
    assert broker.workers() == [ME]
    assert broker.missing([QUEUE, "sp.dead"]) == ["sp.dead"]
