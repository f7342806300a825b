"""Workers that share lanes, on every broker."""

from __future__ import annotations

import base64
import functools
import itertools
import os
import signal
import time
from collections import Counter
from contextlib import contextmanager

import psycopg
import pytest

from syncpipe.app import REFUSED
from syncpipe.core.routing import queues_of
from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.broker import CONTENT_TYPE
from tests.acceptance.fleet import PATIENCE_S, Fleet, end, until
from tests.servers import redis_server

BROKERS = ["redis", "rabbitmq"]
#: Seconds for which lanes are watched after something has happened.
WATCHED_S = 6
#: Longest silence of a lane in seconds; ours is a tenth of it, on a machine of its own.
MOST_SILENCE_S = 30


@pytest.fixture(params=BROKERS)
def fleet(request, tmp_path, dsn):
    url = request.getfixturevalue(f"{request.param}_url")
    management_url = "auto"
    if request.param == "rabbitmq":
        management_url = request.getfixturevalue("rabbitmq").management_url
    with Fleet(tmp_path, url, dsn, management_url=management_url) as fleet:
        yield fleet


@pytest.fixture
def rabbit_fleet(tmp_path, dsn, rabbitmq, rabbitmq_url):
    with Fleet(tmp_path, rabbitmq_url, dsn, management_url=rabbitmq.management_url) as fleet:
        yield fleet


def test_operations_of_every_kind_make_the_right_rows(fleet):
    fleet.send(1000)
    for _ in range(2):
        fleet.start()
    fleet.send(1000)
    fleet.arrive()
    assert fleet.dead() == []
    until(lambda: not fleet.pending(), "acknowledgements")
    until(lambda: fleet.owned() == [2, 2], "two halves")


def killed(fleet):
    end(fleet.workers[0], signal.SIGKILL)


def ended(fleet):
    os.kill(fleet.workers[0].pid, signal.SIGTERM)


def joined(fleet):
    fleet.start(ready=False)


@pytest.mark.parametrize(("happen", "left"), [(killed, 1), (ended, 1), (joined, 3)])
def test_every_lane_goes_on_when_a_worker_comes_or_goes(fleet, happen, left):
    for _ in range(2):
        fleet.start()
    until(lambda: fleet.owned() == [2, 2], "two halves")
    silence = Silence(fleet)
    silence.listen(1)
    happen(fleet)
    silence.listen(WATCHED_S)
    fleet.arrive()
    print(f"longest silence of a lane, {happen.__name__}: {silence.longest_s:.1f} s")  # noqa: T201
    assert silence.longest_s < MOST_SILENCE_S
    until(lambda: (len(fleet.owned()), sum(fleet.owned())) == (left, 4), "one owner of each lane")
    assert fleet.dead() == []


class Silence:
    """Sends a record through every lane again and again, and notes how long none arrives."""

    def __init__(self, fleet):
        self.longest_s = 0.0
        self._fleet = fleet
        self._numbers = iter(range(1_000_000))
        self._counts = Counter()
        self._heard = dict.fromkeys(range(4), time.monotonic())

    def listen(self, seconds):
        """Send and look for so many seconds, and until every lane has been heard since."""
        start = time.monotonic()
        until(lambda: self._look() > start + seconds, "records of every lane")

    def _look(self):
        """Send, look what has arrived; return when the lane was heard that is silent longest."""
        outbound = list(self._fleet.records(next(self._numbers)))
        assert set(self._fleet.broker.publish(outbound, timeout_s=60)) == {None}
        time.sleep(0.1)
        counts = Counter(document["shard"] for document in self._fleet.rows().values())
        now = time.monotonic()
        for shard, heard in self._heard.items():
            self.longest_s = max(self.longest_s, now - heard)
            if counts[shard] > self._counts[shard]:
                self._heard[shard] = now
        self._counts = counts
        return min(self._heard.values())


def test_two_workers_on_every_lane_make_the_right_rows(fleet):
    # Under one name, each believes that it is alone.
    for number in range(2):
        fleet.start("--name", "twin@here")
        assigned = [line for line in fleet.lines(number) if line["event"] == "lanes-assigned"]
        assert [line["lanes"] for line in assigned] == [4]
    for _ in range(5):
        fleet.send(500)
    fleet.arrive()
    assert fleet.dead() == []


def test_lanes_of_an_earlier_number_of_shards_are_drained(fleet):
    fleet.declare(shards=9)
    fleet.send(300, shards=9)
    for _ in range(2):
        fleet.start()
    fleet.arrive()
    assert fleet.dead() == []


def test_queues_that_are_deleted_while_they_are_drained_stop_no_lane(
    rabbit_fleet, rabbitmq, rabbitmq_url
):
    fleet = rabbit_fleet
    fleet.declare(shards=5)
    fleet.send(300, shards=5)
    fleet.start()
    fleet.arrive()
    host = rabbitmq_url.rpartition("/")[2]
    for priority in ("critical", "high", "normal", "low"):
        rabbitmq.call("DELETE", f"queues/{host}/sp.crm.4.{priority}.v1")
    fleet.send(300)
    fleet.arrive()
    assert fleet.workers[0].poll() is None


def test_a_queue_that_is_deleted_stops_no_other_lane_and_is_consumed_once_it_is_back(
    rabbit_fleet, rabbitmq, rabbitmq_url
):
    fleet = rabbit_fleet
    fleet.start()
    host = rabbitmq_url.rpartition("/")[2]
    for turn in (1, 2):
        rabbitmq.call("DELETE", f"queues/{host}/sp.crm.3.normal.v1")
        until(lambda number=turn: fleet.events()["queue-missing"] == number, "a complaint")
        assert stored(fleet, list(itertools.islice(fleet.records(f"{turn}-without"), 3)))
        fleet.arrive()
        fleet.declare()
        assert stored(fleet, list(fleet.records(f"{turn}-with")))
        fleet.arrive()
    (line, _) = (each for each in fleet.lines() if each["event"] == "queue-missing")
    assert line["code"] == "SP-E406"
    assert "'sp.crm.3.normal'" in line["error"]
    assert "syncpipe migrate" in line["error"]
    assert fleet.workers[0].poll() is None


def test_while_the_target_is_away_its_lanes_are_left_alone(rabbit_fleet):
    fleet = rabbit_fleet
    fleet.start()
    with psycopg.connect(fleet.dsn, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA syncpipe RENAME TO away")
        fleet.send(500)
        until(lambda: fleet.events()["target-paused"], "an alarm")
        # Whatever is taken waits in the broker again soon; a probe is taken for a moment only.
        # Counts are old: that nothing is taken is believed once it was, or several probes later.
        probed = "target-probed"
        until(lambda: taken(fleet) or fleet.events()[probed] > 2, "messages that are taken")
        until(lambda: not taken(fleet), "messages that went back")
        connection.execute("ALTER SCHEMA away RENAME TO syncpipe")
    fleet.arrive()
    assert fleet.dead() == []
    assert fleet.events()["target-paused"] == 1


#: One record of forty waits for what is not there yet.
REFUSES_ONE_FOR_NOW = """
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE foreign_key_violation;
        END
    $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON syncpipe.documents
        FOR EACH ROW WHEN (NEW.key = 'k7') EXECUTE FUNCTION public.refuse();
"""


def test_messages_that_are_held_for_longer_than_the_broker_allows_are_applied_all_the_same(
    rabbit_fleet, rabbitmq
):
    fleet = rabbit_fleet
    with rabbitmq.impatient(1), psycopg.connect(fleet.dsn, autocommit=True) as connection:
        fleet.start()
        connection.execute(REFUSES_ONE_FOR_NOW)
        fleet.send(200)
        # Without a store, what is refused for now is held, and RabbitMQ takes it back.
        until(lambda: connections_lost(fleet) >= 2, "channels that are closed")
        connection.execute("DROP TRIGGER refuse ON syncpipe.documents")
        fleet.arrive()
    assert fleet.workers[0].poll() is None
    assert fleet.dead() == []
    until(lambda: not fleet.pending(), "acknowledgements")


def connections_lost(fleet):
    """How often a worker has lost its connection."""
    lost = "consumer: Connection to broker lost"
    return sum(count for event, count in fleet.events().items() if event.startswith(lost))


def test_a_broker_that_does_not_answer_holds_up_no_warm_end(tmp_path, dsn, mortal_rabbitmq):
    rabbit = mortal_rabbitmq
    url, management_url = rabbit.url(rabbit.new_host()), rabbit.management_url
    with Fleet(tmp_path, url, dsn, management_url=management_url) as fleet:
        worker = fleet.start()
        broker = rabbit.supervisor.pids()["rabbitmq"]
        os.kill(broker, signal.SIGSTOP)
        try:
            assert end(worker) == 0
        finally:
            os.kill(broker, signal.SIGCONT)
        assert fleet.events()["drained"] == 1


def taken(fleet):
    """How many messages a worker holds."""
    depths = fleet.broker.depths([name for name in fleet.broker.queues() if "crm" in name])
    return sum(depth.unacked for depth in depths.values())


def test_a_message_belongs_to_the_lane_in_whose_queue_it_lies(rabbit_fleet, rabbitmq, rabbitmq_url):
    fleet = rabbit_fleet
    host = rabbitmq_url.rpartition("/")[2]
    each = next(fleet.records(0))
    rabbitmq.call("PUT", f"exchanges/{host}/theirs", {"type": "fanout"})
    rabbitmq.call("POST", f"bindings/{host}/e/theirs/q/{each.queue}.v1", {})
    rabbitmq.call("POST", f"exchanges/{host}/theirs/publish", raw(each, routing_key="theirs"))
    fleet.start()
    fleet.arrive()
    assert fleet.dead() == []


def raw(outbound, *, routing_key):
    """A message as the management API takes it."""
    return {
        "routing_key": routing_key,
        "payload": base64.b64encode(outbound.body).decode(),
        "payload_encoding": "base64",
        "properties": {
            "content_type": CONTENT_TYPE,
            "content_encoding": "binary",
            "headers": {"task": outbound.task, "id": outbound.message_id, "x-death": []},
        },
    }


def test_what_the_broker_has_set_aside_is_applied_all_the_same(
    rabbit_fleet, rabbitmq, rabbitmq_url
):
    fleet = rabbit_fleet
    host = rabbitmq_url.rpartition("/")[2]
    for each in fleet.records(0):
        message = raw(each, routing_key=f"{each.queue}.v1")
        rabbitmq.call("POST", f"exchanges/{host}/sp.limit.v1/publish", message)
    fleet.start()
    fleet.arrive()
    until(lambda: fleet.events()["reclaimed"], "a line in the log")


def test_without_any_of_its_queues_a_worker_refuses_to_start(rabbit_fleet, rabbitmq, rabbitmq_url):
    host = rabbitmq_url.rpartition("/")[2]
    for queue in queues_of("crm", 4):
        rabbitmq.call("DELETE", f"queues/{host}/{queue}.v1")
    worker = rabbit_fleet.start(ready=False)
    assert worker.wait(PATIENCE_S) == REFUSED
    (line,) = (each for each in rabbit_fleet.lines() if each["event"] == "refused-to-start")
    assert line["code"] == "SP-E406"
    assert "'sp.crm.0.critical'" in line["error"]
    assert "syncpipe migrate" in line["error"]


def test_a_queue_that_is_missing_at_the_start_stops_no_other(rabbit_fleet, rabbitmq, rabbitmq_url):
    host = rabbitmq_url.rpartition("/")[2]
    for queue in ("sp.crm.3.low", "sp.dead"):
        rabbitmq.call("DELETE", f"queues/{host}/{queue}.v1")
    rabbit_fleet.start()
    until(lambda: rabbit_fleet.events()["queue-missing"], "a line in the log")
    (line,) = (each for each in rabbit_fleet.lines() if each["event"] == "queue-missing")
    assert "'sp.crm.3.low' and 1 more" in line["error"]
    assert set(rabbit_fleet.broker.publish([*rabbit_fleet.records(0)], timeout_s=60)) == {None}
    rabbit_fleet.arrive()


def test_a_broker_that_refuses_the_password_is_told_in_one_line(tmp_path, dsn, rabbitmq_url):
    url = rabbitmq_url.replace("guest:guest", "guest:wrong")
    fleet = Fleet(tmp_path, url, dsn)
    fleet.target.init()
    try:
        worker = fleet.start(ready=False)
        until(lambda: fleet.events()["broker-unreachable"], "a line in the log")
        assert end(worker) == 0
        told = fleet.events()
        del told["lanes-assigned"], told["drained"]
        assert told == {"broker-unreachable": 1}
        (line,) = (each for each in fleet.lines() if each["event"] == "broker-unreachable")
        assert "refused the user or password" in line["error"]
        assert fleet.complaints() == ""
    finally:
        fleet.__exit__()


def test_under_an_alarm_the_lanes_of_a_killed_worker_are_taken_over(tmp_path, dsn, mortal_rabbitmq):
    """RabbitMQ delivers then, but nobody can tell that they live."""
    rabbit = mortal_rabbitmq
    url, management_url = rabbit.url(rabbit.new_host()), rabbit.management_url
    with Fleet(tmp_path, url, dsn, management_url=management_url) as fleet:
        doomed, heir = fleet.start(), fleet.start()
        until(lambda: fleet.owned() == [2, 2], "two halves")
        rabbit.set_alarm(on=True)
        try:
            alarmed = "two processes that know of the alarm"
            until(lambda: all(fleet.events(each)["periodic-fails"] for each in (0, 1)), alarmed)
            assert "SP-E404" in {line.get("code") for line in fleet.lines(1)}
            end(doomed, signal.SIGKILL)

            def inherited():
                return [each for each in fleet.lines(1) if each["event"] == "lanes-assigned"][-1]

            until(lambda: inherited()["lanes"] == 4, "lanes that are taken over")
            assert heir.poll() is None
        finally:
            rabbit.set_alarm(on=False)


@pytest.mark.parametrize("broker", BROKERS)
def test_after_restarts_of_the_broker_every_lane_is_consumed(request, tmp_path, dsn, broker):
    with (
        server(request, broker) as (kill, url, management_url),
        Fleet(tmp_path, url, dsn, management_url=management_url) as fleet,
    ):
        worker = fleet.start()
        for number in range(3):
            kill()
            outbound = list(fleet.records(number))
            until(functools.partial(stored, fleet, outbound), "a broker that answers")
            fleet.arrive()
        assert worker.poll() is None


@contextmanager
def server(request, broker):
    """A broker that may be killed: what kills it, and its addresses."""
    if broker == "redis":
        with redis_server(append_fsync="always") as redis:
            yield lambda: slay(redis, broker), redis.url, "auto"
        return
    rabbit = request.getfixturevalue("mortal_rabbitmq")
    yield lambda: slay(rabbit, broker), rabbit.url(rabbit.new_host()), rabbit.management_url


def slay(server, name):
    os.kill(server.supervisor.pids()[name], signal.SIGKILL)


def stored(fleet, outbound):
    """Whether the broker has taken all messages."""
    try:
        return set(fleet.broker.publish(outbound, timeout_s=20)) == {None}
    except BrokerUnavailable:
        return False
