"""``syncpipe migrate`` and the queue commands on a RabbitMQ."""

from __future__ import annotations

import json

import pytest
from kombu import Connection

from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound
from tests.acceptance.processes import run

QUEUES = 2 * 4 + 1
DEAD = "sp.dead.v1"


@pytest.fixture
def command(tmp_path, rabbitmq, rabbitmq_url):
    """Runs a command with two shards of one target on an empty RabbitMQ."""
    (tmp_path / "syncpipe.toml").write_text(
        f"""
        shards = 2
        [broker]
        url = "{rabbitmq_url}"
        management_url = "{rabbitmq.management_url}"
        [targets.crm]
        type = "postgres"
        dsn = "postgresql://nowhere/x"
        [collections.orders]
        target = "crm"
        """
    )

    def call(*arguments, status=0):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == status, done.stderr + done.stdout
        return done

    return call


def test_queues_are_made_once(command):
    first = command("migrate", "-o", "json")
    again = command("migrate", "-o", "json")

    made = json.loads(first.stdout)
    assert [each["state"] for each in made] == ["made"] * (QUEUES + 1)
    assert made[-1]["queue"] == "sp.limit"
    assert f"{QUEUES + 1} queues were made." in first.stderr
    assert [each["state"] for each in json.loads(again.stdout)] == ["there"] * QUEUES
    assert "The broker needs nothing." in again.stderr


def test_a_queue_of_other_properties_is_named(command, rabbitmq_url):
    with Connection(rabbitmq_url) as connection:
        connection.default_channel.queue_declare(DEAD, durable=True, auto_delete=False)

    done = command("migrate", status=1)

    assert "SP-E104" in done.stderr
    assert DEAD in done.stderr


@pytest.mark.parametrize("name", ["sp.crm.1.low", "sp.crm.1.low.v1", "sp.*.low.v1"])
def test_queues_go_by_both_names(command, rabbitmq_url, name):
    command("migrate")
    with open_broker(rabbitmq_url, clock=SystemClock()) as broker:
        assert broker.publish([Outbound("sp.crm.1.low", b"x", "i", "t")], timeout_s=60) == [None]

    listed = json.loads(command("queue", "list", "-o", "json").stdout)
    purged = json.loads(command("queue", "purge", name, "--yes", "-o", "json").stdout)

    assert [(each["queue"], each["ready"]) for each in listed] == [("sp.crm.1.low", 1)]
    assert purged == [{"queue": "sp.crm.1.low", "deleted": 1}]


def test_nothing_is_rescued_where_nothing_was_set_aside(command):
    assert command("queue", "rescue").stdout == "0 messages went back to their queues.\n"


def test_status_names_what_is_missing_and_who_makes_it(command):
    before = command("status", "-o", "json", status=5)
    command("migrate")
    after = command("status", "-o", "json")

    (problem,) = json.loads(before.stdout)["problems"]
    assert "no queue 'sp.crm.0.critical' and 9 more" in problem
    assert "`syncpipe migrate`" in problem
    assert json.loads(after.stdout)["healthy"]


def test_a_configuration_that_no_broker_is_opened_with_is_told_at_once(command):
    done = command("worker", "--set", "broker.management_url=http://h:abc", status=1)
    assert "SP-E100" in done.stderr
    assert "broker.management_url" in done.stderr
