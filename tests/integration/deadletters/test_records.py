"""Records in tables of PostgreSQL beside dead letters that are about them."""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import closing
from decimal import Decimal

import psycopg
import pytest

from syncpipe.core.collection import Collection, KeyType
from syncpipe.deadletters.difference import difference
from syncpipe.deadletters.outlook import outlook
from syncpipe.deadletters.records import Prospect, Records
from syncpipe.store.deadletters import Kept
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from syncpipe.targets.target import Group
from tests.integration.deadletters.samples import dead, operation

TABLE = """
CREATE TABLE things (
    id integer PRIMARY KEY, day date, at timestamptz, price numeric(10, 2), flag boolean,
    tags text[], data jsonb, code uuid, raw bytea, share double precision, name varchar(5)
)
"""
THINGS = Collection(
    "things", ("crm",), key=("id",), key_types=(KeyType.INT,), table="public.things"
)


@pytest.fixture(scope="module")
def target(module_dsn):
    with psycopg.connect(module_dsn) as connection:
        connection.execute(TABLE)
    dsn = psycopg.conninfo.make_conninfo(module_dsn, options="-csearch_path=public")
    with closing(PostgresTarget(PostgresOptions("crm", dsn), {"things": THINGS})) as target:
        target.init()
        yield target


@pytest.fixture
def records(target):
    return Records({"things": THINGS}, lambda _: target)


def letter(number, key, data, kind="upsert", version=10):
    of = operation(number, kind, data, collection="things", key=key, version=version)
    return Kept.new(dead(of=of))


def apply(target, *operations):
    groups = [Group(THINGS, each.key, (each,)) for each in operations]
    target.apply(groups, now_ms=target.now_ms())


def test_values_that_came_back_otherwise_are_the_same(target, records):
    data = {
        "day": dt.date(2026, 1, 2),
        "at": dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=5))),
        "price": Decimal("12.5"),
        "flag": True,
        "tags": ["a", "b"],
        "data": {"n": Decimal("1.5"), "t": "~x", "f": 0.5},
        "code": uuid.UUID(int=7),
        "raw": b"\x00\xff",
        "share": 0.1,
        "name": "abc",
    }
    apply(target, operation(1, data=data, collection="things", key="1", version=5))
    (look,) = records.look([letter(2, "1", data)])
    assert look.prospect is Prospect.CHANGES
    found = difference(look.operation, look.present, effective=True)
    assert {each.name: each.word for each in found} == dict.fromkeys(data, "same")
    (look,) = records.look([letter(2, "1", {**data, "name": "abd", "price": Decimal("12.51")})])
    changed = difference(look.operation, look.present, effective=True)
    assert {each.name for each in changed if each.word == "changed"} == {"name", "price"}


def test_a_row_that_somebody_else_wrote_is_read(target, records, module_dsn):
    with psycopg.connect(module_dsn) as connection:
        connection.execute("INSERT INTO public.things (id, at, name) VALUES (77, 'infinity', 'x')")
    (look,) = records.look([letter(1, "77", {"name": "y"}, "patch")])
    assert look.prospect is Prospect.CHANGES
    assert look.present.document == {"at": "infinity", "name": "x"}
    assert look.present.memory.newest.version == 0
    assert target.read(THINGS, ["77"])["77"] == look.present


def test_keys_that_no_row_can_have_spoil_only_themselves(target, records):
    apply(target, operation(1, data={"name": "a"}, collection="things", key="5", version=99))
    letters = [letter(number, str(number), {"name": "b"}) for number in range(1, 30)]
    letters[3] = letter(900, str(2**40), {"name": "b"})
    letters[9] = letter(901, "no number", {"name": "b"})
    looks = records.look(letters)
    prospects = [look.prospect for look in looks]
    assert prospects[4] is Prospect.NEWER
    assert [n for n, each in enumerate(prospects) if each is Prospect.UNKNOWN] == [3, 9]
    assert prospects.count(Prospect.CHANGES) == 26
    assert outlook(records, [letters[:10], letters[10:]]) == {
        "number": 29,
        "lost": 28,
        "changes": 26,
        "newer": 1,
        "applied": 0,
        "unknown": 2,
    }


def test_an_increment_that_was_counted_is_known(target, records):
    counted = operation(3, "increment", {"price": 2}, collection="things", key="9", version=7)
    apply(target, counted)
    looks = records.look(
        [Kept.new(dead(of=counted)), letter(4, "9", {"price": 2}, "increment", version=8)]
    )
    assert [look.prospect for look in looks] == [Prospect.APPLIED, Prospect.CHANGES]
    (price,) = difference(looks[1].operation, looks[1].present, effective=True)
    assert price.becomes == 4


def test_a_target_that_is_not_declared_cannot_be_asked():
    records = Records({}, {}.__getitem__)
    (look,) = records.look([letter(1, "1", {"name": "a"})])
    assert look.prospect is Prospect.UNKNOWN
    assert "declares no collection" in look.why
    records.close()


def test_a_target_that_is_away_cannot_be_asked():
    options = PostgresOptions("crm", "host=/nowhere dbname=none", connect_timeout_s=1)
    records = Records({"things": THINGS}, lambda _: PostgresTarget(options, {"things": THINGS}))
    (look,) = records.look([letter(1, "1", {"name": "a"})])
    assert look.why == "the target could not be asked (SP-E501)"
    records.close()
    records.close()
