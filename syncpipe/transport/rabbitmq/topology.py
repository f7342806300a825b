"""The queues and exchanges that syncpipe has in RabbitMQ. Pure.

.. code-block:: text

    sp.<target>.<shard>.<priority>.v1   queue of a lane
    sp.dead.v1                          queue of dead letters
    sp.limit.v1                         exchange and queue of what was delivered too often
    sp.workers                          exchange (fanout) of announcements, not persistent

A queue's properties cannot be changed, so its name ends in the version of this page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Version of this topology.
VERSION = 1
#: Deliveries of one message after which RabbitMQ sets it aside, from where it is sent again. High,
#: because every reconnect, outage and restart counts; not endless, because RabbitMQ 4 would
#: otherwise choose 20, and drop the message then.
DELIVERY_LIMIT = 100
#: A delivery limit that is never reached, where RabbitMQ 3 refuses -1 and RabbitMQ 4 takes none to
#: mean 20.
_ENDLESS = 1_000_000_000
#: Exchange and queue of what was delivered too often.
LIMIT_EXCHANGE, LIMIT_QUEUE = f"sp.limit.v{VERSION}", f"sp.limit.v{VERSION}"
#: Exchange through which workers tell that they live.
WORKERS_EXCHANGE = "sp.workers"
_SUFFIX = f".v{VERSION}"
#: What the names of earlier versions end in, where lanes may still hold something.
EARLIER_SUFFIXES = tuple(f".v{version}" for version in range(1, VERSION))
_VERSIONED = re.compile(r".+\.v\d{1,4}")


def physical(queue: str) -> str:
    """Return RabbitMQ's name of *queue*; one that ends in a version already is taken as it is."""
    return queue if _VERSIONED.fullmatch(queue) else queue + _SUFFIX


def logical(name: str) -> str:
    """Return our name of RabbitMQ's queue *name*; one of another version keeps its version."""
    return name.removesuffix(_SUFFIX)


def queue_arguments(*, delivery_limit: int = DELIVERY_LIMIT) -> Mapping[str, object]:
    """Return the properties of every queue.

    Setting aside is safe only at least once, which needs that a full queue refuses messages.
    """
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": delivery_limit,
        "x-dead-letter-exchange": LIMIT_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def arguments_of(name: str) -> Mapping[str, object]:
    """Return the properties of RabbitMQ's queue *name*, one of ours."""
    return limit_arguments() if name == LIMIT_QUEUE else queue_arguments()


def limit_arguments() -> Mapping[str, object]:
    """Return the properties of the limit queue: as `queue_arguments`, but it sets nothing aside."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": _ENDLESS,
        "x-overflow": "reject-publish",
    }
