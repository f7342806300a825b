from __future__ import annotations

import pytest

from syncpipe.core.collection import Collection, KeyType
from syncpipe.core.declaration import check_data
from syncpipe.core.operation import Kind
from syncpipe.errors import InvalidKey, InvalidValue

ORDERS = Collection("orders", ("crm",), key_types=(KeyType.INT,))


@pytest.mark.parametrize("kind", [Kind.UPSERT, Kind.PATCH])
def test_fields_of_the_key_may_repeat_it(kind):
    check_data(kind, ORDERS, "42", {"id": 42, "status": "open"})


@pytest.mark.parametrize("kind", [Kind.UPSERT, Kind.PATCH])
def test_fields_of_the_key_may_not_contradict_it(kind):
    with pytest.raises(InvalidKey, match="the key says '42'"):
        check_data(kind, ORDERS, "42", {"id": 43})


def test_a_key_cannot_be_incremented_even_by_itself():
    with pytest.raises(InvalidKey, match="cannot add to a field of the key"):
        check_data(Kind.INCREMENT, ORDERS, "42", {"id": 42})


def test_a_delete_takes_no_data():
    check_data(Kind.DELETE, ORDERS, "42", None)
    with pytest.raises(InvalidValue, match="takes no data"):
        check_data(Kind.DELETE, ORDERS, "42", {})


@pytest.mark.parametrize("kind", [Kind.UPSERT, Kind.PATCH, Kind.INCREMENT])
def test_everything_else_needs_data(kind):
    with pytest.raises(InvalidValue, match="must be a dict"):
        check_data(kind, ORDERS, "42", None)
