"""The smallest consumer that acknowledges what it has kept: kombu, one queue, one file.

``python -m tests.chaos.brokers.consumer TRANSPORT URL FOLDER``. It runs on kombu's own Redis
transport and on ours, and is the same program on both.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from kombu import Connection, Consumer, Producer, Queue

from tests.chaos.brokers.ledger import Book

#: The transports, by what the table calls the system.
TRANSPORTS = {
    "celery": "kombu.transport.redis:Transport",
    "syncpipe": "syncpipe.transport.redis:Transport",
}
QUEUE = Queue("chaos", exchange="", routing_key="chaos")


def connected(system: str, url: str) -> Connection:
    """Return a connection that goes through the transport of *system*."""
    connection = Connection(url)
    connection.transport_cls = TRANSPORTS[system]
    return connection


def publish(connection: Connection, number: int) -> None:
    """Send one message; returns when Redis has it."""
    producer = Producer(connection.default_channel, serializer="json")
    producer.publish(number, exchange="", routing_key=QUEUE.name)


def consume(system: str, url: str, folder: Path) -> None:
    """Keep each message in the file, on disk, and only then acknowledge it; never ends."""
    book = Book(folder / "sink")

    def keep(message) -> None:
        book.write("end", message.payload, system, os.getpid(), sync=True)
        message.ack()

    with (
        connected(system, url) as connection,
        Consumer(connection.default_channel, [QUEUE], on_message=keep, accept=["json"]),
    ):
        while True:
            with suppress(TimeoutError):
                connection.drain_events(timeout=1)


if __name__ == "__main__":
    consume(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
