from __future__ import annotations

import pytest

from syncpipe.ops.declaring import SETTLE_S, declare
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock


class Topology(MemoryBroker):
    """A broker whose queues have to be made."""

    def __init__(self, *there):
        super().__init__(FakeClock())
        self.there = set(there)

    def declare(self, queues):
        made = [queue for queue in queues if queue not in self.there]
        self.there |= set(made)
        return made


@pytest.fixture
def pauses():
    return []


def test_all_queues_of_all_targets_and_the_dead_ones_are_made(pauses):
    broker = Topology("sp.crm.0.low")

    declared = declare(broker, ["web", "crm"], 2, pause=pauses.append)

    assert len(declared) == 2 * 2 * 4 + 1
    assert [each.queue for each in declared if not each.made] == ["sp.crm.0.low"]
    assert {each.queue for each in declared} == broker.there
    assert declared[-1].queue == "sp.dead"


def test_what_the_queues_need_is_told_and_gets_time_too(pauses):
    broker = Topology()
    declare(broker, ["crm"], 1, pause=pauses.append)
    broker.declare = lambda _queues: ["sp.limit"]

    declared = declare(broker, ["crm"], 1, pause=pauses.append)

    assert [each.queue for each in declared if each.made] == ["sp.limit"]
    assert pauses == [SETTLE_S, SETTLE_S]


def test_what_is_new_gets_time_to_be_written_down(pauses):
    broker = Topology()

    declare(broker, ["crm"], 1, pause=pauses.append)
    again = declare(broker, ["crm"], 1, pause=pauses.append)

    assert not any(each.made for each in again)
    assert pauses == [SETTLE_S]
