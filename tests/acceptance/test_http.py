"""Workers that post to a real endpoint, which throttles, fails, and goes away."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from syncpipe.app import Client
from syncpipe.core.reference import fold
from syncpipe.settings import load
from tests.acceptance.processes import ENVIRONMENT, run
from tests.integration.targets.http.endpoint import (
    Endpoint,
    answers,
    commits_then,
    operation_of,
    resets,
)
from tests.patience import eventually

SECRET = "hunter2-and-more"
CONFIG = """
shards = 4
[broker]
url = "{broker}"
[targets.hub]
type = "http"
url = "{url}"
token = "${{env:HUB_TOKEN}}"
connect_timeout_s = 1
timeout_s = 10
[collections.orders]
target = "hub"
"""


class Hub:
    """An endpoint, and what one needs to send there."""

    def __init__(self, folder, broker_url, endpoint):
        self.folder = folder
        self.endpoint = endpoint
        self.config = folder / "syncpipe.toml"
        self.config.write_text(CONFIG.format(broker=broker_url, url=endpoint.url))
        self.logs = []

    def command(self, *arguments):
        return run(*arguments, cwd=self.folder, HUB_TOKEN=SECRET)

    def start(self):
        log = self.folder / f"{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as out:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "workers", "--name", log.stem),
                    *("--config", str(self.config)),
                ],
                env={**ENVIRONMENT, "HUB_TOKEN": SECRET},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def lines(self):
        texts = [text for log in self.logs for text in log.read_text().split("\n")[:-1]]
        return [json.loads(text) for text in texts]

    def events(self):
        return [line["event"] for line in self.lines()]

    def client(self):
        return Client(load(self.config, environ={"HUB_TOKEN": SECRET}).settings)

    def records(self):
        target = self.endpoint.target
        return {key: target.record("orders", key) for key in target.keys("orders")}


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def hub(tmp_path, redis_url, endpoint):
    return Hub(tmp_path, redis_url, endpoint)


@pytest.fixture
def workers(hub):
    started = [hub.start() for _ in range(2)]
    eventually(lambda: hub.events().count("worker-ready") == 2)
    yield started
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.mark.usefixtures("workers")
def test_everything_has_one_effect_though_the_endpoint_fails_throttles_and_goes_away(hub):
    endpoint = hub.endpoint
    endpoint.planned.extend(
        [
            answers(429, retry_after="1"),
            commits_then(answers(500)),
            resets,
            commits_then(resets),
            answers(200, b"<html>"),
        ]
    )
    with hub.client() as client:
        for round_ in range(10):
            for number in range(50):
                client.upsert("orders", f"{number}", {"round": round_})
                client.increment("orders", f"{number}", {"sum": 1})
            assert client.flush() == 0
            if round_ == 5:
                endpoint.stop()
        endpoint.start()
    eventually(lambda: hub.records() == {f"{n}": {"round": 9, "sum": 1} for n in range(50)})
    assert max(endpoint.effects.values()) == 1
    requests = [request for request in endpoint.received if request.operations]
    assert {request.headers["authorization"] for request in requests} == {f"Bearer {SECRET}"}
    sent = {o.id: o for r in requests for o in map(operation_of, r.operations)}
    by_key = {f"{n}": [o for o in sent.values() if o.key == f"{n}"] for n in range(50)}
    assert {key: fold(operations) for key, operations in by_key.items()} == hub.records()
    assert "dead" not in {name for line in hub.lines() for name in line.get("outcomes", {})}
    assert SECRET not in "".join(log.read_text() for log in hub.logs)


@pytest.mark.usefixtures("workers")
def test_an_error_that_nobody_knows_is_told_and_counted(hub):
    hub.endpoint.judge = lambda item: item["key"] == "bad" and {"status": 418, "message": SECRET}
    with hub.client() as client:
        client.upsert("orders", "bad", {"a": 1})
        client.upsert("orders", "good", {"a": 1})
    eventually(lambda: "unknown-error" in hub.events())
    (line, *_) = [line for line in hub.lines() if line["event"] == "unknown-error"]
    assert (line["code"], line["target"], line["operations"]) == ("http 418", "hub", 1)

    def counted():
        status = json.loads(hub.command("status", "-o", "json").stdout)
        return sum(worker["unknown_errors"] for worker in status["workers"])

    assert eventually(counted) >= 1
    eventually(lambda: "good" in hub.records())


def test_it_is_listed_tested_and_described(hub):
    listed = json.loads(hub.command("target", "list", "-o", "json").stdout)
    quiet = {"state": "closed", "since": None, "by": None, "reason": None}
    quiet |= {"batch": None, "at_once": None}
    assert listed == [{"name": "hub", "type": "http", "collections": "orders"} | quiet]
    assert hub.command("target", "init", "hub").stderr == "There is nothing to make.\n"
    done = hub.command("target", "test", "hub", "-o", "json")
    checks = json.loads(done.stdout)
    assert [(each["check"], each["ok"]) for each in checks] == [
        ("connect", True),
        ("empty batch", True),
    ]
    (row,) = json.loads(hub.command("target", "schema", "hub", "-o", "json").stdout)
    assert (row["collection"], row["table"], row["column"]) == ("orders", "/sync/in", "*")
    (collected,) = json.loads(hub.command("target", "collect", "hub", "-o", "json").stdout)
    assert collected["floor"] == 0
    shown = hub.command("config", "show").stdout
    assert "${env:HUB_TOKEN}" in shown
    assert SECRET not in shown


def test_an_endpoint_that_is_not_as_it_should_be_is_unhealthy(hub):
    hub.endpoint.always = answers(403, {"message": SECRET})
    done = hub.command("target", "test", "hub")
    assert done.returncode == 5
    assert "answered 403 Forbidden" in done.stdout
    assert SECRET not in done.stdout + done.stderr
