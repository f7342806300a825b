"""The app for ``celery -A workers.app worker``, with the configuration that is found.

Start it with a pool of threads, which is its default.
"""

from __future__ import annotations

import sys

from syncpipe import app as wiring
from syncpipe.settings import load
from workers import logging
from workers.configuration import celery_app

_settings = load().settings
logging.configure(_settings.log)

_parts = wiring.build(_settings)
#: What ``celery -A`` looks for.
app = celery_app(_parts)

# Celery's command line imports Flower, where it is installed, before this.
if "flower" in sys.argv and "flower.urls" in sys.modules:
    from syncpipe import ui

    ui.install(_parts)
