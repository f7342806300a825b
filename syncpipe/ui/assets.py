"""Scripts and styles, by addresses that change with what is in them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado.web import RequestHandler

#: Where they lie, and what others made.
STATIC = Path(__file__).with_name("static")


def asset(handler: RequestHandler, name: str) -> str:
    """Return the address of the file *name*, which browsers may keep for good."""
    return f"{handler.reverse_url('sp-static', name)}?v={_digest(name)}"


@cache
def _digest(name: str) -> str:
    return hashlib.blake2b(STATIC.joinpath(name).read_bytes(), digest_size=6).hexdigest()
