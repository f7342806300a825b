"""Flower, as an operator of lanes uses it, on every broker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import quote

import pytest

from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.pipeline.deadletters import DEAD_TASK
from syncpipe.transport.broker import Outbound
from tests.acceptance.fleet import PATIENCE_S, ROOT, Fleet, until
from tests.acceptance.processes import ENVIRONMENT
from tests.ports import free_ports

NORMAL = [f"sp.crm.{shard}.normal" for shard in range(4)]


class Flower:
    """Flower's pages and API."""

    def __init__(self, port):
        self._address = f"http://127.0.0.1:{port}"

    def call(self, method, path):
        """The status and text of an answer; status 0 while Flower starts."""
        request = urllib.request.Request(self._address + path, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def get(self, path):
        """What a page holds; nothing when there is none."""
        status, text = self.call("GET", path)
        return text if status == HTTPStatus.OK else ""

    def consumed(self, *names):
        """The queues that each worker consumes, by its name.

        Whoever is named is asked alone, and its answer awaited; else Flower listens for ten seconds
        who there is.
        """
        workers = {}
        for each in [f"&workername={quote(name)}" for name in names] or [""]:
            workers |= json.loads(self.get(f"/api/workers?refresh=1{each}") or "{}")
        return {
            name: sorted(queue["name"] for queue in info.get("active_queues", ()))
            for name, info in workers.items()
        }

    def lengths(self):
        """What waits in each queue that is not empty."""
        queues = json.loads(self.get("/api/queues/length") or '{"active_queues": []}')
        return {
            queue["name"]: queue["messages"]
            for queue in queues["active_queues"]
            if queue.get("messages")
        }

    def tell(self, command, worker, queue):
        """The status and text of the answer to a button of the worker's page."""
        path = f"/api/worker/queue/{command}-consumer/{quote(worker)}?queue={quote(queue)}"
        return self.call("POST", path)


@contextmanager
def flower_of(fleet, *options):
    """Run Flower with the app of the workers."""
    (port,) = free_ports(1)
    argv = (sys.executable, "-m", "celery", "-A", "workers.app", "flower", *options)
    with (fleet.folder / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [*argv, "--address=127.0.0.1", f"--port={port}", "--inspect-timeout=10000"],
            cwd=ROOT,
            env=ENVIRONMENT
            | {"SYNCPIPE_CONFIG": str(fleet.config), "FLOWER_UNAUTHENTICATED_API": "true"},
            stdout=log,
            stderr=log,
        )
    try:
        flower = Flower(port)
        until(lambda: flower.get("/healthcheck") == "OK", "Flower")
        yield flower
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request):
    return request.param


@pytest.fixture
def fleet(request, broker, tmp_path, dsn):
    url, management_url = request.getfixturevalue(f"{broker}_url"), "auto"
    if broker == "rabbitmq":
        management_url = request.getfixturevalue("rabbitmq").management_url
    with Fleet(tmp_path, url, dsn, management_url=management_url) as fleet:
        yield fleet


@pytest.fixture
def flower(request, broker, fleet):
    options = []
    if broker == "rabbitmq":
        management_url = request.getfixturevalue("rabbitmq").management_url
        options.append(f"--broker-api={management_url}/api/")
    with flower_of(fleet, *options) as flower:
        yield flower


@pytest.fixture
def physical(broker):
    """What the broker calls a queue."""
    return (lambda queue: f"{queue}.v1") if broker == "rabbitmq" else str


def test_the_broker_tab_shows_how_much_waits_in_each_lane(fleet, flower, physical):
    worker = fleet.start()
    until(lambda: shared(flower, [16]), "a worker")
    worker.send_signal(signal.SIGSTOP)
    try:
        outbound = [each for number in range(3) for each in fleet.records(number)]
        assert set(fleet.broker.publish(outbound, timeout_s=60)) == {None}
        expected = {physical(queue): 3 for queue in NORMAL}
        until(lambda: flower.lengths() == expected, "three messages in each lane")
        rows = re.findall(r"<td>(sp\.\S+?)</td>\s*<td[^>]*>\D*(\d+)\D*</td>", flower.get("/broker"))
        assert {name: int(number) for name, number in rows if number != "0"} == expected
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    fleet.arrive()


def test_flower_has_our_tabs_and_shows_the_queue_of_dead_letters(fleet, flower, physical):
    letter = Outbound(DEAD_QUEUE, b"x", "1", DEAD_TASK)
    assert fleet.broker.publish([letter], timeout_s=60) == [None]
    for tab in ("dead-letters", "pipeline"):
        page = flower.get(f"/syncpipe/{tab}")
        assert "Dead letters" in page
        assert f'href="/syncpipe/{tab}"' in flower.get("/tasks")
    until(lambda: physical(DEAD_QUEUE) in flower.lengths(), "its length")
    assert f"<td>{physical(DEAD_QUEUE)}</td>" in flower.get("/broker")


def test_consumers_are_added_and_cancelled_by_both_names(fleet, flower, physical):
    for _ in range(2):
        fleet.start()
    until(lambda: fleet.owned() == [2, 2], "two halves")
    found = until(lambda: shared(flower, [8, 8]), "eight queues each")
    (ours, before), (_, others) = sorted(found.items())
    name = others[0].removesuffix(".v1")
    both = (name, f"{name}.v1")

    for form in both:
        assert flower.tell("add", ours, form) == (
            200,
            json.dumps({"message": f"add consumer {form}"}),
        )
    consumed = sorted([*before, physical(name)])
    until(lambda: flower.consumed(ours) == {ours: consumed}, "one queue more")

    for form in reversed(both):
        assert flower.tell("cancel", ours, form)[0] == 200
    until(lambda: flower.consumed(ours) == {ours: before}, "what was before")
    fleet.send(300)
    fleet.arrive()


def test_what_flower_may_not_do_is_refused_and_changes_nothing(fleet, flower, broker):
    worker = fleet.start()
    found = until(lambda: shared(flower, [16]), "a worker")
    ((name, before),) = found.items()
    refused = {"celery": "SP-E102", "sp.dead": "SP-E102", "sp.other.0.low": "SP-E102"}
    if broker == "rabbitmq":
        refused["sp.crm.99.low"] = "SP-E406"
    for queue, code in refused.items():
        status, text = flower.tell("add", name, queue)
        assert (status, code in text) == (403, True), text
    for form in ("sp.crm.0.normal", "sp.crm.0.normal.v1"):
        status, text = flower.tell("cancel", name, form)
        assert (status, "is assigned to this process" in text) == (403, True), text
    fleet.send(300)
    fleet.arrive()
    assert flower.consumed(name) == {name: before}
    assert fleet.dead() == []
    assert worker.poll() is None


def shared(flower, numbers):
    """The queues that each worker consumes, as Flower sees it, once they are so many."""
    found = flower.consumed()
    return found if sorted(map(len, found.values())) == numbers else None


def test_nothing_is_made_for_a_consumer_that_is_added(tmp_path, dsn, rabbitmq, rabbitmq_url):
    host = rabbitmq_url.rpartition("/")[2]

    def queues():
        found = rabbitmq.call("GET", f"queues/{host}")
        return {each["name"]: each.get("consumers") for each in found if "sp." in each["name"]}

    management_url = rabbitmq.management_url
    with (
        Fleet(tmp_path, rabbitmq_url, dsn, management_url=management_url) as fleet,
        flower_of(fleet, f"--broker-api={management_url}/api/") as flower,
    ):
        fleet.start()
        (name,) = until(lambda: shared(flower, [16]), "a worker")
        until(lambda: list(queues().values()).count(1) == 16, "one consumer of each lane")
        before = queues()
        for queue in ("sp.crm.0.normal", "sp.crm.0.normal.v1", "sp.crm.99.low", "celery"):
            flower.tell("add", name, queue)
        fleet.send(100)
        fleet.arrive()
        until(lambda: queues() == before, "the queues and consumers from before")
        assert "celery" not in {each["name"] for each in rabbitmq.call("GET", f"queues/{host}")}
