from __future__ import annotations

from syncpipe.core.attempt import Attempt
from syncpipe.core.codec import encode
from syncpipe.core.envelope import Header, seal
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import Lane, Priority
from syncpipe.errors import DictionaryMissing, DictionaryUnreadable, NotAnEnvelope
from syncpipe.pipeline import Done, Later, Message
from syncpipe.pipeline.batch import Batch
from syncpipe.pipeline.decode import decode
from tests.unit.core.trained import dictionary, orders
from tests.unit.pipeline import test_runner
from tests.unit.pipeline.envelopes import LANE, QUEUE, body, message, operation


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
