"""Real Celery workers on the claim transport, killed, frozen and cut off; nothing may be lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from flower.utils.broker import Broker
from redis.exceptions import OutOfMemoryError

from tests.integration.transport.relay import relay
from tests.integration.transport.trial import kill, trial
from tests.patience import eventually
from tests.servers import redis_server

CLAIM = "syncpipe.transport.redis:Transport"


@pytest.fixture
def running(redis_url, tmp_path):
    with trial(redis_url, tmp_path) as made:
        yield made


def _waiting(server):
    """Tell whether a worker waits in Redis for the next message."""
    return "brpop" in {c["cmd"] for c in server.client_list() if "b" in c["flags"]}


def _stopped(worker):
    """Tell whether the kernel has stopped a process."""
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("transport", [None, CLAIM], ids=["stock producer", "our producer"])
def test_a_message_sent_to_a_frozen_worker_that_is_then_killed_is_not_lost(
    running, server, transport
):
    (victim,) = running.start()
    eventually(lambda: _waiting(server))
    victim.send_signal(signal.SIGSTOP)
    eventually(lambda: _stopped(victim))

    running.send(range(1), transport=transport)
    kill(victim)
    running.start()

    eventually(lambda: running.done(range(1)))


def test_a_busy_worker_that_is_killed_loses_nothing(running, held):
    survivor, victim = running.start("claim threads", "claim solo")
    running.send(range(40))
    running.send(range(40, 80), gated=True)
    eventually(lambda: {survivor.pid, victim.pid} <= running.workers_at_work())
    eventually(lambda: running.done(range(40)) and held() > 5)

    kill(victim)
    running.gate.touch()

    eventually(lambda: running.done(range(80)))
    eventually(lambda: held() == 0)
    assert survivor.poll() is None


def test_a_zombie_that_wakes_up_goes_on(running, held):
    (zombie,) = running.start()
    running.send(range(8), seconds=0.2)
    eventually(lambda: running.counts("begin"))
    zombie.send_signal(signal.SIGSTOP)

    (heir,) = running.start()  # under the same name
    eventually(lambda: running.done(range(8)))
    zombie.send_signal(signal.SIGCONT)
    eventually(lambda: held() == 0)
    kill(heir)
    running.send(range(8, 12))

    eventually(lambda: running.done(range(12)))


def wiped(server, _line):
    server.flushall()


def forgetful(server, _line):
    server.script_flush()


def cut(server, _line):
    server.client_kill_filter(_type="normal", skipme=True)


def half_open(_server, line):
    line.fall_silent()


@pytest.mark.parametrize("fault", [wiped, forgetful, cut, half_open])
def test_a_worker_goes_on_whatever_became_of_redis_or_its_connections(
    redis, server, tmp_path, held, fault
):
    with relay(redis.socket) as line, trial(line.url, tmp_path) as running:
        (worker,) = running.start()
        running.send(range(4))
        eventually(lambda: running.done(range(4)) and not held())

        fault(server, line)
        running.send(range(4, 8))

        eventually(lambda: running.done(range(8)) and not held(), within_s=90)
        assert worker.poll() is None
        assert running.said("Unrecoverable error") == 0


def test_a_full_redis_ends_no_worker_and_is_drained_by_it(running, server, held):
    (worker,) = running.start("claim threads -E")  # events are refused, messages are not
    running.send(range(40), seconds=0.05)
    eventually(lambda: running.counts("begin"))

    server.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        running.send(range(40, 41))
    eventually(lambda: running.done(range(40)) and not held(), within_s=60)
    server.config_set("maxmemory", 0)
    running.send(range(41, 44))

    eventually(lambda: running.done(range(41, 44)))
    assert worker.poll() is None
    assert running.said("Unrecoverable error") == 0


def test_a_worker_that_may_not_claim_says_so_waits_and_goes_on(running, server):
    (worker,) = running.start()

    server.config_set("min-replicas-to-write", 1)
    eventually(lambda: running.said("Redis takes no claims for now"))
    server.config_set("min-replicas-to-write", 0)
    running.send(range(4))

    eventually(lambda: running.done(range(4)) and running.said("Redis takes claims again"))
    assert worker.poll() is None
    assert running.said("Redis takes no claims for now") == 1


def test_a_redis_that_is_killed_and_comes_back_is_served_further(tmp_path):
    with redis_server(append_fsync="always") as server, trial(server.url, tmp_path) as running:
        workers = running.start("claim threads", "claim prefork")
        for start in (0, 30):
            running.send(range(start, start + 30), seconds=0.02)
            eventually(lambda start=start: len(running.counts()) > start)
            os.kill(server.supervisor.pids()["redis"], signal.SIGKILL)
            eventually(lambda start=start: running.done(range(start + 30)))

        assert [worker.poll() for worker in workers] == [None, None]
        # That a message could not be acknowledged just then is critical to kombu, and comes again.
        assert running.said("Unrecoverable error") == 0


def test_a_stock_worker_that_ends_warmly_and_ours_that_is_killed_share_a_queue(running, held):
    stock, ours = running.start("stock threads", "claim threads")
    running.send(range(60), gated=True)
    running.send(range(60, 120), gated=True, transport=CLAIM)
    eventually(lambda: {stock.pid, ours.pid} <= running.workers_at_work() and held() > 2)

    kill(ours)
    stock.terminate()
    running.gate.touch()
    assert stock.wait(60) == 0
    running.start()

    eventually(lambda: running.done(range(120)), within_s=60)
    eventually(lambda: held() == 0)


def test_a_warm_shutdown_gives_everything_back(running, server, held):
    (worker,) = running.start()
    running.send(range(30), seconds=0.1)
    eventually(lambda: len(running.counts("begin")) > 2)

    worker.terminate()
    worker.wait(120)

    assert held() == 0
    assert len(running.counts()) + server.llen("trial") == 30
    assert running.counts("begin") == running.counts("end")


def test_flowers_broker_tab_shows_the_lengths_of_all_degrees_together(running):
    running.send(range(7))
    running.send(range(7, 10), transport=CLAIM, priority=6)

    (shown,) = asyncio.run(Broker(running.url).queues(["trial"]))

    assert (shown["name"], shown["messages"]) == ("trial", 10)
