"""Why an operation is refused or given up: errors that carry its id and version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.errors import (
    BrokerFull,
    BrokerUnavailable,
    BufferFull,
    ClientClosed,
    DeliveryTimeout,
    SendError,
)

if TYPE_CHECKING:
    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.name import Name
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.receipt import Receipt

#: Seconds after which a full buffer is likely to have room.
_RETRY_AFTER_S = 1.0


def left_unconfirmed(count: int) -> SendError:
    """Return the error of a client that ends with so many operations not confirmed."""
    return SendError(f"The client ended with {count} operations not confirmed.")


def is_closed(named: Name) -> ClientClosed:
    """Return the error of a client that takes nothing any more, what is *named* neither."""
    return ClientClosed("The client is closed.", operation_id=named.id, version=named.version)


def no_room(options: ClientOptions, named: Name) -> BufferFull:
    """Return the error that says that the buffer had no room for what is *named* in time."""
    return BufferFull(
        f"The buffer had no room for {options.max_block_s} s.",
        _RETRY_AFTER_S,
        operation_id=named.id,
        version=named.version,
    )


def about(kind: type[SendError], message: str, named: Receipt | Name) -> SendError:
    """Return an error of *kind* about the operation that is *named*."""
    return kind(message, operation_id=named.id, version=named.version)


def closed_before(error: SyncpipeError | None, named: Receipt | Name) -> SendError:
    """Return why an operation was given up by a close, after the *error* of its last try.

    After a try of which nobody knows what became, nobody can say that it was not sent.
    """
    if not isinstance(error, DeliveryTimeout):
        return about(ClientClosed, "The client was closed before it was sent.", named)
    given_up = about(
        DeliveryTimeout, f"The client was closed before it was confirmed: {error.message}", named
    )
    given_up.__cause__ = error
    return given_up


def not_in_time(
    error: SyncpipeError | None, options: ClientOptions, named: Receipt | Name
) -> SendError:
    """Return why an operation was not confirmed in time, after the *error* of its last try."""
    kind = type(error) if isinstance(error, BrokerUnavailable | BrokerFull) else DeliveryTimeout
    reason = "its turn never came" if error is None else error.message
    message = (
        f"Not confirmed, and no try begins after two thirds of delivery_timeout_s "
        f"({options.delivery_timeout_s:g} s): {reason}"
    )
    given_up = about(kind, message, named)
    given_up.__cause__ = error
    return given_up
