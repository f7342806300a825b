"""What every store promises about groups, whatever keeps them."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from msgspec import structs

from syncpipe.core.codec import encode
from syncpipe.core.compensation import Compensation
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.routing import Priority
from syncpipe.store.groups import Counts, Member, Standing
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.schedule import Entry, Scheduled
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.store.store import Store

HOUR = 3600
DAY = 24 * HOUR
MANY = {"limit": 1000, "max_bytes": 10**7, "seconds": 1}
PLENTY = {"limit": 1000, "max_bytes": 10**7, "seconds": HOUR}
PASSING = (
    "UPDATE syncpipe.scheduled SET due = due - %(s)s * interval '1 s'",
    "UPDATE syncpipe.group_deaths SET recorded_at = recorded_at - %(s)s * interval '1 s'",
    """
    UPDATE syncpipe.group_members
    SET due = due - %(s)s * interval '1 s', entered_at = entered_at - %(s)s * interval '1 s'
    """,
)
G1, G2 = (uuid.UUID(int=0x0197A000_0000_7000_8000_0000000000F0 + n).bytes for n in (1, 2))


@dataclass
class Timed:
    """A store, and the power over its time."""

    store: Store
    advance: Callable[[float], None]


@pytest.fixture(params=[None, "postgres", "postgres_16"], ids=["memory", "pg18", "pg16"])
def timed(request):
    if request.param is None:
        clock = FakeClock()
        yield Timed(MemoryStore(clock), clock.advance)
        return
    server = request.getfixturevalue(request.param)
    dsn = server.new_database()
    with (
        closing(PostgresStore(StoreOptions(dsn, pool_max=8))) as store,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        store.migrate()

        def advance(seconds):
            for change in PASSING:
                connection.execute(change, {"s": seconds})

        yield Timed(store, advance)
    server.drop_database(dsn)


@pytest.fixture
def groups(timed):
    return timed.store.groups


def operation(number=0, group=G1, **members):
    id_ = uuid.UUID(int=0x0197A000_0000_7000_8000_000000000000 + number).bytes
    known = Operation(id_, Kind.UPSERT, "orders", f"k{number}", 7, {"n": number}, group_id=group)
    return structs.replace(known, **members)


def member(number=0, group=G1, target="crm", **members):
    made = operation(number, group)
    known = Member(group, made.id, target, made.collection, made.key, Priority.HIGH, encode(made))
    return replace(known, **members)


def letter(number=0, group=G1, code="SP-E511", died_ms=5, queue="sp.crm.0.normal"):
    made = operation(number, group)
    return DeadLetter(
        raw=encode(made),
        queue=queue,
        stage="apply",
        code=code,
        message="no",
        died_ms=died_ms,
        worker="w",
        operation_id=made.uuid,
        collection=made.collection,
        key=made.key,
        version=made.version,
    )


def undoing(number=0, **members):
    made = structs.replace(operation(1000 + number, None), key=f"k{number}", **members)
    return Compensation(made, encode(made), Priority.LOW)


def enter(groups, *members):
    return groups.enter(members, {each.group_id for each in members})


def lent(groups, **options):
    return sorted(each.key for each in groups.lend(**MANY | options))


def scheduled(store, *targets):
    return list(store.schedule.lease(targets or ("crm",), **PLENTY).operations)


def test_a_group_that_nobody_has_heard_of_takes_everybody(groups):
    assert enter(groups, member(1), member(2)) == Standing({}, frozenset())
    assert groups.counts(G1) == Counts(2, 0, 0)
    assert groups.death(G1) is None


def test_nothing_at_all_may_be_asked(groups):
    assert groups.enter([], []) == Standing({}, frozenset())
    groups.applied([])
    groups.leave([])
    assert groups.compensate([]) == 0


def test_a_dead_letter_ends_its_group_and_no_other(timed, groups):
    timed.store.dead_letters.record([letter(1)])
    standing = enter(groups, member(2), member(3, G2))
    assert standing.deaths == {G1: groups.death(G1)}
    assert (groups.death(G1).operation_id, groups.death(G1).code) == (operation(1).uuid, "SP-E511")
    assert groups.death(G1).died_ms == 5
    assert list(standing.entered) == []
    assert (groups.counts(G1), groups.counts(G2)) == (Counts(), Counts(1))


def test_groups_may_be_asked_without_entering(timed, groups):
    timed.store.dead_letters.record([letter(1)])
    assert set(groups.enter([], [G1, G2]).deaths) == {G1}
    assert groups.counts(G2) == Counts()


def test_who_had_entered_before_the_end_is_known(timed, groups):
    enter(groups, member(1), member(2, target="erp"))
    timed.store.dead_letters.record([letter(3)])
    standing = enter(groups, member(1), member(2), member(2, target="erp"))
    assert set(standing.entered) == {member(1).identity, member(2, target="erp").identity}


def test_of_several_deaths_the_first_that_was_recorded_counts(timed, groups):
    timed.store.dead_letters.record([letter(1, died_ms=9), letter(2, died_ms=8)])
    timed.store.dead_letters.record([letter(3, died_ms=1)])
    assert groups.death(G1).operation_id == operation(2).uuid


@pytest.mark.parametrize("code", ["SP-E517", "SP-E703"])
def test_cancelled_members_and_workers_without_a_store_end_no_group(timed, groups, code):
    timed.store.dead_letters.record([letter(1, code=code)])
    assert groups.death(G1) is None


def test_what_is_no_member_ends_no_group(timed, groups):
    timed.store.dead_letters.record([letter(1, None)])
    unread = replace(letter(1), operation_id=None, raw=b"garbage")
    timed.store.dead_letters.record([unread, replace(letter(2), raw=b"garbage")])
    assert groups.death(G1) is None


def test_who_was_refused_is_no_longer_known_but_who_was_applied_is(timed, groups):
    enter(groups, member(1), member(2))
    groups.applied([member(2)])
    groups.leave([member(1), member(2), member(3)])
    assert groups.counts(G1) == Counts(1, 1, 0)
    timed.store.dead_letters.record([letter(4)])
    assert set(enter(groups, member(1), member(2)).entered) == {member(2).identity}


def test_nobody_is_lent_while_the_group_lives(groups):
    enter(groups, member(1))
    groups.applied([member(1)])
    assert lent(groups) == []


@pytest.mark.parametrize("entered", [True, False])
@pytest.mark.parametrize("first", ["death", "effect"])
def test_the_applied_of_a_dead_group_are_lent_whichever_came_first(timed, groups, entered, first):
    if entered:
        enter(groups, member(1), member(2))
    if first == "effect":
        groups.applied([member(1)])
    timed.store.dead_letters.record([letter(3)])
    if first == "death":
        groups.applied([member(1)])
    assert groups.lend(**MANY) == [member(1)]


def test_what_was_applied_again_is_the_same(timed, groups):
    enter(groups, member(1))
    groups.applied([member(1), member(1)])
    groups.applied([replace(member(1), raw=b"other", priority=Priority.LOW)])
    timed.store.dead_letters.record([letter(3)])
    assert groups.lend(**MANY) == [member(1)]
    assert groups.counts(G1) == Counts(1, 1, 0)


def test_what_is_lent_is_not_lent_again_until_that_ends(timed, groups):
    groups.applied([member(1)])
    timed.store.dead_letters.record([letter(3)])
    assert lent(groups, seconds=HOUR) == ["k1"]
    timed.advance(HOUR / 2)
    assert lent(groups, seconds=HOUR) == []
    timed.advance(HOUR)
    assert lent(groups, seconds=HOUR) == ["k1"]


def test_pauses_grow_up_to_a_minute(timed, groups):
    groups.applied([member(1)])
    timed.store.dead_letters.record([letter(3)])
    for _ in range(30):
        assert lent(groups, seconds=0.001) == ["k1"]
        timed.advance(61)
    assert lent(groups, seconds=0.001) == ["k1"]
    assert lent(groups, seconds=0.001) == []


def test_limits_count(timed, groups):
    many = [member(n, raw=bytes(1000)) for n in range(5)]
    groups.applied(many)
    timed.store.dead_letters.record([letter(9)])
    assert len(groups.lend(limit=2, max_bytes=10**6, seconds=HOUR)) == 2
    assert len(groups.lend(limit=9, max_bytes=10, seconds=HOUR)) == 1
    assert len(groups.lend(limit=9, max_bytes=2000, seconds=HOUR)) == 2


def test_what_undoes_a_member_is_scheduled_once(timed, groups):
    enter(groups, member(1))
    groups.applied([member(1)])
    timed.store.dead_letters.record([letter(3)])
    assert groups.compensate([(member(1), undoing(1)), (member(1), undoing(1))]) == 1
    assert groups.compensate([(member(1), undoing(1))]) == 0
    (found,) = scheduled(timed.store)
    wanted = undoing(1)
    assert found == Scheduled(wanted.operation.id, "crm", "orders", "k1", Priority.LOW, wanted.raw)
    timed.advance(DAY)
    assert lent(groups) == []
    assert groups.counts(G1) == Counts(1, 1, 1)


def test_at_each_target_its_own_copy_is_undone_by_the_same_operation(timed, groups):
    copies = [member(1), member(1, target="erp")]
    groups.applied(copies)
    timed.store.dead_letters.record([letter(3)])
    assert groups.compensate([(copies[0], undoing(1))]) == 1
    assert groups.compensate([(copies[1], undoing(2))]) == 1
    found = scheduled(timed.store, "crm", "erp")
    assert sorted(each.target for each in found) == ["crm", "erp"]
    assert {(each.operation_id, each.raw) for each in found} == {
        (undoing(1).operation.id, undoing(1).raw)
    }


def test_where_nothing_is_to_be_done_nothing_is_sent(timed, groups):
    groups.applied([member(1)])
    timed.store.dead_letters.record([letter(3)])
    assert groups.compensate([(member(1), None)]) == 1
    assert scheduled(timed.store) == []
    assert groups.counts(G1) == Counts(1, 1, 1)


def test_what_was_not_applied_is_not_undone(timed, groups):
    enter(groups, member(1))
    timed.store.dead_letters.record([letter(3)])
    assert groups.compensate([(member(1), undoing(1)), (member(2), undoing(2))]) == 0
    assert scheduled(timed.store) == []


def plan(store, number, group, hours=1):
    made = operation(number, group)
    entry = Scheduled(
        made.id, "crm", "orders", made.key, Priority.LOW, encode(made), group_id=group
    )
    store.schedule.put([Entry(entry, hours * HOUR * 1000)])
    return entry


def test_what_waits_in_the_schedule_is_due_when_its_group_ends_dead(timed, groups):
    waits, _, _ = (plan(timed.store, n, group) for n, group in enumerate((G1, G2, None)))
    timed.store.dead_letters.record([letter(9)])
    assert scheduled(timed.store) == [waits]
    assert groups.hasten() == 0


def test_what_has_slipped_through_is_hastened(timed, groups):
    timed.store.dead_letters.record([letter(9)])
    waits = plan(timed.store, 1, G1)
    plan(timed.store, 2, G2)
    assert groups.hasten() == 1
    assert scheduled(timed.store) == [waits]


def test_what_is_old_is_forgotten_by_the_horizon_of_its_collection(timed, groups):
    enter(groups, member(1), member(2, G2), member(3, collection="prices"))
    assert groups.forget({"orders": HOUR, "prices": 3 * HOUR}, 3 * HOUR) == 0
    timed.advance(2 * HOUR)
    enter(groups, member(4))
    assert groups.forget({"orders": HOUR, "prices": 3 * HOUR}, 3 * HOUR) == 2
    assert groups.counts(G1) == Counts(2)
    timed.advance(2 * HOUR)
    assert groups.forget({"orders": 9 * HOUR}, 3 * HOUR) == 1  # prices are no longer declared
    assert groups.counts(G1) == Counts(1)


def test_what_is_to_be_undone_is_not_forgotten_before(timed, groups):
    groups.applied([member(1)])
    died = FakeClock().now_ms()
    timed.store.dead_letters.record([letter(3, died_ms=died)])
    timed.advance(9 * DAY)
    assert groups.forget({"orders": DAY}, DAY) == 0
    assert groups.death(G1)
    groups.compensate([(member(1), undoing(1))])
    assert groups.forget({"orders": DAY}, DAY) == 1
    assert groups.death(G1) is None


def test_those_who_work_at_once_undo_each_member_once(timed, groups):
    members = [member(n, uuid.UUID(int=n % 7 + 1).bytes) for n in range(140)]

    def work(worker):
        mine = members[worker::4] if worker < 4 else members[::-1]
        for each in mine:
            enter(groups, each)
            groups.applied([each])
            if each.operation_id[-1] % 5 == 0:
                dead = replace(letter(500 + worker, each.group_id), died_ms=worker)
                timed.store.dead_letters.record([dead])
            lent_ = groups.lend(limit=3, max_bytes=10**6, seconds=HOUR)
            groups.compensate([(m, undoing(int(m.key[1:]))) for m in lent_])
            groups.hasten()
        return True

    with ThreadPoolExecutor(5) as threads:
        assert all(threads.map(work, range(5)))
    groups.hasten()
    timed.advance(2 * HOUR)
    rest = groups.lend(**MANY)
    groups.compensate([(m, undoing(int(m.key[1:]))) for m in rest])
    found = scheduled(timed.store)
    assert sorted(each.key for each in found) == sorted(each.key for each in members)
