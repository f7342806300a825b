"""One envelope and one verdict for each parcel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncpipe.core.codec import encode
from syncpipe.core.envelope import unseal
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.routing import Priority
from syncpipe.errors import BrokerFull, BrokerUnavailable, DictionaryMissing
from syncpipe.producer.buffer import Parcel
from syncpipe.producer.dispatch import Dispatcher
from syncpipe.producer.stamps import Stamper
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom
from syncpipe.transport.broker import APPLY_TASK
from tests.unit.core.trained import dictionary
from tests.unit.producer.parts import route, ticket


@pytest.fixture
def broker():
    return MemoryBroker(FakeClock())


def _dispatcher(broker):
    return Dispatcher(broker, FakeClock(), Stamper(FakeClock(), SeededRandom()))


def _parcel(shard, *keys):
    operations = [
        encode(Operation(key.encode().ljust(16), Kind.DELETE, "orders", key, 1, None))
        for key in keys
    ]
    tickets = [ticket(operation) for operation in operations]
    body = bytearray(b"".join(operations))
    return Parcel(route(shard, Priority.LOW), 0.0, tickets, len(tickets), body)


def test_an_envelope_says_where_it_goes_what_it_holds_and_when_it_was_made(broker):
    assert _dispatcher(broker).send([_parcel(3, "a", "b")], timeout_s=1) == [None]

    (delivery,) = broker.take(["sp.crm.3.low"], limit=9)
    envelope = unseal(delivery.message.body)
    assert delivery.message.task == APPLY_TASK
    assert delivery.message.message_id.replace("-", "") == envelope.header.id.hex()
    assert envelope.header.lane == route(3).lane
    assert envelope.header.priority is Priority.LOW
    assert (envelope.header.count, envelope.header.created_ms) == (2, START_MS)


def test_small_envelopes_are_compressed_with_the_dictionary_of_their_collection(broker):
    chosen = {"orders": dictionary()}
    dispatcher = replace(_dispatcher(broker), dictionaries=chosen)

    assert dispatcher.send([_parcel(3, "a", "b")], timeout_s=1) == [None]

    (delivery,) = broker.take(["sp.crm.3.low"], limit=9)
    with pytest.raises(DictionaryMissing):
        unseal(delivery.message.body)
    assert unseal(delivery.message.body, lambda _: dictionary()).header.count == 2


def test_each_parcel_has_its_own_verdict(broker):
    broker.fail(BrokerFull("Full."))

    verdicts = _dispatcher(broker).send([_parcel(1, "a"), _parcel(2, "b")], timeout_s=1)

    assert isinstance(verdicts[0], BrokerFull)
    assert verdicts[1] is None


@pytest.mark.parametrize(
    ("fault", "verdict"), [(BrokerFull("Full."), BrokerFull), (KeyError("x"), BrokerUnavailable)]
)
def test_a_broker_that_raises_has_refused_everything(broker, fault, verdict):
    def broken(_messages, *, timeout_s):  # noqa: ARG001
        raise fault

    broker.publish = broken
    verdicts = _dispatcher(broker).send([_parcel(1, "a"), _parcel(2, "b")], timeout_s=1)

    assert [type(error) for error in verdicts] == [verdict, verdict]


def test_a_broker_that_does_not_answer_for_each_message_has_refused_everything(broker):
    broker.publish = lambda _messages, *, timeout_s: [None]  # noqa: ARG005
    verdicts = _dispatcher(broker).send([_parcel(1, "a"), _parcel(2, "b")], timeout_s=1)

    assert [type(error) for error in verdicts] == [BrokerUnavailable] * 2
