"""Filters as conditions in SQL: what they choose, and that none is an error."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from contextlib import closing
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given
from psycopg import sql

from syncpipe.core.filter_language import parse
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.filtering import condition
from syncpipe.store.postgres.store import PostgresStore
from tests.contract.test_deadletters import NOW, dead, unreadable
from tests.unit.core.filters import TREES, WILD

ID = uuid.UUID("0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000")
DATA = {
    "text": "DE",
    "tilde": "~home",
    "percent": "100%_\\",
    "quote": 'it\'s "so"; --',
    "number": 12,
    "float": 1.5,
    "decimal": Decimal("12.50"),
    "big": 2**64,
    "huge": 10**4100,
    "true": True,
    "null": None,
    "empty": "",
    "blob": b"hi",
    "day": dt.date(2026, 1, 2),
    "at": dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC),
    "uuid": ID,
    "a b": {"c.d": [{"e": "deep"}]},
}


@pytest.fixture(scope="module")
def asked(every_postgres):
    """Asks which letters fit: ``asked(filter)`` returns their keys."""
    dsn = every_postgres.new_database()
    letters = [
        dead(1, data=DATA, died_ms=NOW, sqlstate="23505", constraint="positive"),
        dead(2, queue="sp.erp.0.low", died_ms=NOW + 5_000, status=409, endpoint="/orders"),
        dead(3, collection="customers", key="100%_\\", died_ms=NOW + 10_000, code="SP-E513"),
        dead(4, key='it\'s "so"; --', data={"a": "\0"}, died_ms=NOW + 15_000),
        unreadable(queue="elsewhere", died_ms=NOW + 20_000, message="No."),
    ]
    with closing(PostgresStore(StoreOptions(dsn))) as store:
        store.migrate()
        store.dead_letters.record(letters)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield functools.partial(ask, connection)
    every_postgres.drop_database(dsn)


def ask(connection, filter_):
    tree = parse(filter_, now_ms=NOW + 60_000) if isinstance(filter_, str) else filter_
    where, parameters = condition(tree)
    query = sql.SQL("SELECT key FROM syncpipe.dead_letters WHERE {}").format(where)
    return {key for (key,) in connection.execute(query, parameters)}


K1, K2, K3, K4, NONE = "k1", "k2", "100%_\\", 'it\'s "so"; --', None
EVERYTHING = {K1, K2, K3, K4, NONE}


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("", EVERYTHING),
        ("-()", set()),
        ("target:crm", {K1, K3, K4}),
        ("target:crm,erp", {K1, K2, K3, K4}),
        ('target:""', {NONE}),
        ("target:*", {K1, K2, K3, K4}),
        ("-target:crm", {K2, NONE}),
        ("--target:crm", {K1, K3, K4}),
        ("collection:orders target:erp", {K2}),
        ("target:erp or collection:customers", {K2, K3}),
        ("-(target:erp or collection:customers)", {K1, K4, NONE}),
        ("key:k*", {K1, K2}),
        ('key:"100%_\\\\"', {K3}),
        ('key:"1%"*', set()),
        ('key:"_"*', set()),
        ('key:"it\'s \\"so\\"; --"', {K4}),
        ('key:"\' OR true --"', set()),
        ("code:23505", {K1}),
        ("code:409", {K2}),
        ("code:SP-E513,409", {K2, K3}),
        ("code:23*", {K1}),
        ("code:4*", {K2}),
        ("code:SP-E51*", {K1, K2, K3, K4}),
        ("sqlstate:23505", {K1}),
        ("constraint:pos*", {K1}),
        ("endpoint:/orders", {K2}),
        ("status:>=400", {K2}),
        ("-status:<500", {K1, K3, K4, NONE}),
        ("stage:decode", {NONE}),
        ("worker:w1@h", EVERYTHING),
        ("kind:upsert", {K1, K2, K3}),
        ("kind:delete", set()),
        ("state:open", EVERYTHING),
        ("state:discarded", set()),
        ("attempts:1", EVERYTHING),
        ("attempts:>1", set()),
        (f"attempts:<{10**18 - 1}", EVERYTHING),
        ("age:>50s", {K1, K2}),
        ("age:>=50s", {K1, K2, K3}),
        ("age:<45s", {NONE}),
        ("first:>=2026-01-01T00:00:10.123", {K3, K4, NONE}),
        ("last:>9999-01-01", set()),
        (f"fp:{dead(2, queue='sp.erp.0.low', endpoint='/orders').fingerprint[:12]}", {K2}),
        (f"id:{unreadable(queue='elsewhere').id}", {NONE}),
        (f"id:{unreadable(queue='elsewhere').id[:9]}", {NONE}),
        (f"op:{dead(2).operation_id}", {K2}),
        ("op:0197A000", {K1, K2, K3, K4}),
        ("replay:0197a000", set()),
    ],
)
def test_a_filter_chooses(asked, text, fitting):
    assert asked(text) == fitting


@pytest.mark.parametrize(
    "text",
    [
        *("text:DE", "text:D*", 'tilde:"~home"', "tilde:~*", 'percent:"100%_\\\\"'),
        *('quote:"it\'s \\"so\\"; --"', "number:12", "number:12.0", "number:>11", "number:<=12"),
        *("float:1.5", "float:<1.51", "decimal:12.5", "decimal:12.50", "decimal:>=12.5"),
        *(f"big:{2**64}", f"big:>{2**63}", "huge:>5", "true:true", "null:null", 'null:""'),
        *('empty:""', 'missing:""', "blob:aGk=", "day:2026-01-02", "day:2026-01*"),
        *("at:2026-01-02T03*", f"uuid:{ID}", "uuid:0190*", '"a b"."c.d".0.e:deep', '"a b":*'),
    ],
)
def test_a_filter_looks_into_operations(asked, text):
    found = asked(f"data.{text} op:{dead(1).operation_id}")
    assert found == {K1}


@pytest.mark.parametrize(
    "text",
    [
        *("text:de", "text:D", "tilde:home", "percent:100%", "number:13", "number:>12"),
        *("number:<12", "decimal:>12.5", "decimal:12.51", "text:>0", "true:>0", "huge:<5"),
        *("null:*", "missing:*", "missing:null", 'text:""', "text.deeper:x", "number.0:1"),
        *("day:>2026", '"a b".0:deep', '"a b"."c.d".1.e:deep', "blob:hi", "at:>0"),
    ],
)
def test_a_filter_finds_no_other_value(asked, text):
    assert asked(f"data.{text} op:{dead(1).operation_id}") == set()


def test_what_is_not_readable_fits_no_value(asked):
    assert asked('data.a:""') == {K1}
    assert asked("-data.a:*") == {K1, K4, NONE}


@pytest.mark.parametrize(
    "value",
    [
        *("'", "''", "'; DROP TABLE syncpipe.dead_letters; --", "' OR '1'='1", "%", "_", "\\"),
        *("%s", "%(f_0)s", "{value}", "{}", "$1", "/*", "*/", "E'\\x00'", "\\0", "\x01", "\x7f"),
        *("NaN", "Infinity", "-0", "1e999999", "9" * 3_900, "0x1F", "null", "\ufffe", "\U0001f600"),
    ],
)
def test_no_value_is_more_than_a_value(asked, value):
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    for name in ("target", "key", "constraint", "endpoint", "worker", "data.a", f"data.{quoted}"):
        for star in ("", "*"):
            assert asked(f"{name}:{quoted}{star}") <= EVERYTHING
            assert asked(f"-{name}:{quoted}{star}") <= EVERYTHING
    assert asked("") == EVERYTHING


@given(tree=TREES)
def test_no_filter_is_an_error(asked, tree):
    assert asked(tree) <= EVERYTHING


@given(tree=WILD)
def test_nothing_that_is_built_by_hand_is_an_error(asked, tree):
    assert asked(tree) <= EVERYTHING


def test_the_largest_filter_is_answered(asked):
    deep = "(" * 16 + "key:k1" + ")" * 16
    wide = " ".join(["-data.a.b:>1.5"] * 99)
    assert asked(f"{wide} {deep}") == {K1}
    assert asked("-" * 16 + "key:k1") == {K1}
    assert asked("key:" + ",".join(["k1"] * 100)) == {K1}
