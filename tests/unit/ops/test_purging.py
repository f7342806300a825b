from __future__ import annotations

import pytest

from syncpipe.ops.purging import Purged, holding, matching, purge
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from tests.unit.ops.brokers import put


@pytest.fixture
def broker():
    broker = MemoryBroker(FakeClock())
    for queue in ("sp.crm.0.low", "sp.crm.1.low", "sp.erp.0.low", "sp.dead"):
        put(broker, queue, 2)
    return broker


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["sp.crm.0.low"], ["sp.crm.0.low"]),
        (["sp.crm.*"], ["sp.crm.0.low", "sp.crm.1.low"]),
        (["*"], ["sp.crm.0.low", "sp.crm.1.low", "sp.erp.0.low"]),
        (["sp.dead"], ["sp.dead"]),
        (["sp.DEAD", "sp.crm"], []),
    ],
    ids=["name", "pattern", "all but the dead", "the dead by name", "nothing"],
)
def test_patterns_name_queues(broker, patterns, names):
    assert [queue.name for queue in matching(holding(broker), patterns)] == names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("sp.crm.0.low.v1", ["sp.crm.0.low"]),
        ("sp.crm.*.low.v1", ["sp.crm.0.low", "sp.crm.1.low"]),
        ("sp.crm.*.v1", ["sp.crm.0.low", "sp.crm.1.low"]),
        ("sp.crm.0.low.v0", ["sp.crm.0.low.v0"]),
        ("*.v0", ["sp.crm.0.low.v0"]),
        ("sp.dead.v1", ["sp.dead"]),
        ("sp.dead*", []),
        ("sp.dead.v0", ["sp.dead.v0"]),
    ],
)
def test_patterns_may_be_written_in_the_names_of_the_broker(broker, pattern, names):
    put(broker, "sp.crm.0.low.v0")
    put(broker, "sp.dead.v0")
    assert [queue.name for queue in matching(holding(broker), [pattern])] == names


def test_a_queue_whose_messages_are_all_taken_is_not_in_a_plan(broker):
    broker.take(["sp.erp.0.low"], limit=2)
    assert "sp.erp.0.low" in [queue.name for queue in holding(broker)]
    assert matching(holding(broker), ["sp.erp.*"]) == []


def test_purging_deletes_what_is_ready_and_nothing_else(broker):
    broker.take(["sp.crm.0.low"], limit=1)
    assert list(purge(broker, ["sp.crm.0.low"])) == [Purged("sp.crm.0.low", 1)]
    assert broker.depths(["sp.crm.0.low"])["sp.crm.0.low"].unacked == 1
    assert broker.depths(["sp.crm.1.low"])["sp.crm.1.low"].ready == 2
