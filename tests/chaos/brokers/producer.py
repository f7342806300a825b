"""A process that sends numbered messages until SIGTERM and writes down which are acknowledged.

``python -m tests.chaos.brokers.producer SYSTEM FOLDER RATE``. A number is written into the book of
the attempted before it is sent, and into that of the acknowledged once the producer's own library
says that it is safe.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.brokers.ledger import Book

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds before a producer whose message was refused sends the next one.
_PAUSE_S = 0.1


class Pace:
    """Numbers at an even rate, until SIGTERM or SIGINT."""

    def __init__(self, rate: float) -> None:
        """Give *rate* numbers a second."""
        self._every_s = 1 / rate
        self._ended = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self._ended.set())

    def __iter__(self) -> Iterator[int]:
        """Yield numbers from 1; a sender that was held up goes on at the rate, and not faster."""
        for number in count(1):
            if self._ended.wait(self._every_s):
                return
            yield number


def send_with_celery(folder: Path, numbers: Pace) -> None:
    """Send as a Celery project does."""
    from tests.chaos.brokers.celery_app import record  # noqa: PLC0415 - reads the environment

    attempted, acknowledged = _books(folder)
    for number in numbers:
        attempted.write(number)
        try:
            record.apply_async((number,))
        except Exception:  # noqa: BLE001 - whatever it is, the message is not acknowledged
            time.sleep(_PAUSE_S)
        else:
            acknowledged.write(number)


def send_with_syncpipe(folder: Path, numbers: Pace) -> None:
    """Send through our client; each operation travels in a message of its own."""
    from syncpipe.app import Client  # noqa: PLC0415 - the other system does without
    from syncpipe.errors import SyncpipeError  # noqa: PLC0415

    attempted, acknowledged = _books(folder)

    def settled(number: int):
        return lambda _, error: None if error else acknowledged.write(number)

    client = Client(folder / "syncpipe.toml")
    for number in numbers:
        attempted.write(number)
        try:
            client.upsert("messages", str(number), {"n": number}, on_delivery=settled(number))
        except SyncpipeError:
            time.sleep(_PAUSE_S)
    client.close()


def _books(folder: Path) -> tuple[Book, Book]:
    return Book(folder / "attempted"), Book(folder / "acknowledged")


if __name__ == "__main__":
    _system, _folder, _rate = sys.argv[1:]
    _send = send_with_syncpipe if _system == "syncpipe" else send_with_celery
    _send(Path(_folder), Pace(float(_rate)))
