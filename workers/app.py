"""The app for ``celery -A workers.app worker``, with the configuration that is found.

Start it with a pool of threads, which is its default.
"""

from __future__ import annotations

from syncpipe import app as wiring
from syncpipe.settings import load
from workers import logging
from workers.configuration import celery_app

_settings = load().settings
logging.configure(_settings.log)

#: What ``celery -A`` looks for.
app = celery_app(wiring.build(_settings))
