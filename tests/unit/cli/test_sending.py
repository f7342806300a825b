"""The sending commands on a broker in memory, which fails as told."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from syncpipe.app import App
from syncpipe.cli import main
from syncpipe.core.operation import created_ms
from syncpipe.errors import BrokerUnavailable, DeliveryTimeout
from syncpipe.ops.sending import Sending
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from tests.unit.producer.parts import sent_operations

CONFIGURATION = """
shards = 1
[targets.crm]
type = "postgres"
dsn = "host=nowhere"
[collections.orders]
target = "crm"
"""


class Forgetful(MemoryBroker):
    """Keeps what it gets; while it is forgetful it cannot say so."""

    forgetful = False

    def publish(self, messages, *, timeout_s):
        verdicts = super().publish(messages, timeout_s=timeout_s)
        return [DeliveryTimeout("Lost.") for _ in messages] if self.forgetful else verdicts


@pytest.fixture
def broker(monkeypatch):
    broker = Forgetful(SystemClock())
    monkeypatch.setattr(App, "broker", lambda _: broker)
    return broker


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "syncpipe.toml").write_text(CONFIGURATION)

    def run(*arguments, status=0):
        done = CliRunner().invoke(main, arguments, prog_name="syncpipe")
        assert done.exit_code == status, done.output
        return done

    return run


def test_an_operation_that_cannot_be_waited_for_is_said_to_be_confirmed(run, broker, monkeypatch):
    def blind(_queues):
        raise BrokerUnavailable("The plugin is off.")

    monkeypatch.setattr(broker, "depths", blind)

    done = run("op", "send", "orders", "1", '{"n": 1}', "--wait", "-o", "jsonl", status=4)

    assert json.loads(done.stdout)["id"]
    assert "need not be sent again" in done.stderr
    assert "The plugin is off." in done.stderr


def test_lines_that_nobody_knows_about_are_sent_again_as_the_operations_they_were(
    run, broker, tmp_path
):
    command = ("op", "send-many", "--collection", "orders", "--op", "increment")
    lines = '{"id": "a", "n": 0.10}\n{"id": "b", "n": 2}\n'
    (tmp_path / "all.jsonl").write_text(lines)
    broker.forgetful = True

    given_up = ("--timeout", "0.5", "--failed", "left.jsonl")
    first = run(*command, "--from", "all.jsonl", *given_up, status=1)
    before = sent_operations(broker)
    broker.forgetful = False
    again = run(*command, "--from", "left.jsonl", "--failed", "left.jsonl", "-o", "json")

    assert "Send left.jsonl in the same way" in first.stderr
    assert [each["confirmed"] for each in json.loads(again.stdout)] == [2]
    assert (tmp_path / "left.jsonl").read_text() == ""
    identities = {(each.id, each.version) for each in before}
    assert len(identities) == 2
    assert all(str(version) in first.stderr for _, version in identities)
    after = sent_operations(broker)
    assert len(after) > len(before)
    assert {(each.id, each.version) for each in after} == identities
    assert {each.key: each.data for each in after} == {"a": {"n": Decimal("0.10")}, "b": {"n": 2}}


@pytest.mark.parametrize(
    ("options", "delay_s", "lifetime_s"),
    [
        (("--delay", "90"), 90, None),
        (("--delay", "2h", "--expires-in", "1d"), 7200, 86400),
        (("--expires-in", "1.5"), None, 1.5),
    ],
)
def test_operations_are_delayed_and_expire(run, broker, tmp_path, options, delay_s, lifetime_s):
    (tmp_path / "all.jsonl").write_text('{"id": "b", "n": 2}\n')
    run("op", "send", "orders", "a", "{}", *options)
    run("op", "send-many", "--collection", "orders", "--from", "all.jsonl", *options)

    operations = sent_operations(broker)
    assert {each.key for each in operations} == {"a", "b"}
    for each in operations:
        made_ms = created_ms(each.id)  # a moment after the call
        for at_ms, seconds in ((each.not_before_ms, delay_s), (each.expires_ms, lifetime_s)):
            left_ms = at_ms - made_ms if at_ms else None
            assert left_ms is seconds or seconds * 1000 - 60_000 < left_ms <= seconds * 1000


def test_a_time_may_be_given(run, broker):
    moment = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(hours=1)
    run("op", "send", "orders", "a", "{}", "--not-before", moment.isoformat())

    (operation,) = sent_operations(broker)
    assert operation.not_before_ms == moment.timestamp() * 1000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--delay", "soon"), "is not a number with one of ms, s, m, h"),
        (("--not-before", "tomorrow"), "2026-03-01T08:00:00Z"),
        (("--not-before", "2030-01-01T00:00:00"), "has no zone"),
    ],
)
def test_what_is_no_time_is_refused(run, broker, options, says):
    assert says in run("op", "send", "orders", "a", "{}", *options, status=2).stderr
    assert sent_operations(broker) == []


def test_a_time_that_cannot_be_meant_is_refused(run, broker):
    done = run("op", "send", "orders", "a", "{}", "--delay", "2d", "--expires-in", "1d", status=1)
    assert "longer than its delay" in done.stderr
    assert sent_operations(broker) == []


def test_what_may_count_twice_is_told(run, broker, tmp_path):
    (tmp_path / "all.jsonl").write_text('{"id": "a"}\n')
    broker.forgetful = True
    command = ("op", "send-many", "--collection", "orders", "--timeout", "0.5")

    assert "--failed keeps them" in run(*command, "--from", "all.jsonl", status=1).stderr


@pytest.mark.usefixtures("broker")
def test_an_interrupted_command_leaves_the_file_as_it_was(run, tmp_path, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sending, "run", interrupted)
    left = tmp_path / "left.jsonl"
    left.write_text('{"id": "a"}\n')
    command = ("op", "send-many", "--collection", "orders", "--from", "left.jsonl")

    run(*command, "--failed", "left.jsonl", status=1)

    assert left.read_text() == '{"id": "a"}\n'
    assert [path.name for path in tmp_path.glob("*left*")] == ["left.jsonl"]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(run, broker, tmp_path):
    (tmp_path / "all.jsonl").write_text('{"id": "a"}\n')
    command = ("op", "send-many", "--collection", "orders", "--from", "all.jsonl")

    done = run(*command, "--failed", "missing/left.jsonl", status=1)

    assert "missing/left.jsonl" in done.stderr
    assert sent_operations(broker) == []
