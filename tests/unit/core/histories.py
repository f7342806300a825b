"""Random histories of one record, shared by the tests of the core and of the targets."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from syncpipe.core.operation import Kind, Operation

FIELDS = ("a", "b", "c")

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.1, 2.5, -1e22]),
    st.decimals(-5, 5, places=2, allow_nan=False),
    st.sampled_from(["", "x", "~x", "~f1.5"]),
    st.lists(st.integers(0, 3), max_size=2),
)
amounts = st.one_of(st.integers(-3, 3), st.sampled_from([Decimal("0.10"), Decimal("-2.5")]))
documents = st.dictionaries(st.sampled_from(FIELDS), values, max_size=3)


@st.composite
def operations(draw: st.DrawFn, versions: st.SearchStrategy[int] | None = None) -> Operation:
    """One operation; versions are drawn from few, so that ties happen."""
    kind = draw(st.sampled_from(Kind))
    match kind:
        case Kind.UPSERT:
            data = draw(documents)
        case Kind.PATCH:
            data = draw(st.dictionaries(st.sampled_from(FIELDS), values, min_size=1))
        case Kind.DELETE:
            data = None
        case Kind.INCREMENT:
            data = draw(st.dictionaries(st.sampled_from(FIELDS), amounts, min_size=1))
    version = draw(versions or st.integers(1, 8))
    return Operation(draw(st.binary(min_size=16, max_size=16)), kind, "notes", "k", version, data)


#: Neither two of one stamp, nor two of one id, which would be one operation.
histories = st.lists(
    operations(), max_size=9, unique_by=(lambda each: each.stamp, lambda each: each.id)
)
