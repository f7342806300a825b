"""A private Redis and a private PostgreSQL on unix sockets, for demos, development and tests.

No network port is opened and nothing outlives the process that started it, unless it is asked to:

.. code-block:: python

    with attached(Path(".syncpipe")) as running:
        print(running.services.redis_url, running.services.dsn)
"""

from __future__ import annotations

from syncpipe.embedded.services import (
    Attached,
    Options,
    Services,
    attached,
    discard,
    end,
    find,
    keep,
)

__all__ = ["Attached", "Options", "Services", "attached", "discard", "end", "find", "keep"]
