"""Sync operations to their targets, in order and once.

.. code-block:: python

    from syncpipe import Client

    with Client() as client:
        client.upsert("orders", "o-17", {"total": 30, "paid": False})

Importing this package imports nothing else: each name below is fetched when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.app import AsyncClient, Client
    from syncpipe.core.routing import Priority
    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.receipt import Receipt
    from syncpipe.settings import load as load_settings

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "Priority",
    "Receipt",
    "SyncpipeError",
    "load_settings",
]

#: Where each public name lives: module and name there.
_HOMES = {
    "AsyncClient": ("syncpipe.app", "AsyncClient"),
    "Client": ("syncpipe.app", "Client"),
    "Priority": ("syncpipe.core.routing", "Priority"),
    "Receipt": ("syncpipe.producer.receipt", "Receipt"),
    "SyncpipeError": ("syncpipe.errors", "SyncpipeError"),
    "load_settings": ("syncpipe.settings", "load"),
}


def __getattr__(name: str) -> object:
    """Fetch a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = globals()[name] = getattr(importlib.import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    """List the public names, fetched or not."""
    return sorted({*globals(), *__all__})
