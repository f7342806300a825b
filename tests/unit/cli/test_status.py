from __future__ import annotations

import pytest

from syncpipe.cli.status import _object, _worker_row, _write_tables
from syncpipe.errors import BrokerUnavailable
from syncpipe.ops.lanes import look
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.store import MemoryStore
from syncpipe.transport.broker import WorkerInfo
from tests.contract.schedules import entry
from tests.unit.ops.brokers import put


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"batches": 4}, {"restarts": 0, "stalls": 0, "batches": 4}),
        ({"batches": 4, "stalls": 1, "restarts": 3}, {"restarts": 3, "stalls": 1, "batches": 4}),
    ],
)
def test_a_worker_is_shown_with_what_happened_to_it(counters, expected):
    info = WorkerInfo("w", 5, "h", 1_000, 3_400, counters)
    assert _worker_row(info) == {"name": "w", "pid": 5, "up_s": 2, **expected}


@pytest.mark.parametrize(
    ("queue", "heading", "shown"),
    [
        ("sp.crm.0.low", "TARGET  SHARD  CRITICAL", None),
        ("sp.crm.0.low.v0", "TARGET  SHARD  TOPOLOGY  CRITICAL", "1 that the configuration"),
        ("sp.crm.7.low", "TARGET  SHARD  CRITICAL", "1 that the configuration"),
        ("sp.dead.v0", "1 of 1 lanes are empty.", "2 messages in sp.dead.v0."),
    ],
)
def test_what_an_earlier_configuration_left_is_shown(capsys, queue, heading, shown):
    broker = MemoryBroker(FakeClock())
    put(broker, queue, 2)
    _write_tables(look(broker, ["crm"], 1))
    text = capsys.readouterr().out
    assert text.startswith(heading)
    assert (shown or "lanes are empty") in text
    assert shown or "configuration" not in text


@pytest.mark.parametrize(
    ("store", "line"),
    [
        (None, "2 dead letters.\n"),
        (MemoryStore(), "2 dead letters wait in the broker, 0 are in the store.\n"),
    ],
)
def test_dead_letters_are_told_where_they_are(capsys, store, line):
    broker = MemoryBroker(FakeClock())
    put(broker, "sp.dead", 2)
    seen = look(broker, ["crm"], 1, store)
    _write_tables(seen)
    assert line in capsys.readouterr().out
    assert _object(seen)["kept"] == (None if store is None else 0)


def test_an_object_tells_lanes_apart():
    broker = MemoryBroker(FakeClock())
    put(broker, "sp.crm.0.low.v0", 2)
    lanes = _object(look(broker, ["crm"], 1))["lanes"]
    assert [(lane["topology"], lane["declared"], lane["low"]) for lane in lanes] == [
        (None, True, 0),
        ("v0", False, 2),
    ]


def test_workers_that_nobody_can_ask_for_are_not_said_to_be_none(capsys):
    broker = MemoryBroker(FakeClock())

    def alarm():
        raise BrokerUnavailable("an alarm")

    broker.workers = alarm
    seen = look(broker, ["crm"], 1)
    _write_tables(seen)
    shown = capsys.readouterr()
    assert "Which workers live is not known." in shown.out
    assert "UNHEALTHY: Which workers live cannot be found out: an alarm" in shown.err
    assert (_object(seen)["workers"], _object(seen)["healthy"]) == (None, False)


def test_what_is_scheduled_is_told_with_when_the_next_is_due(capsys):
    clock = FakeClock()
    store = MemoryStore(clock)
    seen = look(MemoryBroker(clock), ["crm"], 1, store)
    assert _object(seen)["scheduled"] == {}
    store.schedule.put([entry(1, hours=1), entry(2), entry(3, hours=0.5, target="erp")])
    clock.advance(1.26)
    seen = look(MemoryBroker(clock), ["crm", "erp"], 1, store)
    _write_tables(seen)
    text = capsys.readouterr().out
    assert "2 scheduled for crm, the next is due now." in text
    assert "1 scheduled for erp, the next is due in 1799 s." in text
    assert _object(seen)["scheduled"] == {
        "crm": {"operations": 2, "next_s": -1.3},
        "erp": {"operations": 1, "next_s": 1798.7},
    }
    assert _object(look(MemoryBroker(clock), ["crm"], 1))["scheduled"] is None
