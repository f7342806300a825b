"""How often a fleet tries a target that is down; counted at a socket in the target's place."""

from __future__ import annotations

import os
import signal

import pytest
from redis import Redis

from syncpipe.errors import BrokerUnavailable
from tests.acceptance.fleet import LANES, Fleet, until
from tests.listener import Listener
from tests.servers import redis_server

#: Processes of the fleet.
PROCESSES = 4
#: Short periods, so that there are many.
GUARD = "breaker_probe_max_s = 2"


class DownFleet(Fleet):
    """A fleet whose target is a socket that ends every connection."""

    def __enter__(self):
        self.declare()
        return self

    def open_everywhere(self):
        """Start the processes, and wait until all of them leave the target alone."""
        for number in range(PROCESSES):
            self.start(ready=number == PROCESSES - 1)
        self.send(400)
        for number in range(PROCESSES):
            until(lambda n=number: self.events(n)["target-paused"], f"w{number} to open")

    def living(self):
        """How many processes tell that they live; none, while the broker cannot be asked."""
        try:
            return len(self.broker.workers())
        except BrokerUnavailable:
            return 0

    def unacked(self):
        """How many messages somebody holds."""
        return sum(depth.unacked for depth in self.broker.depths(LANES).values())

    def probes(self):
        """What each process has told of its probes."""
        return [
            [line for line in self.lines(number) if line["event"] == "target-probed"]
            for number in range(len(self.workers))
        ]

    def count(self, listener, number):
        """Wait for that many probes; return those told since, and connections seen meanwhile.

        What is counted begins and ends right after a probe was told, in the middle of no other.
        """
        first_told, first_seen = self.after_probe(listener, 0)
        told, seen = self.after_probe(listener, first_told + number)
        return told - first_told, seen - first_seen

    def after_probe(self, listener, least):
        """Return what was told and seen when all that was seen had been told."""

        def look():
            before = self.told()
            seen = listener.seen
            quiet = before == self.told() and before >= least
            return (before, seen) if quiet else None

        return until(look, f"{least} probes")

    def told(self):
        """How many probes all processes have told of."""
        return sum(map(len, self.probes()))


@pytest.fixture
def listener():
    with Listener() as listener:
        yield listener


@pytest.fixture(params=["redis_url", "rabbitmq_url"])
def fleet(request, tmp_path, listener):
    url, options = request.getfixturevalue(request.param), {}
    if request.param == "rabbitmq_url":
        options["management_url"] = request.getfixturevalue("rabbitmq").management_url
    with DownFleet(tmp_path, url, listener.dsn, guard=GUARD, **options) as fleet:
        yield fleet


def test_one_process_probes_for_all_and_none_holds_anything(fleet, listener):
    fleet.open_everywhere()
    until(lambda: not fleet.unacked(), "everything to go back")
    told, seen = fleet.count(listener, 6)
    # One may be under way when the counting begins, and one when it ends.
    assert told - 1 <= seen <= told + 1
    failures = [line["failures"] for lines in fleet.probes() for line in lines]
    # Two probe for once while one has not heard of the other, and no more of them each time.
    assert len(failures) <= len(set(failures)) + 1
    assert sorted(set(failures)) == list(range(min(failures), max(failures) + 1))
    assert len([lines for lines in fleet.probes() if lines]) > 1, "they take turns"
    assert fleet.dead() == []


def test_when_half_of_the_fleet_is_killed_and_replaced_one_process_still_probes(fleet, listener):
    fleet.open_everywhere()
    fleet.count(listener, 1)
    for worker in fleet.workers[:2]:
        worker.kill()
    for number in range(2):
        fleet.start()
        until(lambda n=number: fleet.events(PROCESSES + n)["target-paused"], "a new one to hear")
    told, seen = fleet.count(listener, 6)
    # The new ones compare their clock with the target's before they have heard of anything.
    assert told - 1 <= seen <= told + 1
    assert all(not fleet.events(number)["target-half-open"] for number in range(PROCESSES + 2))


def test_what_is_open_stays_open_when_the_broker_dies_meanwhile(tmp_path, listener):
    with (
        redis_server(append_fsync="always") as server,
        DownFleet(tmp_path, server.url, listener.dsn, guard=GUARD) as fleet,
    ):
        fleet.open_everywhere()
        until(lambda: not fleet.unacked(), "everything to go back")
        waiting = fleet.pending()
        os.kill(server.supervisor.pids()["redis"], signal.SIGKILL)
        until(lambda: fleet.living() == PROCESSES, "all processes to be back")
        told, seen = fleet.count(listener, 4)
        assert told - 1 <= seen <= told + 1
        assert (fleet.pending(), fleet.unacked()) == (waiting, 0)
        assert all(not fleet.events(number)["target-half-open"] for number in range(PROCESSES))


def test_who_cannot_hear_of_others_probes_once_a_period(tmp_path, redis, redis_url, listener):
    """Redis refuses them the keys by which they know of each other, and nothing else."""
    url = redis_url.replace("redis+socket://", "redis+socket://mute:secret@")
    with Redis(unix_socket_path=redis.socket) as client:
        client.execute_command("ACL", "SETUSER", "mute", "on", ">secret", "~*", "&*", "+@all")
        with DownFleet(tmp_path, url, listener.dsn, guard=GUARD) as fleet:
            fleet.open_everywhere()
            others = ("~sp.*", "~syncpipe:[a-v]*", "~_kombu*", "~*celery*")
            client.execute_command("ACL", "SETUSER", "mute", "resetkeys", *others)
            for number in range(PROCESSES):
                until(lambda n=number: fleet.events(n)["periodic-fails"], "silence")
            told, seen = fleet.count(listener, 5 * PROCESSES)
            # One of each may be under way when the counting begins, and when it ends.
            assert told - PROCESSES <= seen <= told + PROCESSES
            for lines in fleet.probes():
                failures = [line["failures"] for line in lines]
                assert sorted(set(failures)) == failures, "one probe for each period of its own"
                assert len(failures) > 1
