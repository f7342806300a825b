"""How workers consume, through kombu, from each kind of broker. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.transport.rabbitmq import topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between brokers for whoever consumes."""

    #: Returns the broker's own name of a queue.
    physical: Callable[[str], str]
    #: Properties of its queues; None where queues have none, and come by themselves.
    queue_arguments: Mapping[str, object] | None
    #: Whether the prefetch counts for each queue, and stays what it was when consuming began.
    prefetch_per_queue: bool
    #: kombu's ``transport_options``.
    transport_options: Mapping[str, Any]


_REDIS = Dialect(
    physical=str,
    queue_arguments=None,
    prefetch_per_queue=False,
    transport_options={"priority_steps": [0]},
)
_RABBITMQ = Dialect(
    physical=topology.physical,
    queue_arguments=topology.queue_arguments(),
    prefetch_per_queue=True,
    transport_options={"confirm_publish": True, "read_timeout": 10, "write_timeout": 10},
)


def is_rabbitmq(url: str) -> bool:
    """Return whether the broker at *url* speaks AMQP."""
    return url.partition("://")[0] in {"amqp", "amqps", "pyamqp"}


def dialect_of(url: str) -> Dialect:
    """Return the dialect of the broker at *url*, in the form that Celery's ``broker_url`` takes."""
    return _RABBITMQ if is_rabbitmq(url) else _REDIS
