from __future__ import annotations

import sys
import tracemalloc

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from syncpipe.core.attempt import Attempt
from syncpipe.core.codec import encode
from syncpipe.core.envelope import BLOCKS, Header, seal
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import Lane, Priority
from syncpipe.errors import (
    DictionaryMissing,
    DictionaryUnreadable,
    NotAnEnvelope,
    Refused,
    RefusedForNow,
)
from syncpipe.pipeline import Done, Later, Message
from syncpipe.pipeline.batch import Batch
from syncpipe.pipeline.decode import decode
from syncpipe.pipeline.verify import Declared
from syncpipe.targets.http.batch import text_of
from syncpipe.testing.clock import START_MS
from tests.unit.core import plain
from tests.unit.core.trained import dictionary, orders
from tests.unit.pipeline import test_runner
from tests.unit.pipeline.envelopes import COLLECTIONS, LANE, QUEUE, body, message, operation


def mixed(*pieces, count=None):
    """A message of *pieces*: an operation, its bytes, or a list of some that are a block."""
    number = len(plain.flattened(pieces)) if count is None else count
    raws = [each if isinstance(each, bytes) else plain.body_of([each]) for each in pieces]
    header = Header(bytes(16), LANE, Priority.NORMAL, number, START_MS)
    return Message(QUEUE, "m", seal(header, raws, format_=BLOCKS))


def in_turn(number, *, since=0, **more):
    """So many upserts whose versions follow each other."""
    each = [operation(f"b{since + at}", data={"n": at, "t": "~"}, **more) for at in range(number)]
    return [replace(one, version=each[0].version + since + at) for at, one in enumerate(each)]


def codes(*messages):
    return [fault.error.code for fault in decode(Batch(messages)).faults]


def test_operations_come_out_with_their_bytes_and_the_index_of_their_message():
    first, second, third, late = *map(operation, "abc"), operation("d", due=5)
    batch = decode(Batch((message(first, second), message(third, late))))
    assert [(i.operation, i.raw, i.message) for i in batch.items] == [
        (first, encode(first), 0),
        (second, encode(second), 0),
        (third, encode(third), 1),
        (late, encode(late), 1),
    ]


def test_an_unreadable_message_is_set_aside_and_its_neighbours_go_on():
    batch = decode(Batch((Message(QUEUE, "m", b"garbage"), message(operation()))))
    assert [fault.message for fault in batch.faults] == [0]
    assert [item.message for item in batch.items] == [1]


def test_each_kind_of_damage_has_its_own_code():
    whole = body(operation())
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    damaged = [b"", b"garbage", whole[:20], whole[:-1], flipped, b"SPE\x09" + whole[4:]]
    messages = [Message(QUEUE, "m", each) for each in damaged]
    expected = ["SP-E301", "SP-E301", "SP-E302", "SP-E302", "SP-E303", "SP-E304"]
    assert codes(*messages) == expected


def test_an_envelope_whose_dictionary_is_missing_is_set_aside_until_it_is_there():
    known = {}

    def find(id_):
        if id_ not in known:
            raise DictionaryMissing("away")
        return known[id_]

    header = Header(bytes(16), LANE, Priority.NORMAL, 1, 1)
    sealed = seal(header, orders(1, 1), {"orders": dictionary()})
    batch = Batch((Message(QUEUE, "m", sealed), message(operation())))

    decoded = decode(batch, find)
    assert [(each.message, each.error.code) for each in decoded.faults] == [(0, "SP-E307")]
    assert [item.message for item in decoded.items] == [1]

    known[dictionary().id] = dictionary()
    assert [item.raw for item in decode(batch, find).items][:1] == orders(1, 1)


def test_an_envelope_whose_dictionary_cannot_be_read_now_waits_uncounted_and_alone():
    def find(_id):
        raise DictionaryUnreadable("Too many open files.")

    header = Header(bytes(16), LANE, Priority.NORMAL, 1, 1)
    sealed = seal(header, orders(1, 1), {"orders": dictionary()})
    bench = test_runner.Bench(find=find)

    garbage = Message(QUEUE, "m", b"garbage")
    report = bench.run(Message(QUEUE, "m", sealed), garbage, message(operation()))

    assert report.verdicts == (Later(1.0, counted=False), Done(), Done())
    assert report.counts == {Outcome.RETRYING: 1, Outcome.DEAD: 1, Outcome.APPLIED: 1}
    assert [letter.code for letter in bench.dead()] == ["SP-E301"]
    assert report.outage is None


@given(plain.pieces, st.sampled_from([None, Declared("crm", COLLECTIONS)]))
@settings(max_examples=50)
def test_what_travels_in_blocks_comes_out_as_if_it_had_travelled_alone(pieces, declared):
    operations = plain.flattened(pieces)

    batch = decode(Batch((mixed(*pieces), message(operation()))), declared=declared)

    assert [(item.operation, item.raw) for item in batch.items[:-1]] == [
        (each, encode(each)) for each in operations
    ]
    assert [text_of(item.operation) for item in batch.items[:-1]] == list(map(text_of, operations))


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_the_count_in_the_header_must_be_true_of_what_is_in_blocks(count):
    pieces = operation(), in_turn(3), operation()
    assert codes(mixed(*pieces, count=count)) == ["SP-E306"]
    assert codes(mixed(*pieces)) == []


def hostile(number, documents, **columns):
    """The bytes of a block of so many rows, whatever is in it."""
    block = {
        "collection": "orders",
        "ids": bytes(16) * number,
        "version": 1,
        "keys": ["k"] * number,
        "documents": documents,
    }
    return msgpack.packb(list((block | columns).values()))


@pytest.mark.parametrize(
    "bodies",
    [
        [hostile(1, b'{"n":%s}\n' % (b"9" * 5000))],
        [hostile(2, b'{"a":\n{}}{}\n')],
        [hostile(1, b'{"n":[%s]}\n' % b",".join([b"0.5"] * 300_000))],
        [hostile(1, b'{"id":"k"}\n', collection="x" * 300)],
        [hostile(1, b"{}\n", ids=b"short")],
        [hostile(1, b"{}\n"), b"\xc0"],
        [hostile(1, b"{}\n")[:-1]],
    ],
    ids=["digits", "lines", "large", "name", "ids", "no block", "truncated"],
)
def test_a_hostile_block_is_a_dead_letter_and_its_neighbours_go_on(bodies):
    bench = test_runner.Bench()

    report = bench.run(mixed(*bodies, count=len(bodies)), message(operation()))

    assert report.verdicts == (Done(), Done())
    assert report.counts == {Outcome.DEAD: 1, Outcome.APPLIED: 1}
    assert [(letter.stage, letter.code) for letter in bench.dead()] == [("decode", "SP-E306")]


@pytest.mark.parametrize(
    "body",
    [
        hostile(10_000, b"{}\n" * 10_000) * 78,
        hostile(780_000, b"{}\n" * 780_000),
        hostile(0, b"", keys=["k"] * 10_000) * 800,
        hostile(1, b"{}\n") + bytes(16_000_000),
    ],
    ids=["blocks", "rows", "keys", "pieces"],
)
def test_what_unpacks_to_more_than_is_announced_takes_no_more_memory_than_what_does_not(body):
    tracemalloc.start()
    batch = decode(Batch((mixed(body, count=10_000),)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [fault.error.code for fault in batch.faults] == ["SP-E306"]
    assert peak < 4 * len(body)


@pytest.mark.parametrize("error", [Refused("no"), RefusedForNow("not yet")])
def test_what_is_kept_of_a_block_is_what_would_have_travelled_alone(error):
    bench = test_runner.Bench(stored=True)
    block = in_turn(9)
    bench.target.refusals[block[7].id] = error

    report = bench.run(mixed(operation("a"), block, operation("z")))

    assert report.verdicts == (Done(),)
    assert report.counts[Outcome.APPLIED] == 10
    bench.clock.advance(60)
    lease = bench.schedule.lease(["crm"], limit=9, max_bytes=10**6, seconds=0)
    kept = [*bench.dead(), *lease.operations]
    assert [(each.raw, each.key) for each in kept] == [(encode(block[7]), "b7")]


def test_a_record_in_a_block_folds_with_what_else_is_done_to_it():
    block = in_turn(3, version=5)
    others = [
        operation("b1", Kind.PATCH, {"p": 1, "n": None}, version=4),
        operation("b1", Kind.PATCH, {"q": 1, "t": None}, version=6),
        operation("b1", Kind.INCREMENT, {"n": 5}, version=7),
        operation("b2", Kind.DELETE, version=6),
    ]
    together, apart = test_runner.Bench(), test_runner.Bench()

    report = together.run(mixed(others[0], block, *others[1:]))
    apart.run(*(message(each) for each in (*block, *others)))

    assert report.verdicts == (Done(),)
    assert together.target.record("orders", "b1") == {"n": 6, "q": 1}
    for key in ("b0", "b1", "b2"):
        assert together.target.record("orders", key) == apart.target.record("orders", key)


@pytest.mark.parametrize("others", [[], in_turn(2)], ids=["alone", "with a block"])
def test_what_is_nested_as_deep_as_can_be_read_can_be_buried(others):
    """How deep that is depends on how deep the calls are that read it."""
    each = operation("deep", data={"a": None})
    bench = test_runner.Bench()

    def stage(levels):
        raw = encode(each).replace(b"\xa1a\xc0", b"\xa1a" + b"\x91" * levels + b"\xc0")
        pieces = (others, raw) if others else (raw,)
        report = bench.run(mixed(*pieces, count=len(others) + 1))
        assert report.outage is None
        return bench.dead()[-1].stage

    low, high = 100, sys.getrecursionlimit()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stage(middle) == "verify" else (low, middle)
    assert (stage(100), stage(high)) == ("verify", "decode")
    for levels in range(low - 20, high):
        stage(levels)


def test_the_count_in_the_header_must_be_true():
    assert codes(message(operation(), count=2)) == ["SP-E306"]


def test_an_envelope_in_the_queue_of_another_lane_is_set_aside():
    assert (
        codes(
            message(operation(), lane=Lane("erp", 0)),
            message(operation(), lane=Lane("crm", 1)),
            message(operation(), queue="sp.crm.0.high"),
            message(operation(), queue="celery"),
        )
        == ["SP-E514"] * 4
    )


def test_what_the_transport_found_out_is_believed_before_the_body():
    fault = NotAnEnvelope("no task")
    batch = decode(Batch((Message(QUEUE, "m", body(operation()), fault=fault),)))
    assert batch.items == ()
    assert batch.faults[0].error is fault


def test_attempts_and_trace_go_with_each_operation_unless_no_trace_is_so_long():
    tried = (Attempt(1, "w", 2, "SP-E510", "no"),)
    batch = decode(Batch((message(operation(), operation(), tried=tried, trace="t" * 256),)))
    assert [(item.attempts, item.trace) for item in batch.items] == [(tried, "t" * 256)] * 2
    (item,) = decode(Batch((message(operation(), trace="t" * 257),))).items
    assert (item.attempts, item.trace) == ((), None)
