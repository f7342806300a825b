"""What is given as a list travels together, and nobody who gave it can tell."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncpipe.core.block import MARK
from syncpipe.core.codec import decode_all, encode
from syncpipe.core.envelope import BLOCKS, unseal
from syncpipe.core.operation import Kind
from syncpipe.core.routing import parse_queue, shard_of
from syncpipe.errors import BrokerUnavailable, BufferFull, ClientClosed, OperationTooLarge
from syncpipe.producer.draft import Draft
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from tests.unit.producer.parts import client_on, sent_operations

#: Nothing is sent by itself within a test.
NEVER = {"linger_ms": 100_000, "delivery_timeout_s": 400}


class Text(str):
    """A text of a kind of its own."""

    __slots__ = ()


class Document(dict):
    """A dict of a kind of its own."""


class Unhashable(str):
    """A name that refuses to be looked up, and with words of its own."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise ValueError("no hash")


def _nested(levels: int) -> Any:
    return {"in": _nested(levels - 1)} if levels else {}


_cyclic: dict[str, Any] = {}
_cyclic["in"] = [_cyclic]

_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(-1e14, 1e14)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
#: What may not travel in a block, or may only alone, or not at all.
_ODD_VALUES = [
    *[
        Decimal("1.0"),
        math.nan,
        math.inf,
        1e15,
        -1e16,
        b"b",
        (1,),
        {1},
        {1: 1},
        {"\0": 1},
        object(),
    ],
    *[dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.date(2026, 1, 1), uuid.UUID(int=1), Text("t")],
    *["\ud800", "a\0", "~t", "\\u0000", Document(), 10**4500, 10**4100, _cyclic],
    *[_nested(levels) for levels in (5, 6, 7, 70)],
]
_ODD_DOCUMENTS = [
    *[None, "id", "kid", ["id"], ("id",), 1, [], Document(), {Text("a"): 1}, {1: 1}, _cyclic],
    *[{"id": "k1"}, {"id": "other"}, {"id": 1}, {"order": "k1", "line": 1}, {"line": "01"}],
]
_ODD_KEYS = [
    *["", "k" * 512, "k" * 513, "\u00e9" * 256, "\u00e9" * 257, "\0", "\ud800", "~", "a/b"],
    *[Text("k1"), 1, True, None, 1.0, uuid.UUID(int=1), [], ("k1",), ("k1", 1), ("k1", "01")],
]
_ODD_ITEMS = [
    *[None, "abc", (), ("orders",), ["orders", "k1", {}], ([], "k1", {}), ("nowhere", "k1", {})],
    {"collection": "orders", "key": "k1", "data": {"a": 1}},
    {"collection": "orders", "colour": "red"},
    Draft("orders", "k1", {"a": 1}),
    Draft("orders", "k1", {"a": 1}, priority="low"),
    ("orders", "k1", None, Kind.DELETE),
    ("orders", "k1", {"a": 1}, "patch"),
    (Text("orders"), "k1", {"a": 1}),
    ("prices", "k1", {}),
    Draft("prices", "k1", {}, version=7),
]


@st.composite
def _batches(draw):
    """Items, mostly plain ones, such as may travel together."""
    name = st.sampled_from(draw(st.sampled_from([["orders"], ["people"], ["orders", "people"]])))
    key: st.SearchStrategy[Any] = st.sampled_from(["k1", "k2", "k3"])
    if draw(st.booleans()):
        name, key = st.just("lines"), st.tuples(key, st.integers(0, 1))
    document = st.dictionaries(st.sampled_from(["a", "b", "\u00e9"]), _plain, max_size=3)
    items = draw(st.lists(st.tuples(name, key, document), min_size=16, max_size=24))
    value = st.sampled_from(_ODD_VALUES)
    odd = (
        st.sampled_from(_ODD_ITEMS)
        | st.tuples(name, st.sampled_from(_ODD_KEYS), document)
        | st.tuples(name, key, st.sampled_from(_ODD_DOCUMENTS))
        | st.tuples(name, key, st.dictionaries(st.just("a"), value, min_size=1))
    )
    for item in draw(st.lists(odd, max_size=1)):
        items.insert(draw(st.integers(0, len(items))), item)
    return items


def _bodies(broker):
    for queue in broker.queues():
        for body in broker.peek(queue, limit=100_000):
            envelope = unseal(body)
            assert envelope.header.count == len(list(decode_all(envelope.body)))
            yield queue, envelope.body


def _outcome(drafts, **options):
    """What becomes of *drafts*: by queue and record, what is sent; the faults; the counts."""
    broker, told = MemoryBroker(SystemClock()), []
    with client_on(broker, shards=1, **NEVER, **options) as client:
        batch = client.send_many(drafts, on_fault=told.append)
        assert client.flush() == 0
        batch.wait()
    records, versions = defaultdict(list), defaultdict(list)
    for queue, body in _bodies(broker):
        operations = [operation for operation, _ in decode_all(body)]
        alone = len(operations) == 1
        assert alone or len(operations) <= options.get("batch_max_ops", 500)
        assert alone or len(body) <= options.get("batch_max_bytes", 1_000_000)
        for operation in operations:
            record = queue, operation.collection, operation.key
            records[record].append(
                encode(msgspec.structs.replace(operation, id=bytes(16), version=1))
            )
            versions[record].append(operation.version)
    assert all(each == sorted(set(each)) for each in versions.values())
    faults = sorted((fault.index, type(fault.error)) for fault in told)
    return records, faults, (batch.accepted, batch.rejected, batch.confirmed, batch.failed)


@settings(max_examples=40)
@given(
    _batches(),
    st.sampled_from([1, 2, 3, 9, 500]),
    st.sampled_from([1, 300, 1500, 1_000_000]),
)
def test_of_a_list_becomes_what_becomes_of_a_stream(items, most, most_bytes):
    room = {"batch_max_ops": most, "batch_max_bytes": most_bytes}
    expected = _outcome(iter(items), **room)

    assert _outcome(items, **room) == expected
    assert _outcome(tuple(items), **room) == expected


@pytest.mark.parametrize("collection", ["orders", "lines"])
def test_whatever_is_odd_among_what_is_not_is_what_it_is_in_a_stream(collection):
    key = ("k1", 1) if collection == "lines" else "k1"
    plain = [(collection, key, {"n": n}) for n in range(8)]
    odd = [
        *_ODD_ITEMS,
        *[(collection, each, {}) for each in _ODD_KEYS],
        *[(collection, key, each) for each in _ODD_DOCUMENTS],
        *[(collection, key, {"a": each}) for each in _ODD_VALUES],
    ]
    for item in odd:
        items = [*plain, item, *plain]
        assert _outcome(items) == _outcome(iter(items)), item


def test_what_takes_its_version_from_the_source_is_refused_without_one():
    items = [("prices", "p", {})] * 9

    assert _outcome(items) == _outcome(iter(items))


def test_a_name_that_raises_ends_a_list_where_it_ends_a_stream():
    items = [("orders", "o", {"n": n}) for n in range(9)]
    items[4] = (Unhashable("orders"), "o", {})
    for made in (list, iter):
        broker = MemoryBroker(SystemClock())
        with client_on(broker, shards=1, **NEVER) as client:
            with pytest.raises(ValueError, match="no hash"):
                client.send_many(made(items))
            assert client.flush() == 0
        assert [operation.contents["n"] for operation in sent_operations(broker)] == [0, 1, 2, 3]


class Reversed(list):
    """A list that is read in a way of its own."""

    def __iter__(self):
        return reversed(self[:])


def test_what_is_read_in_a_way_of_its_own_is_read_like_that():
    items = Reversed([("orders", "o", {"n": n}) for n in range(9)])

    assert _outcome(items) == _outcome(iter(items))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 63, 64, 4095, 4096, 4097, 8193])
def test_of_a_list_of_any_length_every_item_is_sent_once_and_knows_its_place(count):
    broker = MemoryBroker(SystemClock())
    with client_on(broker, shards=1, **NEVER) as client:
        batch = client.send_many([*(("orders", "o", {"n": n}) for n in range(count)), "bad"])
        assert client.flush() == 0

    assert [operation.contents["n"] for operation in sent_operations(broker)] == [*range(count)]
    assert [fault.index for fault in batch.faults] == [count]
    assert batch.wait().confirmed == count


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_plain_documents_travel_in_blocks_where_that_is_worth_while(shards):
    items = [("orders", f"o-{n}", {"n": n}) for n in range(16)]
    for drafts, together in ((items, shards < 3), (iter(items), False)):
        broker = MemoryBroker(SystemClock())
        with client_on(broker, shards=shards, **NEVER) as client:
            client.send_many(drafts)
            assert client.flush() == 0
        assert {body.startswith(MARK) for _, body in _bodies(broker)} == {together}


@pytest.mark.parametrize("room", [{"batch_max_ops": 9}, {"batch_max_bytes": 1500}])
def test_blocks_keep_envelopes_within_their_limits_whatever_they_are_made_of(room):
    items = [("orders", f"{n}" * 200, {}) for n in range(10)] * 2

    assert _outcome(items, **room) == _outcome(iter(items), **room)


def test_no_block_holds_an_operation_that_is_too_large_alone():
    items = [("orders", f"{n}", {}) for n in range(9)]
    items[4] = ("orders", "4", {"floats": [0.5] * 130_000})
    outcomes = [_outcome(made(items), batch_max_bytes=4 * 1024 * 1024) for made in (list, iter)]

    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] == [(4, OperationTooLarge)]


@pytest.mark.parametrize("collection", ["orders", "people"])
def test_each_operation_of_what_is_given_up_is_a_fault_of_its_own_name(collection):
    count, told = 4100, []
    client = client_on(MemoryBroker(SystemClock()), shards=1, batch_max_ops=10_000, **NEVER)
    items = [(collection, f"{n % 3}", {"n": n}) for n in range(count)]
    batch = client.send_many(items, on_fault=told.append)
    waiting = [piece for each in client._sender._buffer.parcels() for piece in each.pieces()]
    expected = {
        operation.contents["n"]: (operation.uuid, operation.version)
        for piece in waiting
        for operation, _ in decode_all(piece)
    }
    client.close(0)

    assert batch.wait().failed == len(told) == count
    assert {type(fault.error) for fault in told} == {ClientClosed}
    named = {fault.index: (fault.error.operation_id, fault.error.version) for fault in told}
    assert named == expected


class _Shut(MemoryBroker):
    """A broker that takes nothing until it is opened."""

    shut = True

    def publish(self, messages, *, timeout_s):
        if self.shut:
            return [BrokerUnavailable("Shut.")] * len(messages)
        return super().publish(messages, timeout_s=timeout_s)


def test_each_operation_for_which_there_is_no_room_is_a_fault_and_is_not_sent():
    broker = _Shut(SystemClock())
    tight = {"buffer_max_bytes": 45_000, "max_block_s": 0}
    with client_on(broker, shards=1, **tight, **NEVER) as client:
        batch = client.send_many([("orders", f"{n % 3}", {"n": n}) for n in range(200)])
        broker.shut = False
        assert client.flush() == 0

    sent = {operation.uuid: operation.contents["n"] for operation in sent_operations(broker)}
    refused = {fault.error.operation_id: fault.index for fault in batch.faults}
    assert {type(fault.error) for fault in batch.faults} == {BufferFull}
    assert 0 < len(sent) == batch.accepted < 200
    assert len(refused) == len(batch.faults) == batch.rejected
    assert sorted((sent | refused).values()) == list(range(200))
    assert len({fault.error.version for fault in batch.faults}) == batch.rejected


def test_a_list_lies_between_what_was_sent_before_and_after_it():
    broker = MemoryBroker(SystemClock())
    with client_on(broker, shards=2, **NEVER) as client:
        client.upsert("people", "0", {"n": -1})
        client.send_many([("people", f"{n % 5}", {"n": n}) for n in range(64)])
        client.send_many(iter([("people", "0", {"n": 64})]))
        client.send_many([("people", f"{n % 5}", {"n": n}) for n in range(65, 129)])
        client.upsert("people", "0", {"n": 129})
        assert client.flush() == 0

    for queue in broker.queues():
        numbers: dict[str, list[int]] = defaultdict(list)
        versions: dict[str, list[int]] = defaultdict(list)
        lane, _ = parse_queue(queue)
        for operation in sent_operations(broker, queue):
            assert lane.shard == shard_of("people", operation.key, 2)
            numbers[operation.key].append(operation.contents["n"])
            versions[operation.key].append(operation.version)
        assert all(each == sorted(set(each)) for each in numbers.values())
        assert all(each == sorted(set(each)) for each in versions.values())


def test_a_forked_child_sends_no_block_of_its_parent():
    broker = MemoryBroker(SystemClock())
    with client_on(broker, shards=1, **NEVER) as client:
        client.send_many([("orders", "parent's", {})] * 9)
        client._sender.renew()
        assert client.send_many([("orders", "child's", {})] * 9).accepted == 9
        assert client.flush() == 0

    assert Counter(operation.key for operation in sent_operations(broker)) == {"child's": 9}


@pytest.mark.parametrize(
    "document",
    [
        {"order": 7001, "status": 3, "at": 1_767_225_600_123, "amount": 1999, "customer": 48_210},
        {"token": str(uuid.UUID(int=2**127 + 1)), "session": str(uuid.UUID(int=10**38))},
        {"vector": [0.12345, 0.54321, 0.98765] * 50, "numbers": [1234567890] * 100},
        {"text": "a line\nand another", "lines": [{"sku": "a-1", "pieces": 2}] * 3},
        {"reports": [{"place": "A" * 20, "speed": 120, "cost": None}] * 80},
        {},
    ],
    ids=["numbers", "uuids", "vectors", "order", "wide", "empty"],
)
def test_documents_as_most_people_have_them_travel_in_blocks(document):
    broker = MemoryBroker(SystemClock())
    with client_on(broker, shards=2, **NEVER) as client:
        assert client.send_many([("orders", f"{n}", document | {"n": n}) for n in range(1000)])
        assert client.flush() == 0

    envelopes = [unseal(body) for name in broker.queues() for body in broker.peek(name, limit=99)]
    assert {envelope.format for envelope in envelopes} == {BLOCKS}
    assert sum(envelope.header.count for envelope in envelopes) == 1000
