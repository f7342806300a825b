"""The audit in the store: what is written, by many at once, and what tampering leaves to see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from syncpipe.core.audit import Act, Head
from syncpipe.core.chain import key_id, sealed, verify
from syncpipe.errors import AuditKeyDiffers, AuditKeyMissing, StoreUnavailable
from syncpipe.store.audit import Wanted
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres import audit as module
from syncpipe.store.postgres.audit import append
from syncpipe.store.postgres.store import PostgresStore

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


def act(number=0, *, actor="ann@h", verb="dlq.discard", **details):
    return Act(actor, verb, f"fp:{number}", "«зачем»", {"number": number, **details})


@pytest.fixture
def store(every_dsn):
    with closing(PostgresStore(StoreOptions(every_dsn, pool_max=8), KEY)) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def audit(store):
    return store.audit


@pytest.fixture
def superuser(every_dsn):
    with psycopg.connect(every_dsn, autocommit=True) as connection:
        yield connection


def tamper(connection, *statements):
    """Do what only the owner of the table can."""
    connection.execute("ALTER TABLE syncpipe.audit DISABLE TRIGGER audit_stays")
    for statement in statements:
        connection.execute(statement)
    connection.execute("ALTER TABLE syncpipe.audit ENABLE ALWAYS TRIGGER audit_stays")


def broken(audit, head=None):
    """Number of the first entry that is wrong; None if nothing is."""
    flaw = verify(audit.records(), KEY, head).flaw
    return flaw and flaw.number


def test_what_was_done_is_kept_with_all_that_was_said(audit):
    assert audit.head() == Head()
    written = act(1, deep={"b": [1, 2.5, None, True, "ü"], "a": 2**80})
    head = audit.write(written)
    [record] = audit.records()
    assert (record.number, record.act, record.head) == (1, written, head)
    assert record.key_id == key_id(KEY)
    assert audit.head() == head
    assert broken(audit) is None


def test_what_no_table_can_hold_is_left_out(audit):
    audit.write(Act("a\0b", "x.y", "\ud800", "\0", {"\0": "\0\udfff"}))
    [record] = audit.latest(limit=1)
    assert (record.act.actor, record.act.subject, record.act.reason) == ("a\ufffdb", "?", "\ufffd")
    assert broken(audit) is None


def test_without_a_key_nothing_is_written_and_all_is_read(store, every_dsn):
    store.audit.write(act(1))
    with closing(PostgresStore(StoreOptions(every_dsn))) as keyless:
        with pytest.raises(AuditKeyMissing, match=r"dlq\.discard was refused"):
            keyless.audit.write(act(2))
        assert [each.number for each in keyless.audit.records()] == [1]


def test_with_another_key_nothing_is_written(store, every_dsn):
    store.audit.write(act(1))
    ids = f"{key_id(KEY)}.*{key_id(OTHER)}"
    with (
        closing(PostgresStore(StoreOptions(every_dsn), OTHER)) as other,
        pytest.raises(AuditKeyDiffers, match=ids),
    ):
        other.audit.write(act(2))
    assert store.audit.write(act(2)).number == 2


def test_an_act_that_is_rolled_back_leaves_no_gap(store, superuser):
    store.audit.write(act(1))
    with superuser.transaction(force_rollback=True):
        assert append(superuser, "syncpipe", KEY, act(2)).number == 2
    assert store.audit.write(act(3)).number == 2
    assert broken(store.audit) is None


def test_an_act_needs_the_transaction_that_does_it(store, superuser):
    with pytest.raises(ValueError, match="in the transaction"):
        append(superuser, "syncpipe", KEY, act(1))
    assert store.audit.head() == Head()


def test_many_at_once_make_one_chain(store, every_dsn):
    def several(worker):
        with closing(PostgresStore(StoreOptions(every_dsn), KEY)) as own:
            return [own.audit.write(act(n, actor=f"{worker}@h")) for n in range(10)]

    with ThreadPoolExecutor(6) as pool:
        heads = [head for each in pool.map(several, range(6)) for head in each]
    assert sorted(head.number for head in heads) == list(range(1, 61))
    assert {record.head for record in store.audit.records()} == set(heads)
    assert broken(store.audit, max(heads, key=lambda head: head.number)) is None


def test_the_newest_come_first_and_some_can_be_chosen(audit, monkeypatch):
    monkeypatch.setattr(module, "_PART", 2)
    verbs = ("dlq.discard", "dlq.edit", "dlqx.edit", "replay.create", "dlq.discard")
    for number, verb in enumerate(verbs, 1):
        audit.write(act(number, verb=verb, actor="ann@h" if number % 2 else "bob@h"))
    at_ms = {each.number: each.at_ms for each in audit.records()}
    assert list(at_ms) == [1, 2, 3, 4, 5]

    def numbers(wanted=None, **others):
        return [each.number for each in audit.latest(wanted, **{"limit": 9, **others})]

    assert numbers() == [5, 4, 3, 2, 1]
    assert numbers(limit=2, before=4) == [3, 2]
    assert numbers(Wanted(verb="dlq")) == [5, 2, 1]
    assert numbers(Wanted(verb="dlq.discard", actor="ann@h")) == [5, 1]
    assert numbers(Wanted(verb="dlq.dis")) == []
    assert numbers(Wanted(since_ms=at_ms[5] + 1)) == []
    assert numbers(Wanted(since_ms=at_ms[3])) == [
        n for n in (5, 4, 3, 2, 1) if at_ms[n] >= at_ms[3]
    ]


def test_nothing_in_it_is_changed_or_deleted(audit, superuser):
    audit.write(act(1))
    superuser.execute("SET session_replication_role = replica")
    for statement in (
        "UPDATE syncpipe.audit SET reason = ''",
        "DELETE FROM syncpipe.audit",
        "DELETE FROM syncpipe.audit WHERE false",
        "TRUNCATE syncpipe.audit",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            superuser.execute(statement)
    assert broken(audit, audit.head()) is None


@pytest.fixture
def six(audit):
    for number in range(1, 7):
        audit.write(act(number))
    return audit


#: What whoever owns the table may do to a row.
CHANGES = (
    "at = at + interval '1 ms'",
    "actor = 'bob@h'",
    "verb = 'dlq.list'",
    "subject = 'fp:9'",
    "reason = ''",
    """details = '{"number": 5}'""",
    "details = '[]'",
    """details = ('{"n": 1' || repeat('0', 5000) || '}')::json""",
    """details = '{"n": "\\ud800"}'""",
    "key_id = ''",
    "mac = ''",
    "mac = sha256(mac)",
)


def test_a_row_that_was_changed_is_named(six, superuser):
    superuser.execute("CREATE TABLE public.as_it_was AS TABLE syncpipe.audit")
    change = sql.SQL("UPDATE syncpipe.audit SET {} WHERE number = 4")
    for columns in CHANGES:
        tamper(superuser, change.format(sql.SQL(columns)))
        assert broken(six) == 4, columns
        assert len(six.latest(limit=9)) == 6
        copy = "INSERT INTO syncpipe.audit TABLE public.as_it_was"
        tamper(superuser, "TRUNCATE syncpipe.audit", copy)
        assert broken(six) is None, columns


def test_a_row_that_was_taken_out_is_named(six, superuser):
    tamper(superuser, "DELETE FROM syncpipe.audit WHERE number = 3")
    assert broken(six) == 3
    tamper(superuser, "UPDATE syncpipe.audit SET number = number - 1 WHERE number > 3")
    assert broken(six) == 3


def test_two_rows_that_were_swapped_are_named(six, superuser):
    move = sql.SQL("UPDATE syncpipe.audit SET number = {1} WHERE number = {0}")
    tamper(superuser, *(move.format(*numbers) for numbers in ((2, 100), (5, 2), (100, 5))))
    assert broken(six) == 2


def test_a_row_that_was_put_in_is_named(six, superuser):
    columns = sql.SQL("at, actor, verb, subject, reason, details, key_id, mac")
    copy = sql.SQL(
        "INSERT INTO syncpipe.audit SELECT {number}, {columns} FROM syncpipe.audit WHERE number = 6"
    )
    superuser.execute(copy.format(number=7, columns=columns))
    assert broken(six) == 7
    # Whoever goes on after it does not mend it.
    six.write(act(8))
    assert broken(six) == 7
    tamper(
        superuser,
        "ALTER TABLE syncpipe.audit DROP CONSTRAINT audit_number_check",
        copy.format(number=-5, columns=columns),
    )
    assert broken(six) == -5


def test_a_number_that_is_there_twice_is_named(six, superuser, monkeypatch):
    monkeypatch.setattr(module, "_PART", 3)
    tamper(
        superuser,
        "ALTER TABLE syncpipe.audit DROP CONSTRAINT audit_pkey",
        "INSERT INTO syncpipe.audit SELECT * FROM syncpipe.audit WHERE number = 3",
    )
    assert broken(six) == 3


def test_what_was_cut_off_is_noticed_by_a_head_alone(six, superuser):
    head = six.head()
    tamper(superuser, "DELETE FROM syncpipe.audit WHERE number > 4")
    assert broken(six) is None
    assert broken(six, head) == 5
    for number in (5, 6, 7):
        six.write(act(number))
    assert broken(six) is None
    assert broken(six, head) == 6


def test_a_chain_rebuilt_with_another_key_is_wrong_from_its_first_row(six, superuser):
    records, head = list(six.records()), Head()
    rebuilt = []
    for record in records:
        anew = sealed(record.act, after=head, at_ms=record.at_ms, key=OTHER)
        head = anew.head
        rebuilt.append(
            sql.SQL(
                "UPDATE syncpipe.audit SET mac = decode({}, 'hex'), reason = 'x' WHERE number = {}"
            ).format(anew.mac, anew.number)
        )
    tamper(superuser, *rebuilt)
    assert broken(six) == 1


def test_a_role_of_the_database_is_known_by_membership(superuser):
    names = ("sp_audit_on", "sp_audit_off", "sp_audit_user")
    try:
        for name in names:
            superuser.execute(f"CREATE ROLE {name} LOGIN")
        superuser.execute("GRANT sp_audit_on TO sp_audit_user")
        dsn = f"{superuser.info.dsn} user=sp_audit_user"
        with closing(PostgresStore(StoreOptions(dsn))) as as_user:
            found = as_user.memberships([*names, "sp_audit_nobody"])
        assert found == {"sp_audit_on", "sp_audit_user"}
    finally:
        for name in names:
            superuser.execute(f"DROP ROLE IF EXISTS {name}")


def test_a_store_that_is_away_says_so():
    with closing(PostgresStore(StoreOptions("host=/nowhere"), KEY)) as away:
        for use in (
            away.audit.head,
            lambda: away.audit.write(act(1)),
            lambda: away.memberships([]),
        ):
            with pytest.raises(StoreUnavailable):
                use()
