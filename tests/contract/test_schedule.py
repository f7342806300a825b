"""What every schedule promises, whatever keeps it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from syncpipe.core.attempt import Attempt
from syncpipe.core.routing import Priority
from syncpipe.store.schedule import Entry
from tests.contract.schedules import entry, in_memory, in_postgres, scheduled

HOUR = 3600
MANY = {"limit": 1000, "max_bytes": 10**7, "seconds": HOUR}


@pytest.fixture(params=[None, "postgres", "postgres_16"], ids=["memory", "pg18", "pg16"])
def timed(request):
    if request.param is None:
        yield in_memory()
        return
    server = request.getfixturevalue(request.param)
    dsn = server.new_database()
    with in_postgres(dsn) as timed:
        yield timed
    server.drop_database(dsn)


@pytest.fixture
def schedule(timed):
    return timed.schedule


def lease(schedule, *targets, **options):
    return schedule.lease(targets or ("crm",), **MANY | options)


def leased(schedule, *targets, **options):
    return list(lease(schedule, *targets, **options).operations)


def test_an_empty_schedule_has_nothing(schedule):
    schedule.put([])
    assert leased(schedule) == []
    assert schedule.outlook() == {}


def test_what_is_scheduled_comes_back_as_it_was(schedule):
    whole = scheduled(
        1,
        key="ключ/'\"\\",
        raw=bytes(range(256)),
        priority=Priority.CRITICAL,
        attempts=(Attempt(2**40, "w@h", 3, "SP-E510", "«no»"), Attempt(1, "", 0, "", "")),
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    schedule.put([Entry(whole, 0)])
    assert leased(schedule) == [whole]


def test_it_is_lent_when_it_is_due_and_not_before(schedule, timed):
    schedule.put([entry(1, hours=2), entry(2, hours=1), entry(3)])
    assert leased(schedule) == [scheduled(3)]
    timed.advance(HOUR / 2)
    assert leased(schedule) == []
    timed.advance(HOUR)
    assert {each.key for each in leased(schedule)} == {"k2", "k3"}  # the lease of 3 has ended


def test_the_longest_overdue_come_first_up_to_a_limit(schedule, timed):
    schedule.put([entry(n, hours=10 - n) for n in range(10)])
    timed.advance(20 * HOUR)
    assert leased(schedule, limit=3) == [scheduled(n) for n in (9, 8, 7)]
    assert leased(schedule, limit=100) == [scheduled(n) for n in range(6, -1, -1)]


def test_bytes_are_limited_but_one_operation_always_fits(schedule, timed):
    schedule.put([entry(n, hours=n, raw=bytes(1000)) for n in range(4)])
    timed.advance(20 * HOUR)
    assert [each.key for each in leased(schedule, max_bytes=2000)] == ["k0", "k1"]
    assert [each.key for each in leased(schedule, max_bytes=10)] == ["k2"]
    assert [each.key for each in leased(schedule, max_bytes=1999)] == ["k3"]


def test_limits_count_for_each_target_and_others_are_left_alone(schedule):
    for target in ("crm", "erp", "hub"):
        schedule.put([entry(n, target=target) for n in range(3)])
    found = leased(schedule, "crm", "hub", limit=2)
    assert sorted(each.target for each in found) == ["crm", "crm", "hub", "hub"]
    assert schedule.outlook()["erp"].count == 3


def test_what_is_lent_is_not_lent_to_others_until_that_ends(schedule, timed):
    schedule.put([entry(1)])
    assert len(leased(schedule)) == 1
    timed.advance(HOUR / 2)
    assert leased(schedule) == []
    timed.advance(HOUR)
    assert len(leased(schedule)) == 1


def test_the_replay_that_came_last_waits_for_an_operation(schedule, timed):
    first, second = b"1" * 16, b"2" * 16
    schedule.put([entry(1, 3)])
    schedule.put([entry(1, 1, replay=first)])
    assert leased(schedule) == [scheduled(1, 3, replay=first)]
    schedule.put([entry(1, 4)])
    timed.advance(2 * HOUR)
    assert leased(schedule) == [scheduled(1, 4, replay=first)]
    schedule.put([entry(1, 4, replay=second)])
    timed.advance(2 * HOUR)
    assert leased(schedule) == [scheduled(1, 4, replay=second)]


def test_what_is_removed_does_not_come_back(schedule, timed):
    schedule.put([entry(1), entry(2)])
    held = lease(schedule)
    assert schedule.remove(held, held.operations[:1]) == 1
    assert schedule.remove(held, held.operations[:1]) == 0
    assert schedule.remove(held, []) == 0
    timed.advance(2 * HOUR)
    assert leased(schedule) == list(held.operations[1:])


def test_a_lease_that_has_ended_removes_nothing_that_another_holds(schedule, timed):
    schedule.put([entry(1)])
    first = lease(schedule)
    timed.advance(2 * HOUR)
    second = lease(schedule)
    assert schedule.remove(first, first.operations) == 0
    assert schedule.remove(second, second.operations) == 1


@pytest.mark.parametrize("tries", [0, 1, 2, 3])
def test_what_was_scheduled_anew_is_not_removed_by_who_sent_the_old_on(schedule, timed, tries):
    schedule.put([entry(1, tries=2)])
    held = lease(schedule)
    schedule.put([entry(1, tries=tries)])
    assert schedule.remove(held, held.operations) == 0
    timed.advance(2 * HOUR)
    assert leased(schedule) == [scheduled(1, max(tries, 2))]


def test_more_attempts_take_the_place_of_fewer_with_their_time(schedule, timed):
    schedule.put([entry(1, tries=1)])
    schedule.put([entry(1, tries=2, hours=1, raw=b"again", priority=Priority.HIGH)])
    assert leased(schedule) == []
    timed.advance(2 * HOUR)
    assert leased(schedule) == [scheduled(1, 2, raw=b"again", priority=Priority.HIGH)]


def test_fewer_attempts_change_nothing(schedule, timed):
    schedule.put([entry(1, tries=2, hours=2)])
    schedule.put([entry(1, tries=1, raw=b"other", priority=Priority.HIGH, trace="t")])
    timed.advance(HOUR)
    assert leased(schedule) == []
    timed.advance(2 * HOUR)
    assert leased(schedule) == [scheduled(1, 2)]


def test_as_many_attempts_bring_a_time_of_their_own(schedule, timed):
    schedule.put([entry(1, tries=1)])
    schedule.put([entry(1, tries=1, hours=1)])
    assert leased(schedule) == []
    timed.advance(2 * HOUR)
    assert len(leased(schedule)) == 1


def test_copies_in_one_call_are_one(schedule):
    schedule.put([entry(1, tries=1), entry(1, tries=3), entry(1), entry(2)])
    assert sorted(len(each.attempts) for each in leased(schedule)) == [0, 3]


def test_one_id_at_several_targets_or_records_is_several(schedule):
    id_ = scheduled(0).operation_id
    different = [{}, {"target": "erp"}, {"collection": "people"}, {"key": "another"}]
    schedule.put([entry(1, operation_id=id_, **members) for members in different])
    assert len(leased(schedule, "crm", "erp")) == 4


def test_the_outlook_counts_and_tells_when_the_next_is_due(schedule, timed):
    schedule.put([entry(1, hours=1), entry(2, hours=2), entry(3, hours=3, target="erp")])
    timed.advance(2 * HOUR)
    outlook = schedule.outlook()
    assert {name: each.count for name, each in outlook.items()} == {"crm": 2, "erp": 1}
    assert -HOUR - 600 < outlook["crm"].next_s <= -HOUR
    assert HOUR - 600 < outlook["erp"].next_s <= HOUR


def test_texts_that_a_database_cannot_hold_are_kept_as_well_as_it_can(schedule):
    odd = (Attempt(1, "w", 0, "SP-E510", "NUL \0 and \ud800"),)
    schedule.put([Entry(scheduled(1, attempts=odd, trace="\0\udfff"), 0)])
    (found,) = leased(schedule)
    assert (found.raw, len(found.attempts)) == (b"raw 1", 1)
    assert found.attempts[0].message.startswith("NUL ")


def test_two_who_lend_at_once_share_what_is_due(schedule):
    schedule.put([entry(n) for n in range(400)])

    def take(_):
        taken = []
        for _ in range(20):
            held = lease(schedule, limit=7)
            assert schedule.remove(held, held.operations) == len(held.operations)
            taken += [each.key for each in held.operations]
        return taken

    with ThreadPoolExecutor(4) as threads:
        taken = [key for keys in threads.map(take, range(4)) for key in keys]
    taken += [each.key for each in leased(schedule)]
    assert sorted(taken) == sorted(f"k{n}" for n in range(400))


def test_many_who_put_lend_and_remove_at_once_never_fail(schedule):
    def work(worker):
        for turn in range(30):
            numbers = range(20) if worker % 2 else range(19, -1, -1)
            schedule.put([entry(n, tries=turn) for n in numbers])
            held = lease(schedule, limit=10)
            schedule.remove(held, held.operations[::-1])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
