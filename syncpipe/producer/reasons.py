"""Why an operation is given up: the errors that a receipt carries, each with id and version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.errors import BrokerFull, BrokerUnavailable, DeliveryTimeout, SendError

if TYPE_CHECKING:
    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.receipt import Receipt


def left_unconfirmed(count: int) -> SendError:
    """Return the error of a client that ends with so many operations not confirmed."""
    return SendError(f"The client ended with {count} operations not confirmed.")


def about(kind: type[SendError], message: str, receipt: Receipt) -> SendError:
    """Return an error of *kind* about the operation of *receipt*."""
    return kind(message, operation_id=receipt.id, version=receipt.version)


def not_in_time(error: SyncpipeError | None, options: ClientOptions, receipt: Receipt) -> SendError:
    """Return why an operation was not confirmed in time, after the *error* of its last try."""
    kind = type(error) if isinstance(error, BrokerUnavailable | BrokerFull) else DeliveryTimeout
    reason = "its turn never came" if error is None else error.message
    message = (
        f"Not confirmed, and no try begins after two thirds of delivery_timeout_s "
        f"({options.delivery_timeout_s:g} s): {reason}"
    )
    given_up = about(kind, message, receipt)
    given_up.__cause__ = error
    return given_up
