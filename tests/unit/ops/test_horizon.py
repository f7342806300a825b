from __future__ import annotations

from syncpipe.core.collection import Collection
from syncpipe.ops.horizon import collect
from syncpipe.targets.target import Collected
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from tests.unit.ops.brokers import dead, put

COLLECTIONS = {name: Collection(name, ("crm",)) for name in ("orders", "prices", "counts")}


class Target:
    """Remembers what it was told to keep."""

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
