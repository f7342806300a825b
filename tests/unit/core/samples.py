"""Every value that may travel, and whole operations of them, for property tests."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import strategies as st

from syncpipe.core.operation import Kind, Operation

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_zones = st.one_of(
    st.just(dt.UTC),
    st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**300), 10**300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=5),
    st.sampled_from([Decimal("1E+20"), Decimal("-0.00"), Decimal("12.50")]),
    texts,
    st.binary(max_size=20),
    st.datetimes(timezones=_zones),
    st.dates(),
    st.times(),
    st.times(timezones=_zones),
    st.uuids(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
documents = st.dictionaries(texts, values, max_size=4)
ids = st.binary(min_size=16, max_size=16)
versions = st.integers(1, 2**63 - 1)
_rare = {
    "not_before_ms": st.just(0) | st.integers(0, 2**47 - 1),
    "expires_ms": st.just(0) | st.integers(0, 2**47 - 1),
    "group_id": st.none() | ids,
}
operations = st.one_of(
    st.builds(
        Operation,
        ids,
        st.sampled_from([Kind.UPSERT, Kind.PATCH, Kind.INCREMENT]),
        texts,
        texts,
        versions,
        documents,
        **_rare,
    ),
    st.builds(Operation, ids, st.just(Kind.DELETE), texts, texts, versions, st.none(), **_rare),
)


def shape(value: object) -> object:
    """Return *value* with types and spelling: 1, 1.0 and True differ, and so do 1.0 and 1.00."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, dt.time | dt.datetime):
        return type(value), value.isoformat()
    return type(value), repr(value)
