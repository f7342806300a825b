from __future__ import annotations

import pytest

from syncpipe.core.collection import Collection
from syncpipe.core.deadletter import decode_dead
from syncpipe.errors import StoreUnavailable
from syncpipe.ops.horizon import collect
from syncpipe.targets.target import Collected
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.store import MemoryStore
from tests.unit.ops.brokers import dead, put

COLLECTIONS = {name: Collection(name, ("crm",)) for name in ("orders", "prices", "counts")}


class Target:
    """Remembers what it was told to keep."""

    name = "crm"

    def __init__(self):
        self.kept = {}

    def collect(self, collection, *, keep):
        self.kept[collection.name] = set(keep)
        return Collected(floor=len(self.kept))


def test_open_dead_letters_keep_what_their_keys_need():
    broker, target = MemoryBroker(FakeClock()), Target()
    for number in range(1_200):
        put(broker, "sp.dead", body=dead("orders", f"k{number}"))
    for body in (dead("prices", "p"), dead(None, None), b"garbage"):
        put(broker, "sp.dead", body=body)
    found = collect(target, COLLECTIONS, broker)
    assert target.kept == {
        "orders": {f"k{number}" for number in range(1_200)},
        "prices": {"p"},
        "counts": set(),
    }
    assert {name: collected.floor for name, collected in found.items()} == {
        "orders": 1,
        "prices": 2,
        "counts": 3,
    }


def letters(*keys, queue="sp.crm.0.normal"):
    return [decode_dead(dead("orders", key, queue)) for key in keys]


def test_letters_in_the_store_keep_what_their_keys_need_too():
    broker, target, store = MemoryBroker(FakeClock()), Target(), MemoryStore()
    put(broker, "sp.dead", body=dead("orders", "waiting"))
    store.dead_letters.record(letters("kept"))
    store.dead_letters.record(letters("elsewhere", queue="sp.erp.0.normal"))

    collect(target, COLLECTIONS, broker, store, pause=lambda _: None)

    assert target.kept["orders"] == {"waiting", "kept"}


def test_a_letter_on_its_way_from_the_broker_to_the_store_is_not_overlooked():
    broker, target, store = MemoryBroker(FakeClock()), Target(), MemoryStore()
    put(broker, "sp.dead", body=dead("orders", "taken"))
    broker.take(["sp.dead"], limit=1)

    collect(
        target,
        COLLECTIONS,
        broker,
        store,
        pause=lambda _: store.dead_letters.record(letters("taken")),
    )

    assert target.kept["orders"] == {"taken"}


def test_a_letter_that_goes_back_to_the_broker_is_not_overlooked():
    broker, target, store = MemoryBroker(FakeClock()), Target(), MemoryStore()
    put(broker, "sp.dead", body=dead("orders", "taken"))
    taken = broker.take(["sp.dead"], limit=1)

    collect(target, COLLECTIONS, broker, store, pause=lambda _: broker.restore(taken))

    assert target.kept["orders"] == {"taken"}


@pytest.mark.parametrize("looks", [0, 1])
def test_while_the_store_is_away_nothing_is_collected(looks):
    broker, target, store = MemoryBroker(FakeClock()), Target(), MemoryStore()
    answers = iter([{}] * looks)

    def open_keys(_):
        for answer in answers:
            return answer
        raise StoreUnavailable("It is away.")

    store.dead_letters.open_keys = open_keys
    with pytest.raises(StoreUnavailable):
        collect(target, COLLECTIONS, broker, store, pause=lambda _: None)
    assert target.kept == {}
