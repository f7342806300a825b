"""Clients in real processes on a real Redis: forks, exits, and a broker that is away."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from syncpipe.errors import BrokerUnavailable, DeliveryTimeout, SendError
from syncpipe.producer.client import Client
from syncpipe.producer.options import ClientOptions
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.transport import open_broker
from tests.patience import eventually
from tests.slowness import SkippingClock, SlowBroker
from tests.unit.producer.parts import COLLECTIONS, sent_operations

ROOT = Path(__file__).parents[3]
OPENING = """
import os, sys
from syncpipe.producer.client import Client
from syncpipe.producer.options import ClientOptions
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.transport import open_broker
from tests.slowness import SkippingClock, SlowBroker
from tests.unit.producer.parts import COLLECTIONS

client = Client(
    collections=COLLECTIONS, shards=8, broker=open_broker(sys.argv[1], clock=SystemClock()),
    clock=SystemClock(), random=SystemRandom(),
    options=ClientOptions(linger_ms=3_600_000, delivery_timeout_s=4 * 3600),
)
"""
FORK = """
from syncpipe.errors import SendError

client.upsert("orders", "warm", {}); client.flush()
receipt = client.upsert("orders", "parent", {})
pid = os.fork()
if pid == 0:
    own = client.upsert("orders", "child", {})
    fine = isinstance(receipt.error, SendError) and own.version > receipt.version
    fine = client.flush() == 0 and own.confirmed and fine
    os._exit(0 if fine else 1)
_, status = os.waitpid(pid, 0)
assert status == 0
assert client.flush() == 0
assert receipt.confirmed
"""
FORK_IN_A_STORM = """
import threading, warnings

warnings.simplefilter("ignore")
stop = threading.Event()
def storm(name):
    n = 0
    while not stop.is_set() and n < 20_000:
        client.upsert("orders", f"storm {name}", {"n": n}); n += 1
threads = [threading.Thread(target=storm, args=(n,)) for n in range(3)]
for thread in threads: thread.start()
statuses = []
for n in range(10):
    pid = os.fork()
    if pid == 0:
        client.upsert("orders", f"child {n}", {})
        os._exit(client.flush(60))
    statuses.append(os.waitpid(pid, 0)[1])
stop.set()
for thread in threads: thread.join()
assert client.flush() == 0
assert statuses == [0] * 10, statuses
"""
FIRST_SENDING = """
imported, sending = [], True
def watch(event, arguments):
    if event == "import" and sending: imported.append(arguments[0])
sys.addaudithook(watch)
client.upsert("orders", "o", {"text": "long " * 100})
assert client.flush() == 0
client.upsert("orders", "o", {}).listen(print)
client.close()
sending = False
assert not imported, imported
"""


@pytest.fixture
def broker(redis_url):
    with open_broker(redis_url, clock=SystemClock()) as opened:
        yield opened


def _run(redis_url, script):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OPENING + script, redis_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def _client(broker, clock=None, **options):
    return Client(
        collections=COLLECTIONS,
        shards=8,
        broker=broker,
        clock=clock or SystemClock(),
        random=SystemRandom(),
        options=ClientOptions(**options),
    )


def test_parent_and_child_each_send_their_own_operations_once(redis_url, broker):
    ran = _run(redis_url, FORK)

    assert ran.returncode == 0, ran.stderr
    operations = sent_operations(broker)
    assert sorted(operation.key for operation in operations) == ["child", "parent", "warm"]
    assert len({operation.id for operation in operations}) == 3


def test_forks_in_the_middle_of_sending_lose_and_double_nothing(redis_url, broker):
    ran = _run(redis_url, FORK_IN_A_STORM)

    assert ran.returncode == 0, ran.stderr
    operations = sent_operations(broker)
    assert len({operation.id for operation in operations}) == len(operations)
    assert {f"child {n}" for n in range(10)} <= {operation.key for operation in operations}
    for name in range(3):
        mine = [o.data["n"] for o in operations if o.key == f"storm {name}"]
        assert mine == list(range(len(mine)))


def test_sending_imports_nothing_for_which_a_forked_child_could_wait(redis_url):
    ran = _run(redis_url, FIRST_SENDING)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("ending", "status"), [("", 0), ("sys.exit(3)", 3), ("raise RuntimeError", 1)]
)
def test_what_is_buffered_is_sent_at_exit(redis_url, broker, ending, status):
    ran = _run(redis_url, f'client.upsert("orders", "last words", {{}})\n{ending}')

    assert ran.returncode == status, ran.stderr
    assert [operation.key for operation in sent_operations(broker)] == ["last words"]


def test_a_confirmed_operation_outlives_a_sudden_end(redis_url, broker):
    script = 'client.upsert("orders", "o", {})\nassert client.flush() == 0\nos.kill(os.getpid(), 9)'

    assert _run(redis_url, script).returncode == -9
    assert [operation.key for operation in sent_operations(broker)] == ["o"]


def test_a_broker_that_is_away_is_reported_within_the_deadline(tmp_path):
    url = f"redis+socket://{tmp_path}/nobody"
    clock = SkippingClock()
    slow = SlowBroker(open_broker(url, clock=clock), clock)
    client = _client(slow, clock, linger_ms=0, delivery_timeout_s=3600)
    receipt = client.upsert("orders", "o", {})

    with pytest.raises(BrokerUnavailable) as error:
        receipt.wait()
    assert error.value.operation_id == receipt.id
    assert client.close(0) == 1


def test_a_broker_that_accepts_and_never_answers_is_reported_too():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        client = _client(open_broker(url, clock=SystemClock()), linger_ms=0, delivery_timeout_s=1.5)
        receipt = client.upsert("orders", "o", {})

        with pytest.raises(SendError) as error:
            receipt.wait()
        assert isinstance(error.value, DeliveryTimeout | BrokerUnavailable)
        assert receipt.error is not None
        client.close(0)


def test_ten_thousand_operations_arrive_in_order(broker, redis_url):
    with _client(open_broker(redis_url, clock=SystemClock())) as client:
        batch = client.send_many(("orders", f"o-{n % 7}", {"n": n}) for n in range(10_000))
        assert client.flush() == 0
        assert batch.wait().ok

    operations = sent_operations(broker)
    assert len(operations) == 10_000
    for key in {operation.key for operation in operations}:
        numbers = [operation.data["n"] for operation in operations if operation.key == key]
        assert numbers == sorted(numbers)


def test_threads_that_come_and_go_leave_nothing_behind(redis_url):
    before = set(threading.enumerate())
    for _ in range(5):
        with _client(open_broker(redis_url, clock=SystemClock())) as client:
            client.upsert("orders", "o", {})

    eventually(lambda: set(threading.enumerate()) <= before)


CHILDREN = """
import multiprocessing

context = multiprocessing.get_context("fork")
children = [
    context.Process(target=client.upsert, args=("orders", f"child {n}", {})) for n in range(3)
]
for child in children: child.start()
for child in children: child.join()
assert [child.exitcode for child in children] == [0, 0, 0]
"""
AWAY = """
client.upsert("orders", "never", {})
"""
AWAY_IN_A_BLOCK = """
with client:
    client.upsert("orders", "never", {})
"""


def test_children_of_multiprocessing_send_what_they_have_buffered(redis_url, broker):
    result = _run(redis_url, CHILDREN)

    assert result.returncode == 0, result.stderr
    assert {o.key for o in sent_operations(broker)} == {"child 0", "child 1", "child 2"}


def test_a_block_does_not_end_as_if_all_was_well(tmp_path):
    result = _run(f"redis+socket://{tmp_path}/nobody", _SHORT + AWAY_IN_A_BLOCK)

    assert result.returncode == 1
    assert "SP-E400 The client ended with 1 operations not confirmed." in result.stderr


def test_an_exit_without_confirmation_is_told(tmp_path):
    result = _run(f"redis+socket://{tmp_path}/nobody", _SHORT + AWAY)

    assert "SP-E400 The client ended with 1 operations not confirmed." in result.stderr


_SHORT = """
client.close()
client = Client(
    collections=COLLECTIONS, shards=8, broker=open_broker(sys.argv[1], clock=SystemClock()),
    clock=SystemClock(), random=SystemRandom(),
    options=ClientOptions(delivery_timeout_s=0.5),
)
"""
