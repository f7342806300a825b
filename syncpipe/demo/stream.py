"""The demonstration's operations: the data set, turned into changes to a few thousand records.

Everything about the operation at one position follows from ``(seed, position)`` alone, so two runs
send the same stream and nothing has to be remembered while it is generated. What happens (keys,
words, speeds, costs, and with them the skew over keys) comes from the data; which kind of change it
becomes, its priority and its fate on the way are drawn.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from hashlib import blake2b
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal, NamedTuple

from syncpipe.demo.dataset import Strike, strikes

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["upsert", "patch", "delete", "increment"]
Priority = Literal["critical", "high", "normal", "low"]
Collection = Literal["airports", "fleets", "sightings"]

#: The collections of the stream and the names of their key fields (no document contains these).
COLLECTIONS: dict[Collection, tuple[str, ...]] = {
    "airports": ("airport",),
    "fleets": ("operator", "aircraft"),
    "sightings": ("airport", "species", "phase"),
}
#: An operation is sent at most this many positions after its turn.
MAX_DELAY = 200

#: 45 % upserts, 30 % patches, 20 % increments, 5 % deletes.
_KINDS: tuple[Kind, ...] = ("upsert",) * 9 + ("patch",) * 6 + ("increment",) * 4 + ("delete",)
#: The few airports get a fifth of the operations, so that they are hot but not everything.
_TURNS: tuple[Collection, ...] = ("airports",) + ("fleets",) * 2 + ("sightings",) * 2
#: Every priority, the most urgent first.
PRIORITIES: tuple[Priority, ...] = ("critical", "high", "normal", "low")
#: Dealt in turn, so that every 40 operations in a row contain all four.
_DEAL: tuple[Priority, ...] = (
    *("normal", "low", "normal", "high", "normal") * 3,
    *("normal", "low", "normal", "critical", "normal"),
)
#: The reports name no time zone; the offset is ours, to have one that is not zero.
_ZONE = timezone(timedelta(hours=-6))
#: The reports name a part of the day, not an hour.
_HOURS = {"Dawn": 6, "Day": 12, "Dusk": 18, "Night": 23}
_METRES_PER_SECOND_PER_KNOT = 0.514444
#: One operation in this many is sent late; one in this many is sent more than once.
_LATE_ONE_IN, _COPIED_ONE_IN = 100, 50


@dataclass(frozen=True, slots=True)
class DemoOperation:
    """One operation to send."""

    #: What it does.
    kind: Kind
    #: Collection of the record, one of :data:`COLLECTIONS`.
    collection: Collection
    #: Key of the record: text, or a tuple in the order of the collection's key fields.
    key: str | tuple[str, ...]
    #: The document, the patch (None removes a field), or the amounts to add; None for a delete.
    data: dict[str, object] | None
    #: Priority to send it with.
    priority: Priority
    #: Place in the logical order, from 0: a higher position must get a higher version.
    position: int
    #: How often to send it, each time with the same id and version.
    copies: int
    #: Whether the target is to refuse it.
    poisoned: bool = False


class _Draw(NamedTuple):
    """Independent 16-bit numbers that decide everything about one operation."""

    kind: int
    collection: int
    late: int
    delay: int
    copied: int
    copies: int
    choice: int
    amount: int


def operations(n: int, *, seed: int) -> Iterator[DemoOperation]:
    """Yield exactly ``n`` distinct operations in sending order, the same for the same arguments.

    Beyond the data's length the reports begin again, one day later each round. About one operation
    in a hundred is sent late, at most :data:`MAX_DELAY` positions after its turn; only those that
    are waiting for their turn are held in memory.
    """
    reports = strikes()
    waiting: list[tuple[int, int, DemoOperation]] = []
    for position in range(n):
        draw = _draw(seed, position)
        turn = position + _delay(draw)
        heappush(waiting, (turn, position, _operation(reports, position, draw)))
        while waiting and waiting[0][0] <= position:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


def _draw(seed: int, position: int) -> _Draw:
    """Return uniform numbers that are a pure function of the arguments."""
    digest = blake2b(f"{seed}:{position}".encode(), digest_size=16).digest()
    return _Draw._make(struct.unpack("<8H", digest))


def _delay(draw: _Draw) -> int:
    return 0 if draw.late % _LATE_ONE_IN else 1 + draw.delay % MAX_DELAY


def _copies(draw: _Draw) -> int:
    return 1 if draw.copied % _COPIED_ONE_IN else 2 + draw.copies % 2


def _operation(reports: tuple[Strike, ...], position: int, draw: _Draw) -> DemoOperation:
    round_, index = divmod(position, len(reports))
    strike = reports[index]
    kind = _KINDS[draw.kind % len(_KINDS)]
    collection = _TURNS[draw.collection % len(_TURNS)]
    return DemoOperation(
        kind=kind,
        collection=collection,
        key=_key(collection, strike),
        data=_data(kind, strike, round_, draw),
        # The round shifts the deal: a report does not keep its priority for ever.
        priority=_DEAL[(position + round_) % len(_DEAL)],
        position=position,
        copies=_copies(draw),
    )


def _key(collection: Collection, strike: Strike) -> str | tuple[str, ...]:
    match collection:
        case "airports":
            return strike.airport
        case "fleets":
            return strike.operator, strike.aircraft
        case "sightings":
            return strike.airport, strike.species, strike.phase


def _data(kind: Kind, strike: Strike, round_: int, draw: _Draw) -> dict[str, object] | None:
    match kind:
        case "upsert":
            return _document(strike, round_, draw)
        case "patch":
            return _patch(strike, round_, draw)
        case "increment":
            return _amounts(draw)
        case "delete":
            return None


def _document(strike: Strike, round_: int, draw: _Draw) -> dict[str, object]:
    """Return the latest strike as a document that holds every type of value a record may have."""
    day = strike.day + timedelta(days=round_)
    knots = strike.speed
    return {
        "reported": datetime.combine(day, _moment(strike, draw), _ZONE),
        "summary": f"{strike.time_of_day} · {strike.phase} → {strike.state}",
        "damaged": strike.damaged,
        "strikes": draw.amount % 50,
        "fee": _money(draw),
        "knots": knots,
        "speed": None if knots is None else knots * _METRES_PER_SECOND_PER_KNOT,
        "struck": {"size": strike.size, "names": [strike.species, None], "cost": strike.cost},
    }


def _patch(strike: Strike, round_: int, draw: _Draw) -> dict[str, object]:
    """Return one to three fields of the document; in a quarter of the patches one is removed."""
    fields = list(_document(strike, round_, draw).items())
    first, rest = draw.choice % len(fields), draw.choice // len(fields)
    chosen = dict((fields + fields)[first : first + 1 + rest % 3])
    if rest // 3 % 4 == 0:
        chosen[fields[first][0]] = None
    return chosen


def _amounts(draw: _Draw) -> dict[str, object]:
    """Return the amounts of an increment, never zero: a lost one must show.

    ``knots`` may be null when it is added to, and ``inspections`` is in no document: both then
    count from zero.
    """
    some = 1 + draw.amount % 5
    match draw.choice % 5:
        case 0:
            return {"strikes": some, "fee": _money(draw)}
        case 1:
            return {"knots": -some}
        case 2:
            return {"inspections": some}
        case 3:
            return {"fee": -_money(draw), "inspections": 1}
        case _:
            return {"strikes": some}


def _moment(strike: Strike, draw: _Draw) -> time:
    second = draw.amount % 3600
    return time(_HOURS[strike.time_of_day], second // 60, second % 60)


def _money(draw: _Draw) -> Decimal:
    """Return an amount of dollars and cents from 0.01 to 200.00."""
    return Decimal(1 + draw.amount % 20_000).scaleb(-2)
