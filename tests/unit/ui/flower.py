"""Flower with our pages, in this process, without any server behind it."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import ExitStack
from typing import ClassVar
from unittest.mock import patch

from celery import Celery
from flower import urls
from flower.app import Flower
from flower.events import Events
from tornado.options import options
from tornado.testing import AsyncHTTPTestCase

from syncpipe import app as wiring
from syncpipe.settings.tree import BrokerSettings, Settings
from syncpipe.ui.seams import install

#: Nobody listens there.
BROKER = "redis+socket:///nonexistent/redis.sock"


class FlowerCase(AsyncHTTPTestCase):
    """One application of Flower for each test."""

    #: Options of Flower that differ.
    given: ClassVar = {}

    def get_app(self):
        self.stack = ExitStack()
        for name, value in self.given.items():
            self.stack.enter_context(patch.object(options.mockable(), name, value))
        self.backend = install(wiring.build(Settings(broker=BrokerSettings(url=BROKER))))
        self.stack.callback(self.backend.close)
        celery = Celery("test", broker="memory://", set_as_current=False)
        events = Events(celery, io_loop=self.io_loop, max_tasks_in_memory=10)
        return Flower(
            capp=celery, events=events, options=options, io_loop=self.io_loop, **urls.settings
        )

    def tearDown(self):
        super().tearDown()
        self.stack.close()

    def ask(self, path, method="GET", *, body=None, user=None, **headers):
        """An answer; *user* is NAME:PASSWORD."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            sent["Authorization"] = "Basic " + b64encode(user.encode()).decode()
        if body is not None and not isinstance(body, str | bytes):
            sent.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        return self.fetch(
            path,
            method=method,
            body=body,
            headers=sent,
            follow_redirects=False,
            allow_nonstandard_methods=True,
        )

    def said(self, answer):
        """What an answer holds, as JSON."""
        assert answer.headers["Content-Type"].startswith("application/json"), answer.body
        return json.loads(answer.body)
