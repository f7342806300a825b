"""From parcels to the broker: one envelope each, one verdict each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncpipe.core.envelope import Header, seal
from syncpipe.errors import BrokerUnavailable, SyncpipeError
from syncpipe.transport.broker import APPLY_TASK, Outbound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.core.compression import Dictionary
    from syncpipe.producer.buffer import Parcel
    from syncpipe.producer.stamps import Stamper
    from syncpipe.transport.broker import Broker


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Seals parcels and hands them to the broker."""

    #: Where they go.
    broker: Broker
    #: Dates the envelopes.
    clock: Clock
    #: Gives them their ids.
    stamper: Stamper
    #: What small ones are compressed with, by collection.
    dictionaries: Mapping[str, Dictionary] = field(default_factory=dict)

    def send(self, parcels: Sequence[Parcel], *, timeout_s: float) -> list[SyncpipeError | None]:
        """Send each parcel in an envelope of its own; return its error, None if it is confirmed."""
        try:
            outbound = [self._sealed(parcel) for parcel in parcels]
            verdicts = self.broker.publish(outbound, timeout_s=timeout_s)
            return [verdict for _, verdict in zip(parcels, verdicts, strict=True)]
        except SyncpipeError as error:
            return [error] * len(parcels)
        except Exception as fault:  # noqa: BLE001 - every receipt carries it, the sender lives on
            unavailable = BrokerUnavailable(f"Sending failed: {fault!r}.")
            unavailable.__cause__ = fault
            return [unavailable] * len(parcels)

    def _sealed(self, parcel: Parcel) -> Outbound:
        envelope_id = self.stamper.new_id()
        header = Header(
            id=envelope_id,
            lane=parcel.route.lane,
            priority=parcel.route.priority,
            count=parcel.count,
            created_ms=self.clock.now_ms(),
        )
        # Only a dictionary's use depends on where one piece ends and the next begins.
        pieces = parcel.pieces() if self.dictionaries else [bytes(parcel.body)]
        body = seal(header, pieces, self.dictionaries, format_=parcel.format)
        return Outbound(parcel.route.queue, body, _spelled(envelope_id), APPLY_TASK)


def _spelled(id_: bytes) -> str:
    """Return the UUID *id_* as text; the library's own class would take as long as to seal."""
    digits = id_.hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts)
