"""Random histories of several records, and random ways to deliver them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from syncpipe.core.operation import Kind, Operation
from tests.integration.targets.places import OLD, YOUNG, new_key
from tests.unit.core.histories import amounts, values

Values = st.SearchStrategy

#: Few versions, so that ties happen: some old, which are merged, and some young, which race.
versions = st.one_of(st.integers(OLD, OLD + 3), st.integers(YOUNG, YOUNG + 3))

_whole, _exact = st.integers(-3, 3), st.decimals(-5, 5, places=2)
_moments = st.datetimes(
    dt.datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    dt.datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))]),
)

#: Fields of documents: what they may hold, and what may be added to them.
DOCUMENT_FIELDS: dict[str, tuple[Values, Values | None]] = dict.fromkeys("abc", (values, amounts))

#: Columns of every common type: type, what they may hold, and what may be added to them.
COLUMNS: dict[str, tuple[str, Values, Values | None]] = {
    "a": ("bigint", st.integers(-(2**40), 2**40), _whole),
    "b": ("numeric", _exact | _whole, _exact | _whole),
    "c": ("jsonb", values, amounts),
    "small": ("smallint", st.integers(-99, 99), _whole),
    "money": ("numeric(12,2)", _exact, _exact),
    "real": ("double precision", st.floats(allow_nan=False, allow_infinity=False), None),
    "text": ("text", st.text(st.characters(codec="utf-8", exclude_characters="\0")), None),
    "short": ("varchar(3)", st.sampled_from(["", "x", "~x", "äöü"]), None),
    "flag": ("boolean", st.booleans(), None),
    "moment": ("timestamptz", _moments, None),
    "day": ("date", st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)), None),
    "hour": ("time", st.times(), None),
    "uid": ("uuid", st.uuids() | st.just(uuid.UUID(int=0)), None),
    "raw": ("bytea", st.binary(max_size=9), None),
    "list": ("integer[]", st.lists(st.none() | _whole, max_size=3), None),
    "words": ("text[]", st.lists(st.sampled_from(["", "a,b", '"', "{}", "NULL"])), None),
    "mood": ("mood", st.sampled_from(["calm", "glad"]), None),
}
TABLE_FIELDS = {name: (may_hold, may_add) for name, (_, may_hold, may_add) in COLUMNS.items()}

Fields = Mapping[str, tuple[Values, Values | None]]


@dataclass(frozen=True)
class Delivery:
    """A history and how it reaches the target."""

    #: Every operation, once.
    history: list[Operation]
    #: Batches of two workers.
    batches: tuple[list[list[Operation]], list[list[Operation]]]
    #: Whether the workers run at once, or one after the other.
    at_once: bool

    @property
    def keys(self) -> set[str]:
        """Keys of the records."""
        return {operation.key for operation in self.history}


@st.composite
def operations(draw: st.DrawFn, fields: Fields) -> Operation:
    """One operation on a record still without a name."""
    kind = draw(st.sampled_from(Kind))
    if kind is Kind.INCREMENT:
        fields = {name: (added, None) for name, (_, added) in fields.items() if added is not None}
    data = None
    if kind is not Kind.DELETE:
        least = 0 if kind is Kind.UPSERT else 1
        names = draw(st.sets(st.sampled_from(sorted(fields)), min_size=least, max_size=3))
        nothing = st.nothing() if kind is Kind.INCREMENT else st.none()
        data = {name: draw(fields[name][0] | nothing) for name in sorted(names)}
    return Operation(draw(_ids), kind, "notes", "", draw(versions), data)


@st.composite
def deliveries(draw: st.DrawFn, fields: Fields) -> Delivery:
    """A history of up to three records, in any order, repetition and batching."""
    history = []
    fields = draw(_few(fields))
    for _ in range(draw(st.integers(1, 3))):
        key = new_key(draw(st.sampled_from(["k", "ключ/", "k~"])))
        record = draw(_records(fields))
        history += [Operation(o.id, o.kind, o.collection, key, o.version, o.data) for o in record]
    delivered = draw(st.permutations(history))
    delivered = delivered + draw(st.lists(st.sampled_from(history), max_size=5))
    workers: tuple[list, list] = ([], [])
    while delivered:
        size = draw(st.integers(1, 6))
        workers[draw(st.integers(0, 1))].append(delivered[:size])
        delivered = delivered[size:]
    return Delivery(history, workers, draw(st.booleans()))


def _few(fields: Fields) -> Values:
    """Few of the fields, so that operations meet on them; one of them can be incremented."""
    counted = [name for name, (_, added) in fields.items() if added is not None]
    chosen = st.tuples(st.sampled_from(counted), *[st.sampled_from(sorted(fields))] * 2)
    return chosen.map(lambda names: {name: fields[name] for name in names})


def _records(fields: Fields) -> Values:
    unique = (lambda operation: operation.stamp, lambda operation: operation.id)
    return st.lists(operations(fields), min_size=1, max_size=7, unique_by=unique)


_ids = st.one_of(
    st.integers(0, 9).map(lambda number: number.to_bytes(16, "big")),
    st.binary(min_size=16, max_size=16),
)
