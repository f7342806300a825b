"""What one incarnation has claimed: its records in Redis, its acknowledgements, its life."""

from __future__ import annotations

import uuid
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

from syncpipe.transport.redis_keys import script
from syncpipe.transport.redis_patrol import RETURNS_PER_CALL, patrol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from syncpipe.transport.redis_keys import Keys
    from syncpipe.transport.redis_patrol import Returned

#: Most acknowledgements that wait for one round trip.
ACKS_PER_FLUSH = 256
#: Most bytes in one claim; a single message may be larger.
_BYTES_PER_CLAIM = 8 * 1024 * 1024
#: While others wait, no list gives more than this part of a claim.
_SHARE = 4


class Claimed(NamedTuple):
    """A message that is ours until it is acknowledged or goes back."""

    #: ``<incarnation>:<number>:<list>``; never used twice.
    tag: str
    #: The key of the list it came from.
    list_key: str
    #: The message as it lay there.
    raw: bytes


class Claims:
    """The claims of one incarnation at a time.

    Thread-safe except for :meth:`command`, :meth:`read` and :meth:`failed`, which belong to the
    consuming thread. Methods raise what redis-py raises.
    """

    def __init__(self, execute: Callable[..., Any], keys: Keys, *, lifetime_ms: int) -> None:
        """Use *execute* for commands; be dead *lifetime_ms* after the last sign of life."""
        self._execute = execute
        self._keys = keys
        self._lifetime_ms = lifetime_ms
        self._acks: deque[str] = deque()
        #: Acknowledgements that travel with a claim whose answer is not there yet.
        self._riding: list[str] = []
        self.reincarnate()

    def reincarnate(self) -> None:
        """Go on under a new identity and leave what the old one has claimed to the patrol.

        Needed when a claim was sent and its answer never read: it may still be carried out.
        """
        self.failed()
        self.incarnation = uuid.uuid4().hex
        self._number = 0

    def command(self, lists: Sequence[str], limit: int) -> tuple[Any, ...]:
        """Return the Redis command that claims up to *limit* messages from *lists*.

        It acknowledges on the way what waits for that. Either `read` or `failed` has to follow.
        """
        name = self.incarnation
        bell = self._keys.bell_prefix
        keys = [self._keys.incarnations, self._keys.unacked(name), *lists]
        keys += [bell + key for key in lists]
        share = max(1, limit // _SHARE)
        numbers = (self._lifetime_ms, self._number, limit, share, _BYTES_PER_CLAIM)
        self._number += limit
        return ("EVALSHA", script("claim").sha, len(keys), *keys, name, *numbers, *self._board())

    def read(self, reply: Sequence[bytes]) -> list[Claimed]:
        """Return what the claim's *reply* holds."""
        self._riding = []
        claimed = []
        for field, raw in zip(reply[::2], reply[1::2], strict=True):
            text = field.decode()
            list_key = text.partition(":")[2]
            claimed.append(Claimed(f"{self.incarnation}:{text}", list_key, raw))
        return claimed

    def claim(self, lists: Sequence[str], limit: int) -> list[Claimed]:
        """Claim at once, on a connection of its own."""
        try:
            try:
                return self.read(self._execute(*self.command(lists, limit)))
            except redis.exceptions.NoScriptError:
                self.teach()
                return self.read(self._execute(*self.command(lists, limit)))
        except redis.ResponseError:
            self.failed()
            raise
        except (redis.ConnectionError, redis.TimeoutError):
            self.reincarnate()
            raise

    def failed(self) -> None:
        """Note that the claim was refused, or may not have been carried out."""
        self._acks.extendleft(reversed(self._riding))
        self._riding = []

    def teach(self) -> None:
        """Give Redis the claim script, which it does not know, or has been told to forget."""
        self.failed()
        self._execute("SCRIPT LOAD", script("claim").text)

    def owns(self, tag: str) -> bool:
        """Tell whether *tag* is one of ours and not a tag that kombu made."""
        return tag.count(":") >= 2  # noqa: PLR2004 - incarnation:number:list

    def ack(self, tag: str) -> None:
        """Remember to forget a message; the next claim does it, or :meth:`flush`."""
        self._acks.append(tag)
        if len(self._acks) >= ACKS_PER_FLUSH:
            self.flush()

    def flush(self) -> None:
        """Remove the records of all acknowledged messages; after an error the next call does."""
        tags = []
        while self._acks:
            try:
                tags.append(self._acks.popleft())
            except IndexError:  # another thread flushes too
                break
        try:
            for incarnation, fields in _by_incarnation(tags).items():
                self._execute("HDEL", self._keys.unacked(incarnation), *fields)
        except BaseException:
            self._acks.extend(tags)
            raise

    def reject(self, tags: Iterable[str], *, far: bool) -> None:
        """Return messages to the *far* end of their lists, or to where they came from."""
        end = "far" if far else "near"
        for incarnation, fields in _by_incarnation(tags).items():
            keys = [self._keys.unacked(incarnation)]
            self._run("reject", keys, self._keys.bell_prefix, end, *fields)

    def release(self) -> int:
        """Return everything this incarnation holds, and end it; tell how many messages that was."""
        self.failed()
        self.flush()
        keys = [self._keys.incarnations, self._keys.unacked(self.incarnation)]
        args = (self.incarnation, self._keys.bell_prefix, RETURNS_PER_CALL)
        total, left = 0, 1
        while left:
            count, left = self._run("release", keys, *args)
            total += count
        return total

    def patrol(self) -> Returned:
        """Give a sign of life, and return messages of one incarnation that has died, if any has."""
        return patrol(
            self._run,
            self._keys,
            lifetime_ms=self._lifetime_ms,
            incarnation=self.incarnation,
        )

    def _board(self) -> list[str]:
        """Return the fields of this incarnation that ride along with a claim."""
        own = self.incarnation + ":"
        others: list[str] = []
        while self._acks and len(self._riding) < ACKS_PER_FLUSH:
            try:
                tag = self._acks.popleft()
            except IndexError:  # another thread flushes too
                break
            (self._riding if tag.startswith(own) else others).append(tag)
        self._acks.extend(others)
        return [tag.removeprefix(own) for tag in self._riding]

    def _run(self, name: str, keys: Sequence[str], *args: str | int) -> Any:
        """Return what a script answers."""
        return self._execute("EVAL", script(name).text, len(keys), *keys, *args)


def _by_incarnation(tags: Iterable[str]) -> dict[str, list[str]]:
    """Return the fields of *tags* under the incarnation that claimed them."""
    fields: dict[str, list[str]] = defaultdict(list)
    for tag in tags:
        incarnation, _, field = tag.partition(":")
        fields[incarnation].append(field)
    return fields
