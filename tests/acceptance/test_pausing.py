"""People pause and resume a target of workers that run, on every broker."""

from __future__ import annotations

import json
import subprocess
import sys

import psycopg
import pytest

from tests.acceptance.fleet import ROOT, StoredFleet, until


class Paused(StoredFleet):
    """A fleet with a store."""

    def __init__(self, folder, broker_url, dsn, store_dsn, **options):
        super().__init__(folder, broker_url, dsn, f'[store]\ndsn = "{store_dsn}"\n', **options)

    def run(self, *arguments, status=0):
        """Run a command, and return what it writes."""
        command = [sys.executable, "-m", "syncpipe.cli", *arguments, "--config", str(self.config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout

    def state(self):
        """What is shown of the target."""
        (row,) = json.loads(self.run("target", "list", "-o", "json"))
        return row["state"]


@pytest.fixture(params=["redis", "rabbitmq"])
def fleet(request, tmp_path, dsn, postgres):
    url, options = request.getfixturevalue(f"{request.param}_url"), {}
    if request.param == "rabbitmq":
        options["management_url"] = request.getfixturevalue("rabbitmq").management_url
    store_dsn = postgres.new_database()
    with Paused(tmp_path, url, dsn, store_dsn, **options) as fleet:
        fleet.store_dsn = store_dsn
        yield fleet
    postgres.drop_database(store_dsn)


def test_a_paused_target_is_left_alone_by_all_until_it_is_resumed(fleet):
    for _ in range(2):
        fleet.start()
    fleet.send(100)
    fleet.settle()
    fleet.run("target", "pause", "crm", "--reason", "maintenance")
    for number in range(2):
        until(lambda n=number: fleet.events(n)["target-paused"], "a worker that has seen it")
    (line,) = [line for line in fleet.lines() if line["event"] == "target-paused"]
    assert line["reason"] == "maintenance"
    assert fleet.state() == "paused"

    before = fleet.rows()
    fleet.send(100)
    waiting = fleet.pending()
    # One that starts now cannot ask the store, and is told by the others.
    with psycopg.connect(fleet.store_dsn, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA syncpipe RENAME TO away")
        fleet.start()
        until(lambda: fleet.events(2)["target-paused"], "a worker that has heard of it")
        assert (fleet.rows(), fleet.pending()) == (before, waiting)
        assert fleet.state() == "paused"
        connection.execute("ALTER SCHEMA away RENAME TO syncpipe")

    fleet.run("target", "resume", "crm")
    fleet.settle()
    assert fleet.rows() == fleet.expected()
    assert fleet.dead() == []
    for number in range(3):
        until(lambda n=number: fleet.events(n)["target-resumed"], "a worker that goes on")
    assert fleet.state() == "closed"
