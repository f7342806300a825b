"""Which columns can be keys: those in which different keys are different rows."""

from __future__ import annotations

import pytest

from syncpipe.core.collection import KeyType
from syncpipe.targets.postgres.columns import Column


def column(type_name: str, *, deterministic: bool = True) -> Column:
    return Column(
        name="id",
        type_text=type_name,
        category="X",
        type_name=type_name,
        scale=None,
        generated=False,
        not_null=True,
        deterministic=deterministic,
    )


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [
        (KeyType.STR, "text"),
        (KeyType.STR, "varchar"),
        (KeyType.INT, "int8"),
        (KeyType.INT, "text"),
        (KeyType.UUID, "uuid"),
        (KeyType.UUID, "text"),
    ],
)
def test_a_column_of_the_declared_type_is_a_key(kind, type_name):
    assert column(type_name).key_fault(kind) is None


@pytest.mark.parametrize(("type_name", "right"), [("int4", "int"), ("uuid", "uuid")])
def test_texts_with_several_spellings_of_one_value_are_no_keys(type_name, right):
    assert f'declare "{right}"' in column(type_name).key_fault(KeyType.STR)


@pytest.mark.parametrize("type_name", ["bpchar", "citext", "numeric", "timestamptz"])
def test_what_takes_different_keys_for_one_is_no_key(type_name):
    assert "cannot be a key" in column(type_name).key_fault(KeyType.STR)


def test_a_collation_that_takes_different_texts_for_one_is_no_key():
    assert "cannot be a key" in column("text", deterministic=False).key_fault(KeyType.STR)
