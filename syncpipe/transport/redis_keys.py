"""The keys that syncpipe keeps in Redis beside the queues, and the scripts that move messages.

.. code-block:: text

    <queue>                        list    messages; put in at the left, claimed at the right
    syncpipe:incarnations          zset    incarnation -> unix ms until which it is alive
    syncpipe:unacked:<incarnation> hash    "<number>:<list>" -> message, claimed, not acknowledged
    syncpipe:bell:<list>           list    tokens: something was put in since the last claim
    syncpipe:watch                 string  since when deaths are watched for; gone when nobody does
    syncpipe:workers               zset    worker -> unix ms until which it is alive
    syncpipe:workers:said          hash    worker -> "<its life in ms> <what it says, as JSON>"
    syncpipe:quota:<target>        string  until when a target's quota is spent, when it was written

An *incarnation* is one consuming connection of one process, under an id that is never used again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: Scripts that call the functions of ``put_back.lua``.
_RETURNING = frozenset({"patrol", "reject", "release"})


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the keys, under kombu's ``global_keyprefix``."""

    #: What stands before every key.
    prefix: str = ""

    @property
    def incarnations(self) -> str:
        """The sorted set of incarnations."""
        return f"{self.prefix}syncpipe:incarnations"

    @property
    def watch(self) -> str:
        """The key that exists while somebody watches for deaths."""
        return f"{self.prefix}syncpipe:watch"

    @property
    def unacked_prefix(self) -> str:
        """What stands before the incarnation in the name of its hash."""
        return f"{self.prefix}syncpipe:unacked:"

    @property
    def bell_prefix(self) -> str:
        """What stands before the list in the name of its bell."""
        return f"{self.prefix}syncpipe:bell:"

    @property
    def workers(self) -> str:
        """The sorted set of workers."""
        return f"{self.prefix}syncpipe:workers"

    @property
    def said(self) -> str:
        """The hash of what workers say about themselves."""
        return f"{self.prefix}syncpipe:workers:said"

    def quota(self, target: str) -> str:
        """Return the key of a target's quota."""
        return f"{self.prefix}syncpipe:quota:{target}"

    def unacked(self, incarnation: str) -> str:
        """Return the hash of an incarnation's unacknowledged messages."""
        return self.unacked_prefix + incarnation

    def bell(self, list_key: str) -> str:
        """Return the bell of a list, whose full key is given."""
        return self.bell_prefix + list_key


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script as Redis knows it."""

    #: Its text.
    text: str
    #: The SHA-1 of its text, under which Redis keeps it.
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script of that name from the ``lua`` folder."""
    folder = resources.files("syncpipe.transport") / "lua"
    parts = ["put_back", name] if name in _RETURNING else [name]
    text = "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)
    # Redis names scripts by their SHA-1; nothing is protected by it.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
