"""The Redis broker against a Redis that is down, stopped, full, or not there."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from syncpipe.errors import BrokerFull, BrokerUnavailable, DeliveryTimeout
from syncpipe.system import SystemClock
from syncpipe.testing.clock import FakeClock
from syncpipe.transport import open_broker, rescue
from syncpipe.transport.broker import Outbound
from syncpipe.transport.redis.claims import Claims
from syncpipe.transport.redis_keys import Keys
from tests.patience import eventually
from tests.servers import redis_server, short_directory

QUEUE = "sp.crm.0.normal"
MESSAGES = [
    Outbound(QUEUE, b"%d" % number, f"id-{number}", "syncpipe.apply") for number in range(3)
]
BIG = [Outbound(QUEUE, b"x" * 2**20, f"big-{number}", "syncpipe.apply") for number in range(8)]


@pytest.fixture
def broker(redis_url):
    with open_broker(redis_url, clock=SystemClock()) as opened:
        yield opened


@contextmanager
def _deaf(answer=b""):
    """Listen on a socket, give everybody the same answer, and read nothing."""
    with short_directory() as root, socket.socket(socket.AF_UNIX) as listener:
        path = str(root / "deaf.sock")
        listener.bind(path)
        listener.listen()
        accepted = []

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(connection)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis+socket://{path}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in accepted:
            connection.close()


def _answers(client):
    try:
        return client.ping()
    except (RedisConnectionError, OSError):
        return False


def _types(verdicts):
    return {type(verdict) for verdict in verdicts}


def _timed(broker, messages, timeout_s):
    started = time.monotonic()
    verdicts = broker.publish(messages, timeout_s=timeout_s)
    return verdicts, time.monotonic() - started


def test_nobody_there_is_said_at_once(tmp_path):
    with open_broker(f"redis+socket://{tmp_path}/none.sock", clock=SystemClock()) as broker:
        assert _types(broker.publish(MESSAGES, timeout_s=60)) == {BrokerUnavailable}
        with pytest.raises(BrokerUnavailable):
            broker.depths([QUEUE])


@pytest.mark.parametrize("messages", [MESSAGES, BIG], ids=["small", "big"])
def test_a_server_that_never_answers_costs_no_more_than_the_deadline(messages):
    with _deaf() as url, open_broker(url, clock=SystemClock()) as broker:
        verdicts, seconds = _timed(broker, messages, 0.5)

    assert _types(verdicts) <= {BrokerUnavailable, DeliveryTimeout}
    assert seconds < 20


def test_a_stranger_on_the_other_side_is_an_error():
    greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with _deaf(greeting) as url, open_broker(url, clock=SystemClock()) as broker:
        verdicts, seconds = _timed(broker, MESSAGES, 1)

    assert _types(verdicts) <= {BrokerUnavailable, DeliveryTimeout}
    assert seconds < 20


def test_no_time_is_no_delivery(broker):
    assert _types(broker.publish(MESSAGES, timeout_s=0)) == {BrokerUnavailable}
    assert broker.queues() == []


def test_a_stopped_redis_leaves_the_outcome_open_and_sending_again_works():
    # Its time is up only while it waits for an answer, not because the machine is slow.
    with redis_server() as server, open_broker(server.url, clock=FakeClock()) as broker:
        broker.publish(MESSAGES, timeout_s=60)
        pid = server.supervisor.pids()["redis"]
        os.kill(pid, signal.SIGSTOP)
        try:
            small, seconds = _timed(broker, MESSAGES, 0.5)
            big, more_seconds = _timed(broker, BIG, 0.5)
        finally:
            os.kill(pid, signal.SIGCONT)
        again = broker.publish(MESSAGES, timeout_s=60)

    assert _types(small) == {DeliveryTimeout}
    assert _types(big) <= {DeliveryTimeout, BrokerUnavailable}
    assert max(seconds, more_seconds) < 20
    assert again == [None] * 3


def test_after_a_restart_the_next_call_connects_anew():
    with (
        redis_server(append_fsync="always") as server,
        open_broker(server.url, clock=SystemClock()) as broker,
    ):
        assert broker.publish(MESSAGES, timeout_s=60) == [None] * 3
        os.kill(server.supervisor.pids()["redis"], signal.SIGKILL)
        with Redis(unix_socket_path=server.socket) as client:
            eventually(lambda: _answers(client))

        assert broker.publish(MESSAGES, timeout_s=60) == [None] * 3
        assert broker.peek(QUEUE, limit=3) == [b"0", b"1", b"2"]


def test_a_full_redis_says_so_and_keeps_what_it_has(broker, server):
    broker.publish(MESSAGES, timeout_s=60)
    server.config_set("maxmemory", 1)

    refused = broker.publish(MESSAGES, timeout_s=60)

    assert _types(refused) == {BrokerFull}
    assert broker.depths([QUEUE])[QUEUE].ready == 3
    assert broker.purge(QUEUE) == 3


def test_a_redis_that_refuses_writes_stores_nothing(broker, server):
    server.config_set("min-replicas-to-write", 1)

    assert _types(broker.publish(MESSAGES, timeout_s=60)) == {BrokerUnavailable}
    assert broker.queues() == []


def test_one_queue_that_refuses_does_not_fail_the_others(broker, server):
    server.set("sp.broken.0.normal", "not a list")
    bad = Outbound("sp.broken.0.normal", b"", "id", "syncpipe.apply")

    verdicts = broker.publish([MESSAGES[0], bad, MESSAGES[1]], timeout_s=60)

    assert [type(verdict) for verdict in verdicts] == [type(None), BrokerUnavailable, type(None)]


def test_claimed_messages_count_as_unacknowledged(broker, side):
    broker.publish(MESSAGES, timeout_s=60)
    ours = side().listen(QUEUE)
    for message in ours.drain(3)[:1]:
        message.ack()
    ours.claim_now()

    depth = broker.depths([QUEUE])[QUEUE]

    assert (depth.ready, depth.unacked, depth.oldest_age_s) == (0, 2, None)
    assert broker.queues() == [QUEUE]


def test_a_message_travels_through_the_claim_transport_unchanged(broker, side):
    broker.publish(MESSAGES[:1], timeout_s=60)

    (message,) = side().listen(QUEUE).drain(1)

    assert bytes(message.body) == b"0"
    assert message.headers["task"] == "syncpipe.apply"
    assert message.properties["correlation_id"] == message.headers["id"] == "id-0"


def test_a_stock_consumer_reads_what_we_publish(broker, side):
    broker.publish(MESSAGES, timeout_s=60)

    received = side.stock().listen(QUEUE).drain(3)

    assert [bytes(message.body) for message in received] == [b"0", b"1", b"2"]


def test_strange_messages_are_shown_as_they_are(broker, server):
    server.lpush(QUEUE, "garbage")
    server.lpush(QUEUE, json.dumps({"properties": {"delivery_info": {}}, "body": "text"}))

    assert broker.peek(QUEUE, limit=2) == [b"garbage", b"text"]
    assert broker.depths([QUEUE])[QUEUE].oldest_age_s is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_makes_its_own_connections(broker, server):
    broker.publish(MESSAGES, timeout_s=60)

    number = broker._link.ask("CLIENT", "ID")
    child = os.fork()
    if child == 0:
        stored = broker.publish(MESSAGES, timeout_s=60) == [None] * 3
        shared = broker._link.ask("CLIENT", "ID") == number
        os._exit(0 if stored and not shared else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert broker.publish(MESSAGES, timeout_s=60) == [None] * 3
    assert server.llen(QUEUE) == 9


def test_a_rescue_returns_what_the_dead_held_and_nothing_else(broker, server, redis_url):
    broker.publish(MESSAGES, timeout_s=60)
    Claims(server.execute_command, Keys(), lifetime_ms=1).claim([QUEUE], 2)
    living = Claims(server.execute_command, Keys(), lifetime_ms=30_000)
    living.claim([QUEUE], 1)

    with ThreadPoolExecutor(1) as pool:
        rescued = pool.submit(rescue, redis_url, clock=SystemClock())
        while not rescued.done():
            living.claim(["nothing"], 1)

    assert rescued.result() == (2, 0)
    assert broker.peek(QUEUE, limit=9) == [b"0", b"1"]
    assert broker.depths([QUEUE])[QUEUE].unacked == 1


@pytest.mark.parametrize("prefix", ["", "app:"])
def test_a_rescue_waits_for_the_death_of_who_was_killed_a_moment_ago(server, redis_url, prefix):
    keys = Keys(prefix)
    killed = Claims(server.execute_command, keys, lifetime_ms=1500)
    killed.patrol()
    server.lpush(f"{prefix}orders", "x")
    killed.claim([f"{prefix}orders"], 1)
    # Deaths can be judged at once: it has been watched for long.
    run, _ = server.get(keys.watch).split()
    server.set(keys.watch, run + b" 1")

    assert rescue(redis_url, clock=SystemClock(), key_prefix=prefix) == (1, 0)
    assert server.lrange(f"{prefix}orders", 0, -1) == [b" x"]
