"""A kombu channel that claims messages instead of popping them."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, cast

import redis
from kombu.transport import redis as stock
from kombu.utils.json import loads

from syncpipe.errors import ConfigError
from syncpipe.transport import message as wire
from syncpipe.transport.broker import QUEUE_PREFIX
from syncpipe.transport.redis.claims import Claims
from syncpipe.transport.redis.heart import Heart
from syncpipe.transport.redis.qos import QoS
from syncpipe.transport.redis.rota import Rota, urgency_of
from syncpipe.transport.redis_keys import Keys

if TYPE_CHECKING:
    from kombu.transport.virtual import Message

    from syncpipe.transport.redis.claims import Claimed

logger = logging.getLogger("syncpipe.transport.redis")

#: Seconds from a claim that was not full to the next.
_COMPANY_S = 0.004
#: The same where it brought so many bytes: the worker has something to do meanwhile.
_BULK_BYTES, _BULK_S = 16 * 1024, 0.016
#: Seconds to claim nothing after Redis has refused to.
_REST_S = 1.0
#: Seconds between two lines of the log about tables that cannot be refreshed.
_REMIND_S = 60.0
#: Bounds of the options: a clock that goes back is known by lives longer than this; a script takes
#: so many arguments.
_LONGEST_LIFE_S = 60
_LARGEST_CLAIM = 1000
#: A heart beats this often in the time after which it counts as stopped.
_BEATS = 5


class Channel(stock.Channel):  # type: ignore[misc, unused-ignore]
    """Claims with one script, which acknowledges too, and waits on bells.

    Between claims it waits in a ``BRPOP`` on the bells of its lists, which hold no messages, so
    that nothing is lost with it. kombu's names for the two steps of its poll, ``_brpop_start`` and
    ``_brpop_read``, stand for both.
    """

    QoS = QoS
    #: Seconds without a sign of life after which others return what this channel holds.
    liveness_s: float = 5.0
    #: Most messages in one claim.
    claim_limit: int = 64
    #: Bounds on every call that blocks; kombu's own default is to wait for ever.
    socket_timeout: float = 5.0
    socket_connect_timeout: float = 3.0
    socket_keepalive = True
    #: Seconds after which a reply that is overdue means a dead connection.
    health_check_interval = 5
    #: kombu's, without the switch that turns acknowledgements off.
    from_transport_options: ClassVar[tuple[str, ...]] = (
        *(name for name in stock.Channel.from_transport_options if name != "ack_emulation"),
        "liveness_s",
        "claim_limit",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Connect; raises what redis-py raises, and ``ConfigError`` for an option out of range."""
        self._params: dict[bool, dict[str, Any]] = {}
        self._sync_client: redis.Redis | None = None
        self._plain_client: redis.Redis | None = None
        self._rota = Rota(())
        self._rota_holds = True
        self._inbox: deque[Claimed] = deque()
        self._no_ack: set[str] = set()
        self._claiming = False
        self._asked = 0
        self._refusal: str | None = None
        self._rest_until = self._company_until = 0.0
        self._remind_at = 0.0
        self._heart: Heart | None = None
        self._pid = os.getpid()
        super().__init__(*args, **kwargs)
        if not (0 < self.liveness_s <= _LONGEST_LIFE_S and 0 < self.claim_limit <= _LARGEST_CLAIM):
            self.close()
            raise ConfigError(
                f"The transport takes liveness_s up to {_LONGEST_LIFE_S} and claim_limit up to "
                f"{_LARGEST_CLAIM}, both above 0."
            )
        self._keys = Keys(self.global_keyprefix)
        self.claims = Claims(self._execute, self._keys, lifetime_ms=int(self.liveness_s * 1000))

    @property
    def abandoned(self) -> bool:
        """Whether its connection is gone, so that nobody would handle what it delivers."""
        return self.connection is None or self.connection.client is None

    # --- consuming ---

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001
        """Consume from *queue*."""
        (self._no_ack.add if no_ack else self._no_ack.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Message | None:  # noqa: FBT001, FBT002
        """Claim one message now, or return None."""
        self._live()
        taken = self.claims.claim([name for name, _ in self._lists(queue)], 1)
        self._maybe_update_queues_expire(self._create_client(), queue)
        if not taken:
            return None
        message = self.Message(_payload(taken[0], self._queue_of(taken[0])), channel=self)
        if no_ack:
            self.claims.ack(taken[0].tag)
        else:
            self.qos.append(message, message.delivery_tag)
        return message

    def settle(self) -> None:
        """Send the acknowledgements that have gathered, unless the next claim takes them along."""
        if self._claiming or monotonic() < self._company_until:
            return
        try:
            self.claims.flush()
        except redis.ResponseError as error:
            self._refused(error)

    def beat(self) -> bool:
        """Give a sign of life, and bring home what the dead have left."""
        if self.abandoned or self._pid != os.getpid():
            return False
        try:
            self.claims.flush()
            returned = self.claims.patrol()
            while returned.incarnation:
                if returned.count:
                    logger.warning("%d messages of the dead went back", returned.count)
                returned = self.claims.patrol()
        except (redis.RedisError, OSError) as error:
            self._refused(error)
        return True

    def maybe_refresh_binding_expiry(self) -> None:
        """Keep kombu's tables of expiring queues alive, unless Redis refuses writes for now.

        Such are the queues of remote control. kombu tries again every second.
        """
        try:
            super().maybe_refresh_binding_expiry()
        except redis.ResponseError as error:
            if monotonic() >= self._remind_at:
                self._remind_at = monotonic() + _REMIND_S
                logger.warning("remote control has to wait, Redis refuses writes: %s", error)

    def _update_queue_cycle(self) -> None:
        """Take turns among other queues from the next claim on.

        Not at once: there may be hundreds of queues, and kombu says so for each that comes or goes.
        """
        self._rota_holds = False

    def _turns(self) -> Rota:
        """Return the turns among the queues that are consumed now."""
        if not self._rota_holds:
            self._rota = Rota(pair for queue in self.active_queues for pair in self._lists(queue))
            self._rota_holds = True
        return self._rota

    def _lists(self, queue: str) -> list[tuple[str, int]]:
        """Return a queue's lists with their urgency: ours have one, others one for each step."""
        prefix = self.global_keyprefix
        if queue.startswith(QUEUE_PREFIX):
            return [(prefix + queue, urgency_of(queue))]
        steps = enumerate(self.priority_steps)
        return [(prefix + self._q_for_pri(queue, step), degree) for degree, step in steps]

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Send the next claim, or wait for a bell when every list was found empty."""
        rota = self._turns()
        if not rota.lists or monotonic() < max(self._rest_until, self._company_until):
            return
        self._live()
        if self._claiming:  # a claim was sent and the connection is not the one that knows
            self.claims.reincarnate()
        self._claiming = not rota.exhausted
        if self._claiming:
            credit = self.qos.can_consume_max_estimate()
            limit = self.claim_limit if credit is None else min(self.claim_limit, max(1, credit))
            command = self.claims.command(rota.next(), limit)
            self._asked = limit
        else:
            bells = [self._keys.bell(name) for name in rota.lists]
            command = ("BRPOP", *bells, timeout or self.brpop_timeout)
        connection = self.client.connection
        self._in_poll, self._brpop_sent_at = connection, monotonic()
        connection.send_command(*command)

    def _brpop_read(self, **_: Any) -> bool:
        """Read what was claimed and deliver it; raise ``Empty`` when nothing was."""
        reply = self._reply()
        claiming, self._claiming = self._claiming, False
        if not claiming:
            self._rota.found()
            raise Empty
        self._accepted()
        claimed = self.claims.read(reply)
        if not claimed:
            self._rota.missed()
            raise Empty
        self._rota.found()
        self._inbox.extend(claimed)
        if len(claimed) < self._asked and self._rota.swept:
            bulk = sum(len(message.raw) for message in claimed) >= _BULK_BYTES
            self._await_company(_BULK_S if bulk else _COMPANY_S)
        self._deliver_inbox()
        return True

    def _await_company(self, seconds: float) -> None:
        """Claim nothing for so long, where a loop wakes us after it: not all that fits has come.

        Many small claims would keep Redis from those who send. One that took long was no such.
        """
        until = self._brpop_sent_at + seconds
        left = until - monotonic()
        if left > 0 and self.connection.cycle.wake_after(left):
            self._company_until = until

    def _reply(self) -> Any:
        """Return the reply to what ``_brpop_start`` sent; raise ``Empty`` if it was a refusal."""
        connection = self.client.connection
        try:
            return connection.read_response()
        except redis.exceptions.NoScriptError:
            self._claiming = False
            self.claims.teach()
            raise Empty from None
        except redis.exceptions.ReadOnlyError as error:  # a replica now: find the new master
            connection.disconnect()
            raise redis.ConnectionError(str(error)) from error
        except redis.ResponseError as error:
            self._claiming = False
            self.claims.failed()
            self._refused(error)
            raise Empty from None
        except self.connection_errors:
            connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _deliver_inbox(self) -> None:
        """Hand over what was claimed. If a consumer raises, the rest waits for the next claim."""
        strays = []
        while self._inbox:
            claimed = self._inbox.popleft()
            queue = self._queue_of(claimed)
            if queue not in self.connection._callbacks:  # noqa: SLF001 - kombu's own table
                strays.append(claimed.tag)
                continue
            if queue in self._no_ack:
                self.claims.ack(claimed.tag)
            self.connection._deliver(_payload(claimed, queue), queue)  # noqa: SLF001
        if strays:
            self.claims.reject(strays, far=False)

    def _queue_of(self, claimed: Claimed) -> str:
        """Return the queue from whose list a message came."""
        queue: str = claimed.list_key.removeprefix(self.global_keyprefix).partition(self.sep)[0]
        return queue

    def _refused(self, error: Exception) -> None:
        """Raise the alarm, once for each kind of refusal, and claim nothing for a moment."""
        self._rest_until = monotonic() + _REST_S
        kind = type(error).__name__
        if kind != self._refusal:
            self._refusal = kind
            logger.error("Redis takes no claims for now; messages stay where they are: %s", error)

    def _accepted(self) -> None:
        """End the alarm."""
        if self._refusal is not None:
            logger.warning("Redis takes claims again")
            self._refusal = None

    def _live(self) -> None:
        """Have a heart from the first claim on."""
        if self._heart is None:
            self._heart = Heart(self, every_s=self.liveness_s / _BEATS)

    # --- publishing ---

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        """Store a message and ring the bell, in one round trip."""
        if kwargs.get("_publish_batch") is not None:  # such a batch does not ring
            super()._put(queue, message, **kwargs)
            return
        step = self._get_message_priority(message, reverse=False)
        key = self.global_keyprefix + self._q_for_pri(queue, step)
        pipe = self._plain().pipeline(transaction=False)
        pipe.lpush(key, stock.dumps(message))
        if queue in self._expires:
            for name, _ in self._lists(queue):
                pipe.pexpire(name, self._expires[queue])
        bell = self._keys.bell(key)
        pipe.lpush(bell, 1)
        pipe.ltrim(bell, 0, 0)
        stored = pipe.execute(raise_on_error=False)[0]
        if isinstance(stored, Exception):
            raise stored

    # --- connections ---

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the parameters of a connection.

        They are remembered: kombu forgets where to connect when its connection is closed, and an
        acknowledgement that comes later would fail with an ``AttributeError``.
        """
        if asynchronous not in self._params:
            self._params[asynchronous] = super()._connparams(asynchronous)
        return dict(self._params[asynchronous])

    def _create_client(self, asynchronous: bool = False) -> redis.Redis:  # noqa: FBT001, FBT002
        """Return a client; kombu makes one for every command, which costs more than the command."""
        if asynchronous:
            return cast("redis.Redis", super()._create_client(asynchronous=True))
        if self._sync_client is None:
            self._sync_client = super()._create_client()
        return self._sync_client

    def _execute(self, *command: Any) -> Any:
        """Return the reply to a command whose keys carry the prefix."""
        return self._plain().execute_command(*command)  # type: ignore[no-untyped-call]

    def _plain(self) -> redis.Redis:
        """Return a client that leaves keys as they are, for keys that carry the prefix already."""
        if not self.global_keyprefix:
            return self._create_client()
        if self._plain_client is None:
            self._plain_client = redis.Redis(connection_pool=self.pool)
        return self._plain_client

    def _disconnect_pools(self) -> None:
        """Close all connections; clients are made anew when needed."""
        self._sync_client = self._plain_client = None
        super()._disconnect_pools()

    def close(self) -> None:
        """Return everything that was claimed, and end. In a forked child, only let go of it."""
        if self._heart is not None:
            self._heart.stop()
            if not self.closed and self._pid == os.getpid():
                self._release()
        if self._qos is not None:  # nor may kombu return anything one by one
            self._qos._delivered.clear()  # noqa: SLF001
        self._in_poll = None  # or kombu would read and deliver the reply
        super().close()

    def _release(self) -> None:
        """Give back what this incarnation holds, or leave it to the patrol of another."""
        try:
            if self._in_poll and self._claiming:  # a claim under way has to be over first
                with suppress(redis.ResponseError):
                    self._in_poll.read_response()
            self.claims.release()
        except (redis.RedisError, OSError) as error:
            logger.warning("claimed messages are left to the patrol of another: %s", error)


def _payload(claimed: Claimed, queue: str) -> dict[str, Any]:
    """Return a message claimed from *queue* in the form from which kombu makes its own."""
    # Nothing in ours is of a type that JSON does not have, and kombu looks for such.
    parse = json.loads if queue.startswith(QUEUE_PREFIX) else loads
    return wire.load(claimed.raw, queue=queue, tag=claimed.tag, parse=parse)
