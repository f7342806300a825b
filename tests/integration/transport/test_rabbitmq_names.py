"""What the name of RabbitMQ's host leads to, and what happens when nobody can tell."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from syncpipe.errors import BrokerUnavailable
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound

#: A process whose name server never answers, and that ends by itself.
UNANSWERED = """
import socket, threading
from syncpipe.errors import BrokerUnavailable
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound

socket.getaddrinfo = lambda *asked, **how: threading.Event().wait()
with open_broker("amqp://broker.test/", clock=SystemClock()) as broker:
    for _ in range(20):
        (verdict,) = broker.publish([Outbound("sp.crm.0.low", b"", "id", "t")], timeout_s=0.05)
        assert "no answer in time" in str(verdict), verdict
    print("threads", threading.active_count(), flush=True)
    try:
        broker.depths(["sp.crm.0.low"])  # asks the management API
    except BrokerUnavailable as error:
        print(error.code, flush=True)
"""


@pytest.fixture
def leads_to(monkeypatch):
    """Lets the name ``broker.test`` stand for some addresses."""

    def name(*hosts):
        real = socket.getaddrinfo

        def look_up(host, port, *how, **options):
            if host != "broker.test":
                return real(host, port, *how, **options)
            assert threading.current_thread() is not threading.main_thread()
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return name


def _named(url):
    return open_broker(url.replace("127.0.0.1", "broker.test"), clock=SystemClock())


def test_a_name_server_that_never_answers_holds_nobody():
    ended = subprocess.run(
        [sys.executable, "-c", UNANSWERED], capture_output=True, text=True, timeout=120, check=False
    )
    # One thread that asks, beside the first.
    assert (ended.stdout.split(), ended.stderr) == (["threads", "2", "SP-E402"], "")


def test_the_next_address_is_tried_when_one_refuses(leads_to, rabbitmq_url):
    leads_to("127.0.0.2", "127.0.0.1")
    with _named(rabbitmq_url) as broker:
        assert broker.declare(["sp.crm.0.low"]) == ["sp.limit", "sp.crm.0.low"]
        message = Outbound("sp.crm.0.low", b"body", "id", "syncpipe.apply")
        assert broker.publish([message], timeout_s=60) == [None]


def test_who_is_refused_at_one_address_tries_no_other(leads_to, rabbitmq_url):
    leads_to("127.0.0.1", "127.0.0.2")
    with (
        _named(rabbitmq_url.replace("guest:guest", "guest:wrong")) as broker,
        pytest.raises(BrokerUnavailable, match="user or password"),
    ):
        broker.ready(["sp.crm.0.low"])


@pytest.mark.parametrize("hosts", [[], ["127.0.0.2", "127.0.0.2"]], ids=["none", "all refuse"])
def test_a_name_that_leads_nowhere_is_an_error(leads_to, rabbitmq_url, hosts):
    leads_to(*hosts)
    with (
        _named(rabbitmq_url) as broker,
        pytest.raises(BrokerUnavailable, match=r"broker\.test:\d+ cannot be reached"),
    ):
        broker.ready(["sp.crm.0.low"])
