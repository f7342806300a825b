"""Flower with our pages on a real store, and people with each role who ask it."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import ExitStack, closing
from unittest.mock import patch
from urllib.parse import quote

import pytest
from celery import Celery
from flower import urls
from flower.app import Flower
from flower.events import Events
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.options import options

from syncpipe import app as wiring
from syncpipe.settings import load
from syncpipe.ui.seams import install
from tests.stores import emptied

#: Passwords of people; eve has no role of her own.
PEOPLE = {"ann": "admin", "bob": "operator", "eve": "viewer"}
CONFIGURATION = """
[broker]
url = "redis+socket:///nonexistent/redis.sock"
[store]
dsn = "{dsn}"
[audit]
key = "f00dbabe5eed1234cafe9876a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
[access]
admins = ["basic:ann"]
operators = ["basic:bob"]
default = "viewer"
[targets.crm]
type = "postgres"
dsn = "{dsn}"
[collections.orders]
target = "crm"
[collections.orders.mask]
status = "show"
"""


class Site:
    """Our pages, as somebody asks them."""

    def __init__(self, port, store):
        self.home = f"http://127.0.0.1:{port}"
        self.store = store
        self.before = store.audit.head().number

    def ask(self, path, user="bob", *, method=None, body=None, headers=()):
        """Status and text of an answer."""
        sent = dict(headers)
        if user:
            credentials = f"{user}:{user}-secret".encode()
            sent["Authorization"] = "Basic " + b64encode(credentials).decode()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(  # noqa: S310
            self.home + quote(path, safe="/?&=%:+"), data=body, headers=sent, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def api(self, path, user="bob", **how):
        """Status of an answer of the API, and what it says."""
        status, text = self.ask(f"/syncpipe/api/v1/{path}", user, **how)
        return status, json.loads(text)

    def get(self, path, user="bob"):
        """What the API says."""
        status, said = self.api(path, user)
        assert status == 200, said
        return said

    def post(self, path, user="bob", **body):
        """What the API says that was done."""
        status, said = self.api(path, user, body=body)
        assert status == 200, said
        return said

    def audited(self):
        """What the audit has got during the test, the oldest first."""
        records = self.store.audit.records()
        return [record.act for record in records if record.number > self.before]


@pytest.fixture(scope="module")
def parts(module_dsn, tmp_path_factory):
    config = tmp_path_factory.mktemp("ui") / "syncpipe.toml"
    config.write_text(CONFIGURATION.format(dsn=module_dsn))
    parts = wiring.build(load(config, environ={}).settings)
    with closing(parts.store()) as store, closing(parts.target("crm")) as target:
        store.migrate()
        target.init()
    return parts


@pytest.fixture(scope="module")
def running(parts):
    """The port of a Flower that runs on a thread of its own."""
    passwords = [f"{name}:{name}-secret" for name in PEOPLE]
    with ExitStack() as stack:
        stack.enter_context(patch.object(options.mockable(), "basic_auth", passwords))
        backend = install(parts)
        stack.callback(backend.close)
        ready, ends = threading.Event(), []
        thread = threading.Thread(target=_serve, args=(ready, ends))
        thread.start()
        assert ready.wait(120)
        port, loop, stop = ends
        yield port
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _serve(ready, ends):
    async def run():
        celery = Celery("test", broker="memory://", set_as_current=False)
        loop, stop = IOLoop.current(), asyncio.Event()
        application = Flower(
            capp=celery,
            events=Events(celery, io_loop=loop, max_tasks_in_memory=10),
            options=options,
            io_loop=loop,
            **urls.settings,
        )
        server, sockets = HTTPServer(application), bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        ends.extend((sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        server.stop()
        await server.close_all_connections()
        application.executor.shutdown()

    asyncio.run(run())


@pytest.fixture(scope="module")
def opened_store(parts):
    with closing(parts.store()) as store:
        yield store


@pytest.fixture
def site(running, opened_store, module_dsn):
    """The pages on an empty store."""
    emptied(module_dsn)
    return Site(running, opened_store)
