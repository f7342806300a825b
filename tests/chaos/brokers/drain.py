"""How fast: draining Redis through kombu, and publishing to RabbitMQ with confirmations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kombu import Connection, Consumer, Producer

from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound
from syncpipe.transport.rabbitmq.topology import physical
from tests.chaos.brokers.consumer import QUEUE, connected
from tests.chaos.machine import machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.brokers.grounds import RabbitGround, RedisGround

#: Runs of each side, taking turns.
_RUNS = 3
_BODY = "x" * 300
_LANE = "sp.bench.0.normal"
#: Seconds without a message after which one was lost.
_PATIENCE_S = 10.0


def race(ours: Callable[[], float], stock: Callable[[], float]) -> dict[str, Any]:
    """Return the rates of both sides, messages per second."""
    pairs = [(stock(), ours()) for _ in range(_RUNS)]
    return {
        "ours": [rate for _, rate in pairs],
        "stock": [rate for rate, _ in pairs],
        "machine": machine(),
    }


def drain_redis(ground: RedisGround, *, short: bool) -> dict[str, Any]:
    """Drain one queue through claims, and through kombu's own transport; acknowledge all."""
    number = 2_000 if short else 5_000
    return race(
        lambda: _drain("syncpipe", ground, number),
        lambda: _drain("celery", ground, number),
    )


def publish_rabbitmq(ground: RabbitGround, *, short: bool) -> dict[str, Any]:
    """Publish to one quorum queue with pipelined confirms, and with one confirm at a time."""
    number = 1_000 if short else 3_000
    url = ground.fresh()
    with open_broker(url, clock=SystemClock()) as broker:
        broker.declare([_LANE])
        with Connection(url, transport_options={"confirm_publish": True}) as connection:
            producer = Producer(connection.default_channel)
            # The first message on each way opens connections.
            _pipelined(broker, 1)
            _one_by_one(producer, 1)
            return race(lambda: _pipelined(broker, number), lambda: _one_by_one(producer, number))


def _drain(system: str, ground: RedisGround, number: int) -> float:
    url = ground.fresh()
    _fill(url, number)
    left = number

    def settle(message: Any) -> None:
        nonlocal left
        message.ack()
        left -= 1

    with connected(system, url) as connection:
        channel = connection.default_channel
        consumer = Consumer(channel, [QUEUE], on_message=settle, accept=["json"])
        consumer.qos(prefetch_count=_PREFETCH[system])
        began = time.perf_counter()
        with consumer:
            while left:
                connection.drain_events(timeout=_PATIENCE_S)
        channel.close()
        spent_s = time.perf_counter() - began
    _check_empty(ground)
    return number / spent_s


#: Messages in the hands of a consumer; on both sides others were tried and were no faster.
_PREFETCH = {"syncpipe": 64, "celery": 64}


def _fill(url: str, number: int) -> None:
    with connected("celery", url) as connection:
        producer = Producer(connection.default_channel, serializer="json")
        with producer.batch(max_size=500):
            for _ in range(number):
                producer.publish(_BODY, exchange="", routing_key=QUEUE.name)


def _check_empty(ground: RedisGround) -> None:
    """Raise RuntimeError if a message was not acknowledged."""
    with ground.client() as client:
        unacked = [*client.keys("unacked*"), *client.keys("syncpipe:unacked:*")]
        if client.llen(QUEUE.name) or unacked:
            raise RuntimeError(f"Not everything was acknowledged: {unacked}.")


def _pipelined(broker: Any, number: int) -> float:
    messages = [
        Outbound(_LANE, _BODY.encode(), str(uuid4()), "syncpipe.apply") for _ in range(number)
    ]
    began = time.perf_counter()
    verdicts = broker.publish(messages, timeout_s=120)
    spent_s = time.perf_counter() - began
    if any(verdicts):
        raise RuntimeError(f"RabbitMQ did not confirm: {next(filter(None, verdicts))}")
    return number / spent_s


def _one_by_one(producer: Producer, number: int) -> float:
    began = time.perf_counter()
    for _ in range(number):
        producer.publish(_BODY, exchange="", routing_key=physical(_LANE), delivery_mode=2)
    return number / (time.perf_counter() - began)
