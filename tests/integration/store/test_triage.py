"""What people do with dead letters: finding, counting, and putting away, with the audit of it."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from syncpipe.core.audit import Act
from syncpipe.core.filter_language import parse
from syncpipe.core.filtering import ALL
from syncpipe.errors import AuditKeyMissing, NotPossible
from syncpipe.store.deadletters import OPEN, Kept, Position
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.triage import DISCARDED, EDITED, Changed
from tests.contract.test_deadletters import NOW, dead, only, unreadable

KEY = bytes(range(32))
ACT = Act("ann@h", "dlq.discard", "state:open", "It is a test.", {"asked": True})
HOUR = 3_600_000


@pytest.fixture(scope="module")
def opened(every_postgres):
    """A store that the tests share, on each release."""
    dsn = every_postgres.new_database()
    with closing(PostgresStore(StoreOptions(dsn, pool_max=8), KEY)) as store:
        store.migrate()
        yield store
    every_postgres.drop_database(dsn)


@pytest.fixture
def superuser(opened):
    with psycopg.connect(opened._options.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(opened, superuser):
    """The same without dead letters."""
    superuser.execute("TRUNCATE syncpipe.dead_letters, syncpipe.mutes")
    return opened


@pytest.fixture
def triage(store):
    return store.triage


@pytest.fixture
def letters(store):
    """Twelve letters: ten of orders, one of another target, and one that nobody can read."""
    several = [dead(number, died_ms=NOW + number // 3) for number in range(10)]
    erp = dead(10, queue="sp.erp.0.low", code="SP-E513", message="Other 17.")
    everything = [*several, erp, unreadable(died_ms=NOW + 50)]
    store.dead_letters.record(everything)
    return everything


def where(text):
    return parse(text, now_ms=NOW)


def states(triage):
    return sorted((entry.key or "", entry.state) for entry in triage.entries(ALL, limit=100))


def test_lists_go_on_where_they_ended(triage, letters):
    orders = where("target:crm key:*")
    whole = triage.entries(orders, limit=100)
    pages, after = [], None
    while page := triage.entries(orders, limit=3, after=after):
        pages.append(page)
        after = page[-1].position

    assert {entry.id for entry in whole} == {letter.id for letter in letters[:10]}
    assert whole == sorted(whole, key=lambda entry: entry.position, reverse=True)
    assert [entry for page in pages for entry in page] == whole
    assert triage.count(orders) == 10
    assert triage.entries(orders, limit=0) == []


def test_an_entry_tells_what_there_is_to_know(store, triage):
    letter = dead(sqlstate="23514", constraint="positive", endpoint="/x", status=409)
    store.dead_letters.record([letter])
    store.dead_letters.record([replace(letter, died_ms=NOW + 5)])

    entry = only(triage.entries(ALL, limit=5))

    for name in ("operation_id", "collection", "key", "target", "stage", "code", "message"):
        assert getattr(entry, name) == getattr(letter, name)
    for name in ("id", "sqlstate", "constraint", "status", "endpoint", "fingerprint"):
        assert getattr(entry, name) == getattr(letter, name)
    times = (entry.first_seen_ms, entry.last_seen_ms, entry.times_seen, entry.state)
    assert times == (NOW, NOW + 5, 2, "open")


def test_lists_with_bytes_hold_what_the_recorder_keeps(store, triage, letters):
    found = triage.letters(ALL, limit=100)

    assert [kept.id for kept in found] == [entry.id for entry in triage.entries(ALL, limit=100)]
    assert len(found) == len(letters)
    assert all(store.dead_letters.find(kept.id) == [kept] for kept in found)
    assert (
        triage.letters(ALL, limit=2, after=Position(found[1].last_seen_ms, found[1].id))
        == (found[2:4])
    )


@pytest.mark.parametrize(
    "after",
    [
        *(Position(NOW, "garbage"), Position(NOW, ""), Position(NOW, "\0"), Position(NOW, "'")),
        *(Position(2**80, str(uuid.UUID(int=1))), Position(-(2**80), "f" * 40)),
    ],
)
def test_no_place_is_an_error(triage, letters, after):
    assert len(triage.entries(ALL, limit=100, after=after)) <= len(letters)


@pytest.mark.parametrize("many", [9, 12, 36])
def test_the_beginning_of_an_id_is_enough(triage, letters, many):
    letter = letters[10]

    assert only(triage.find(letter.id[:many])).id == letter.id
    assert letter.id in {kept.id for kept in triage.find(letter.operation_id[:many])}
    assert only(triage.find(letter.id.upper())).id == letter.id


@pytest.mark.parametrize("id_", ["", "0197a00", "nonsense", "' OR true --", "\0" * 9, "f" * 40])
@pytest.mark.usefixtures("letters")
def test_what_is_no_id_names_none(triage, id_):
    assert triage.find(id_) == []


def test_causes_are_told_by_how_frequent_they_are(store, triage, letters):
    now_ms = time.time_ns() // 1_000_000
    recent = [dead(1, died_ms=now_ms - 30_000), dead(2, died_ms=now_ms - 3 * HOUR - HOUR // 2)]
    store.dead_letters.record([*recent, dead(3, died_ms=now_ms + HOUR)])

    first, *others = triage.causes(where("state:open"), limit=10)

    assert (first.number, first.records, first.fingerprint) == (10, 10, letters[0].fingerprint)
    assert (first.first_seen_ms, first.last_seen_ms) == (NOW, now_ms + HOUR)
    assert first.example == only(triage.entries(where("key:k3"), limit=5))
    assert (len(first.hourly), sum(first.hourly), first.hourly[-1]) == (24, 3, 2)
    assert first.hourly[-4] == 1
    assert [(each.number, each.records) for each in others] == [(1, 0), (1, 1)]
    assert triage.causes(where("target:erp"), limit=10) == [
        replace(others[1], example=only(triage.entries(where("target:erp"), limit=2)))
    ]
    assert len(triage.causes(ALL, limit=2)) == 2
    assert triage.causes(where("target:none"), limit=2) == []


def test_a_muted_cause_is_left_out_for_a_while(acts, triage, letters):
    fingerprint, until_ms = letters[0].fingerprint, 4_102_444_800_000
    act = replace(ACT, verb="dlq.mute", subject=fingerprint)

    triage.mute(fingerprint, until_ms, act)
    triage.mute("never seen", 1, act)

    assert fingerprint not in {cause.fingerprint for cause in triage.causes(ALL, limit=10)}
    shown = triage.causes(ALL, limit=10, muted=True)
    assert [cause.muted_until_ms for cause in shown] == [until_ms, None, None]
    triage.mute(fingerprint, None, act)
    triage.mute(fingerprint, None, act)
    assert triage.causes(ALL, limit=10)[0].fingerprint == fingerprint
    assert acts() == [act] * 3, "what changes nothing is not written down"


@pytest.mark.parametrize("until_ms", [2**80, -(2**80)])
@pytest.mark.usefixtures("letters")
def test_a_mute_may_end_whenever(triage, until_ms):
    triage.mute("\0'; --", until_ms, ACT)


@pytest.mark.usefixtures("letters")
def test_numbers_are_told(store, triage):
    triage.discard(where("key:k1,k2"), ACT)
    store.dead_letters.record([dead(5, died_ms=time.time_ns() // 1_000_000)])

    stats = triage.stats()

    assert stats.by_state == {"open": 10, "discarded": 2}
    assert stats.by_target == {"crm": 9, "erp": 1}
    assert stats.by_code == {"SP-E511": 8, "SP-E513": 1, "SP-E301": 1}
    assert stats.oldest_ms == NOW
    assert (stats.hourly[-1], sum(stats.hourly)) == (1, 1)


def test_an_empty_store_has_nothing(triage):
    assert (
        triage.entries(ALL, limit=5) == triage.causes(ALL, limit=5) == triage.find("0" * 32) == []
    )
    stats = triage.stats()
    assert (stats.by_state, stats.oldest_ms, stats.hourly) == ({}, None, (0,) * 24)


def test_what_is_discarded_is_put_away_and_can_be_restored(store, acts, triage, letters):
    changed = triage.discard(where("key:k1,k2"), ACT)

    assert changed.number == 2
    assert set(changed.ids) == {letters[1].id, letters[2].id}
    kept = only(triage.find(letters[1].id))
    assert kept.state == DISCARDED
    assert (kept.change.actor, kept.change.reason) == ("ann@h", "It is a test.")
    assert abs(kept.change.at_ms - time.time() * 1000) < HOUR
    assert store.dead_letters.count() == 10

    restored = triage.restore(ALL, replace(ACT, verb="dlq.restore", actor="bob@h"))

    assert restored == changed
    assert only(triage.find(letters[1].id)).change.actor == "bob@h"
    assert store.dead_letters.count() == 12
    details = {"asked": True, "number": 2, "ids": list(changed.ids)}
    assert [(act.verb, act.details) for act in acts()] == [
        ("dlq.discard", details),
        ("dlq.restore", details),
    ]


@pytest.mark.usefixtures("letters")
def test_when_nothing_fits_nothing_is_written_down(acts, triage):
    assert triage.discard(where("target:none"), ACT) == Changed(0, ())
    assert triage.restore(ALL, ACT) == Changed(0, ())
    assert triage.purge(ACT, filter_=ALL, before_ms=2**50) == Changed(0, ())
    assert acts() == []


def test_a_limit_takes_the_newest(triage, letters):
    changed = triage.discard(where("target:crm key:*"), ACT, limit=1)

    assert changed.ids == (letters[9].id,)
    assert triage.discard(where("key:k9"), ACT, limit=5).number == 0


def test_an_act_names_a_hundred_at_most(store, acts, triage):
    store.dead_letters.record([dead(number) for number in range(150)])

    changed = triage.discard(ALL, ACT)

    assert (changed.number, len(changed.ids)) == (150, 100)
    assert acts()[0].details["ids"] == list(changed.ids)


def test_what_was_put_away_long_ago_can_be_deleted(store, acts, triage, letters, superuser):
    triage.discard(where("key:k1,k2,k3"), ACT)
    superuser.execute(
        "UPDATE syncpipe.dead_letters SET changed = to_timestamp(%s / 1000.0),"
        " state = CASE key WHEN 'k1' THEN 'resolved' WHEN 'k2' THEN 'edited' ELSE state END"
        " WHERE key IN ('k1', 'k2')",
        [NOW],
    )
    long_ago = {"filter_": where("key:k*"), "before_ms": NOW + 1}

    assert triage.purgeable(**long_ago) == 2
    assert triage.purgeable(filter_=where("key:k1"), before_ms=NOW) == 0
    changed = triage.purge(replace(ACT, verb="dlq.purge"), **long_ago)

    assert set(changed.ids) == {letters[1].id, letters[2].id}
    assert triage.find(letters[1].id) == []
    assert store.dead_letters.count() == 9
    assert acts()[-1].details["number"] == 2


def test_an_edited_operation_takes_the_place_of_the_original(store, acts, triage, letters):
    original, edited = letters[4], dead(99, data={"a": "better"}, key="k4")
    act = replace(ACT, verb="dlq.edit", subject=original.id)

    kept = triage.edit(original.id, edited, act)

    assert kept == replace(Kept.new(edited), edited_from=original.id)
    assert only(triage.find(edited.id)) == kept
    before = only(triage.find(original.id))
    assert (before.state, before.edited_to) == (EDITED, edited.id)
    assert (before.change.actor, before.letter.raw) == ("ann@h", original.raw)
    assert acts() == [replace(act, details={"asked": True, "letter": edited.id})]
    assert store.dead_letters.count() == 12


def test_only_what_is_open_is_edited_and_only_once(acts, triage, letters):
    triage.edit(letters[4].id, dead(99), ACT)
    triage.discard(where("key:k5"), ACT)

    for letter, edited in [
        (letters[4].id, dead(98)),
        (letters[5].id, dead(98)),
        (str(uuid.UUID(int=1)), dead(98)),
        ("garbage", dead(98)),
        (letters[6].id, dead(99)),
        (letters[6].id, letters[6]),
    ]:
        with pytest.raises(NotPossible):
            triage.edit(letter, edited, ACT)

    assert triage.find(dead(98).id) == []
    assert only(triage.find(letters[6].id)).state == OPEN
    assert len(acts()) == 2


def test_without_a_key_nothing_is_changed_and_everything_is_read(store, letters):
    with closing(PostgresStore(store._options)) as keyless:
        triage = keyless.triage
        before = states(triage)
        for change in (
            lambda: triage.discard(ALL, ACT),
            lambda: triage.edit(letters[0].id, dead(99), ACT),
            lambda: triage.mute("a", 2**41, ACT),
        ):
            with pytest.raises(AuditKeyMissing):
                change()
        assert states(triage) == before
        assert triage.causes(ALL, limit=10)


@pytest.mark.usefixtures("letters")
def test_of_two_who_discard_the_same_each_letter_is_ones(acts, triage):
    def discard(_):
        return triage.discard(ALL, ACT).number

    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(discard, range(4)))

    assert sum(numbers) == 12
    assert [act.details["number"] for act in acts()] == [n for n in numbers if n]


def test_people_and_the_recorder_do_not_stop_each_other(store, triage):
    everything = [dead(number, died_ms=NOW) for number in range(60)]
    store.dead_letters.record(everything)

    def record(turn):
        later = [replace(letter, died_ms=NOW + turn) for letter in everything]
        store.dead_letters.record(later[turn:] + later[:turn])

    def put_away(turn):
        triage.discard(ALL, ACT, limit=None if turn % 2 else 20)
        triage.restore(where(f"key:k{turn}*"), ACT)

    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(record, turn) for turn in range(1, 9)]
        done += [threads.submit(put_away, turn) for turn in range(8)]
        for each in done:
            each.result()

    assert triage.count(ALL) == 60
    assert set(triage.stats().by_state) <= {"open", "discarded"}


def test_what_is_purged_while_it_is_given_up_again_is_kept_anew(store, triage, superuser):
    store.dead_letters.record([dead(1), dead(2)])
    triage.discard(where("key:k1"), ACT)
    # What purges has its turn between the recorder's first statement and its second.
    superuser.execute(
        "CREATE FUNCTION syncpipe.purge() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN DELETE FROM syncpipe.dead_letters WHERE state = 'discarded'; RETURN NULL; END$$"
    )
    superuser.execute(
        "CREATE TRIGGER purge AFTER INSERT ON syncpipe.dead_letters"
        " EXECUTE FUNCTION syncpipe.purge()"
    )
    try:
        kept = store.dead_letters.record([dead(n, died_ms=NOW + 9) for n in (1, 2)])
    finally:
        superuser.execute("DROP FUNCTION syncpipe.purge() CASCADE")

    assert {(each.letter.key, each.times_seen) for each in kept} == {("k1", 1), ("k2", 2)}
    assert store.dead_letters.count() == 2


@pytest.mark.parametrize(
    "said", ["'; DROP TABLE syncpipe.dead_letters; --", "%s %(ids)s {}", "«é»"]
)
def test_what_people_say_is_only_said(acts, triage, letters, said):
    triage.discard(where("key:k1"), Act(said, "dlq.discard", said, said, {"said": said}))

    change = only(triage.find(letters[1].id)).change
    assert (change.actor, change.reason) == (said, said)
    assert acts()[0].reason == said
