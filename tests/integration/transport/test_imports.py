"""Publishing imports nothing: no forked child waits for what its parent was importing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from tests.integration.transport.relay import relay

ROOT = Path(__file__).parents[3]
HERE, GONE = "sp.crm.0.normal", "sp.crm.0.low"
PUBLISHES = f"""
import sys
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound

broker = open_broker(sys.argv[1], clock=SystemClock())
imported, publishing = [], True
def watch(event, arguments):
    if event == "import" and publishing: imported.append(arguments[0])
sys.addaudithook(watch)
messages = [Outbound(queue, b"body", "id", "syncpipe.apply") for queue in {(HERE, GONE)}]
verdicts = broker.publish(messages, timeout_s=60)
publishing = False
print(*imported, *(type(verdict).__name__ for verdict in verdicts))
"""


@pytest.fixture
def tcp_url(redis, redis_url):
    assert redis_url
    with relay(redis.socket) as running:
        yield running.url


@pytest.fixture
def declared_url(rabbitmq_url):
    with open_broker(rabbitmq_url, clock=SystemClock()) as broker:
        broker.declare([HERE])
    return rabbitmq_url


@pytest.fixture
def dead_url(tmp_path):
    return f"redis+socket://{tmp_path}/nobody"


@pytest.mark.parametrize(
    ("address", "verdicts"),
    [
        ("redis_url", ["NoneType", "NoneType"]),
        ("tcp_url", ["NoneType", "NoneType"]),
        ("dead_url", ["BrokerUnavailable", "BrokerUnavailable"]),
        ("declared_url", ["NoneType", "QueueMissing"]),
    ],
)
def test_publishing_imports_nothing(request, address, verdicts):
    command = [sys.executable, "-c", PUBLISHES, request.getfixturevalue(address)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.stdout.split() == verdicts, ran.stderr
