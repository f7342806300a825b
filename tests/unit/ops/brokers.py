"""A broker in memory, and what fills it."""

from __future__ import annotations

from syncpipe.core.deadletter import DeadLetter, encode_dead
from syncpipe.transport.broker import Outbound, WorkerInfo


def put(broker, queue, count=1, body=b"envelope"):
    """Publish *count* messages to *queue*."""
    messages = [Outbound(queue, body, f"{queue}-{n}", "syncpipe.apply") for n in range(count)]
    assert broker.publish(messages, timeout_s=1) == [None] * count


def dead(collection, key, queue="sp.crm.0.normal"):
    """Return the bytes of a dead letter."""
    letter = DeadLetter(
        raw=b"",
        queue=queue,
        stage="apply",
        code="SP-E511",
        message="refused",
        died_ms=0,
        worker="w",
        collection=collection,
        key=key,
    )
    return encode_dead(letter)


def worker(name="w-1"):
    """Return a worker's announcement."""
    return WorkerInfo(name, pid=1, host="h", started_ms=0, seen_ms=0)
