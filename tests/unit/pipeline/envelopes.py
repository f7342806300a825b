"""Operations and messages for tests of the pipeline."""

from __future__ import annotations

import random

from syncpipe.core.codec import encode
from syncpipe.core.collection import Collection, KeyType, VersionSource
from syncpipe.core.envelope import Header, seal
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import Lane, Priority
from syncpipe.core.version import at_milliseconds
from syncpipe.pipeline import Message, fold
from syncpipe.pipeline.batch import Item, Origin
from syncpipe.testing.clock import START_MS

LANE = Lane("crm", 0)
QUEUE = LANE.queue(Priority.NORMAL)
COLLECTIONS = {
    "orders": Collection("orders", ("crm",)),
    "prices": Collection("prices", ("crm",), version=VersionSource.SOURCE),
    "counts": Collection("counts", ("crm",), key=("n",), key_types=(KeyType.INT,)),
    "lines": Collection("lines", ("crm",), key=("shop", "n"), key_types=(KeyType.STR, KeyType.INT)),
    "others": Collection("others", ("erp",)),
}
_random = random.Random(7)


def operation(
    key="k", kind=Kind.UPSERT, data=None, *, collection="orders", version=0, at_ms=0, **more
):
    """An operation of *version* milliseconds after the start of the fake clock.

    ``due`` and ``expires`` are milliseconds after that start too.
    """
    if data is None and kind is not Kind.DELETE:
        data = {"n": 1} if kind is Kind.INCREMENT else {"a": version}
    stamp = at_milliseconds(START_MS + version) if collection != "prices" else version + 1
    id_ = uuid7(START_MS + at_ms, _random.getrandbits(74))
    names = {"due": "not_before_ms", "expires": "expires_ms"}
    times = {names[name]: START_MS + ms for name, ms in more.items()}
    return Operation(id_, kind, collection, key, stamp, data, **times)


def body(*operations, lane=LANE, count=None, trace=None, tried=()):
    """The envelope of *operations*, at which there were the attempts *tried*."""
    number = len(operations) if count is None else count
    header = Header(_random.randbytes(16), lane, Priority.NORMAL, number, START_MS, trace, tried)
    return seal(header, [encode(each) for each in operations])


def message(*operations, queue=QUEUE, attempts=0, **options):
    """A message with the envelope of *operations*."""
    return Message(queue, "m", body(*operations, **options), attempts)


def item(each, index=0, tried=()):
    """The operation *each*, alone in the message *index*, with the attempts *tried*."""
    return Item(each, Origin(index, encode(each), 1, tried))


def grouped(operations, collections):
    """The groups of *operations*, as the fold stage makes them."""
    return fold.grouped([item(each) for each in operations], collections)[0]
