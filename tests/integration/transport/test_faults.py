"""What the claim transport does when Redis, a connection or an incarnation fails."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from contextlib import suppress

import pytest
import redis as redis_py

from syncpipe.errors import BrokerUnavailable, BrokerUnsupported
from syncpipe.system import SystemClock
from syncpipe.transport import durability, open_broker, rescue
from syncpipe.transport.broker import Outbound
from syncpipe.transport.redis.claims import Claims
from syncpipe.transport.redis_keys import Keys
from tests.integration.transport.conftest import CLAIM, Sides, connected
from tests.integration.transport.relay import relay
from tests.patience import eventually
from tests.servers import redis_cluster, redis_server


@pytest.fixture
def incarnation(server):
    """Makes incarnations that live for half a second."""
    return lambda: Claims(server.execute_command, Keys(), lifetime_ms=500)


def _claiming(sides, **options):
    """Return a side that has claimed; None where the machine was too slow for it."""
    ours = sides(**options)
    with suppress(*ours.connection.connection_errors):
        ours.listen("orders").claim_now()
        return ours


def _plain(body):
    """Return the smallest message that kombu reads."""
    properties = {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "orders"}}
    facts = {"content-type": "application/json", "content-encoding": "utf-8", "headers": {}}
    return facts | {"body": json.dumps(body), "properties": properties}


def _claims_tried(server):
    """Return how many claims Redis has been asked for."""
    return server.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]


def _returns(claims, number):
    """Patrol until so many messages have been returned."""
    total = 0

    def patrolled():
        nonlocal total
        total += claims.patrol().count
        return total >= number

    eventually(patrolled)
    return total


def test_a_dead_incarnations_messages_return_in_their_old_order(server, incarnation):
    server.lpush("orders", *range(5))
    incarnation().claim(["orders"], 4)
    living = incarnation()

    assert _returns(living, 4) == 4
    assert [int(raw) for raw in reversed(server.lrange("orders", 0, -1))] == [0, 1, 2, 3, 4]
    assert [claimed.raw for claimed in living.claim(["orders"], 5)] == [
        b" 0",
        b" 1",
        b" 2",
        b" 3",
        b"4",
    ]


def test_two_patrols_return_a_dead_ones_messages_once(server, incarnation):
    server.lpush("orders", *range(50))
    incarnation().claim(["orders"], 50)
    one, other = incarnation(), incarnation()

    eventually(lambda: one.patrol().count + other.patrol().count)

    assert server.llen("orders") == 50
    assert one.patrol().count == other.patrol().count == 0


def test_the_living_keep_what_they_hold(server, incarnation):
    server.lpush("orders", *range(10))
    dead, living = incarnation(), incarnation()
    dead.claim(["orders"], 5)
    living.claim(["orders"], 5)

    assert _returns(living, 5) == 5
    assert server.hlen(Keys().unacked(living.incarnation)) == 5


def test_nobody_is_declared_dead_before_the_watch_has_lasted_a_lifetime(server, incarnation):
    server.lpush("orders", 1)
    dead, watcher = incarnation(), incarnation()
    dead.claim(["orders"], 1)
    server.zadd(Keys().incarnations, {dead.incarnation: 1})

    first = watcher.patrol()

    assert (first.incarnation, first.watching_ms) == ("", 500)
    assert _returns(watcher, 1) == 1


def test_a_restarted_redis_gives_everybody_a_lifetime(server, incarnation):
    server.lpush("orders", 1)
    dead, watcher = incarnation(), incarnation()
    eventually(lambda: watcher.patrol().watching_ms == 0)
    dead.claim(["orders"], 1)
    server.zadd(Keys().incarnations, {dead.incarnation: 1})
    _, since = server.get(Keys().watch).split()
    server.set(Keys().watch, b"anotherrun " + since)

    assert watcher.patrol().watching_ms == 500
    assert server.llen("orders") == 0


def test_a_clock_that_went_back_does_not_keep_the_dead_alive(server, incarnation):
    server.lpush("orders", 1)
    dead, watcher = incarnation(), incarnation()
    dead.claim(["orders"], 1)
    server.zadd(Keys().incarnations, {dead.incarnation: 2**52})

    assert _returns(watcher, 1) == 1


def test_many_messages_return_in_several_calls(server, incarnation):
    server.lpush("orders", *range(2500))
    dead, watcher = incarnation(), incarnation()
    while dead.claim(["orders"], 500):
        pass

    assert _returns(watcher, 2500) == 2500
    raws = [int(raw) for raw in reversed(server.lrange("orders", 0, -1))]
    assert raws == list(range(2500))


def test_a_zombies_acknowledgements_harm_nobody(server, incarnation):
    server.lpush("orders", "a", "b")
    zombie, heir = incarnation(), incarnation()
    tags = [claimed.tag for claimed in zombie.claim(["orders"], 2)]
    _returns(heir, 2)
    inherited = heir.claim(["orders"], 1)

    for tag in tags:
        zombie.ack(tag)
    zombie.flush()
    zombie.reject(tags, far=False)
    again = zombie.claim(["orders"], 5)

    assert [claimed.raw for claimed in inherited + again] == [b" a", b" b"]
    assert server.hlen(Keys().unacked(heir.incarnation)) == 1
    assert not {claimed.tag for claimed in again} & set(tags)


def test_a_claim_whose_answer_was_lost_comes_back(side):
    side.stock().send("orders", *range(10))
    ours = side(liveness_s=1.5).listen("orders")
    lost = ours.channel.claims.incarnation

    ours.connection.transport.cycle.on_poll_start()
    ours.channel.client.connection.disconnect()

    assert sorted(m.payload for m in ours.drain(10)) == list(range(10))
    assert ours.channel.claims.incarnation != lost


def test_forgotten_scripts_are_taught_again(side, server):
    ours = side().listen("orders")
    ours.claim_now()

    server.script_flush()
    side.stock().send("orders", 1)

    assert [m.payload for m in ours.drain(1)] == [1]


def test_a_wiped_redis_is_served_further(side, server):
    side.stock().send("orders", 1, 2)
    ours = side().listen("orders")
    before = list(ours.drain(2))

    server.flushall()
    for message in before:
        message.ack()
    side.stock().send("orders", 3)

    assert [m.payload for m in ours.drain(3)] == [1, 2, 3]


def test_killed_connections_are_made_anew(side, server):
    ours = side(liveness_s=1.5).listen("orders")
    ours.claim_now()

    server.client_kill_filter(_type="normal", skipme=True)
    side.stock().send("orders", 1)
    with suppress(*ours.connection.connection_errors):
        ours.poll(2)

    assert [m.payload for m in ours.drain(1)] == [1]


def test_a_full_redis_is_drained_and_loses_nothing(side, server):
    side.stock().send("orders", *["x" * 1000] * 200)
    ours = side().listen("orders", prefetch=50)
    server.config_set("maxmemory", 1)
    with pytest.raises(redis_py.exceptions.OutOfMemoryError):
        server.set("more", "x")

    done = 0
    while done < 200:
        for message in ours.drain(done + 1)[done:]:
            message.ack()
            done += 1

    assert done == 200
    ours.connection.close()
    assert server.llen("orders") == 0


def test_a_full_redis_takes_messages_back(side, server, incarnation):
    side.stock().send("orders", *range(10))
    ours = side().listen("orders", prefetch=5)
    ours.drain(5)
    dead = incarnation()
    dead.claim(["orders"], 5)
    server.config_set("maxmemory", 1)

    ours.connection.close()
    _returns(incarnation(), 5)

    assert server.llen("orders") == 10


def test_refused_claims_raise_one_alarm_and_go_on_later(side, server, caplog):
    side.stock().send("orders", 1)
    ours = side().listen("orders")
    server.config_set("min-replicas-to-write", 1)
    with caplog.at_level(logging.WARNING, "syncpipe.transport.redis"):
        before = _claims_tried(server)
        ours.poll(1.5)
        tried = _claims_tried(server) - before
        refused = list(ours.received)
        server.config_set("min-replicas-to-write", 0)
        ours.drain(1)

    alarms = [r.levelname for r in caplog.records if r.name == "syncpipe.transport.redis"]
    assert refused == []
    assert 1 <= tried <= 5
    assert alarms.count("ERROR") == 1
    assert alarms[-1] == "WARNING"


def test_a_refused_consumer_that_waits_without_a_deadline_goes_on_too(side, server):
    ours = side().listen("orders")
    server.config_set("min-replicas-to-write", 1)
    ours.poll(0.2)
    server.config_set("min-replicas-to-write", 0)
    side.stock().send("orders", 1)

    ours.connection.drain_events()

    assert [m.payload for m in ours.received] == [1]


def test_a_channel_whose_connection_was_lost_claims_no_more(side):
    side.stock().send("orders", 1)
    ours = side().listen("orders")
    transport = ours.connection.transport
    connection, transport.client = transport.client, None

    transport.cycle.on_poll_start()

    assert not ours.channel._in_poll
    assert not transport.cycle._channels
    transport.client = connection


def test_a_stopped_redis_ends_in_an_error_and_not_in_a_hang():
    with redis_server() as server:
        sides = Sides(server.url)
        ours = eventually(lambda: _claiming(sides, socket_timeout=0.3))
        pid = server.supervisor.pids()["redis"]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(ours.connection.connection_errors):
                ours.channel.basic_get("orders")
            with pytest.raises(ours.connection.connection_errors):
                ours.send("orders", 1)
        finally:
            os.kill(pid, signal.SIGCONT)
        sides.close()


def test_a_redis_that_was_away_longer_than_a_lifetime_is_served_further():
    with redis_server() as server:
        sides = Sides(server.url)
        ours = sides(liveness_s=1.5).listen("orders")
        sides.stock().send("orders", 1, 2)
        for message in ours.drain(2):
            message.ack()
        pid = server.supervisor.pids()["redis"]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(pid, signal.SIGCONT)

        sides.stock().send("orders", 3)

        assert [m.payload for m in ours.drain(3)] == [1, 2, 3]
        sides.close()


def test_a_connection_that_has_gone_silent_is_given_up(redis, server):
    with relay(redis.socket) as line:
        sides = Sides(line.url)
        short = dict.fromkeys(("liveness_s", "health_check_interval", "socket_timeout"), 0.5)
        ours = eventually(lambda: _claiming(sides, **short))
        line.fall_silent()

        server.lpush("orders", json.dumps(_plain("late")))

        assert [m.payload for m in ours.drain(1)] == ["late"]
        sides.close()


def test_a_blocked_consumer_keeps_what_it_holds(side, server, incarnation):
    side.stock().send("orders", 1)
    ours = side(liveness_s=6).listen("orders")
    ours.drain(1)
    lives_until = set()

    def has_beaten_twice():  # meanwhile the consumer's thread does nothing but this
        assert incarnation().patrol().count == 0
        lives_until.add(server.zscore(Keys().incarnations, ours.channel.claims.incarnation))
        return len(lives_until) > 2

    eventually(has_beaten_twice)

    assert server.llen("orders") == 0


def test_acknowledgements_survive_the_loss_of_their_connection(side, held):
    side.stock().send("orders", 1)
    ours = side(liveness_s=30).listen("orders")
    (message,) = ours.drain(1)
    channel = ours.channel
    channel._release = lambda: None  # as if Redis had been away

    ours.connection.close()
    assert held() == 1
    message.ack()

    assert held() == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_lets_go_of_what_is_its_parents(side, held):
    side.stock().send("orders", 1)
    ours = side().listen("orders")
    ours.drain(1)

    child = os.fork()
    if child == 0:
        with suppress(Exception):
            ours.connection.close()
        os._exit(0)
    os.waitpid(child, 0)

    assert held() == 1


def test_a_node_of_a_cluster_is_refused_by_whoever_connects():
    with redis_cluster() as url, open_broker(url, clock=SystemClock()) as broker:
        with (
            connected(url, CLAIM) as connection,
            pytest.raises(BrokerUnsupported, match="Cluster"),
        ):
            connection.connect()
        for ask in (
            broker.workers,
            lambda: durability(url, clock=SystemClock()),
            lambda: rescue(url, clock=SystemClock()),
        ):
            with pytest.raises(BrokerUnsupported, match="Cluster"):
                ask()
        # Not even what this one node would take.
        message = Outbound("sp.crm.0.normal", b"body", "id", "syncpipe.apply")
        (verdict,) = broker.publish([message], timeout_s=60)
        assert isinstance(verdict, BrokerUnavailable)
        assert "Cluster" in verdict.message
