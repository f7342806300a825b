"""Which operations travel together, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.routing import Priority
from syncpipe.errors import BrokerFull
from syncpipe.producer.buffer import COPY_BYTES, Buffer, Parcel
from syncpipe.producer.options import ClientOptions
from tests.unit.producer.parts import accepted, route, ticket

if TYPE_CHECKING:
    from syncpipe.producer.accepted import Accepted, Route

LINGER_S = 1.0


def _buffer(**options: int) -> Buffer:
    return Buffer(ClientOptions(**({"linger_ms": LINGER_S * 1000} | options)))


def _accepted(size: int) -> Accepted:
    return accepted(bytes(size - COPY_BYTES))


def _append(
    buffer: Buffer, data: bytes, now: float, where: Route | None = None, *, until: float = 100.0
) -> bool:
    operation = accepted(data, where)
    return buffer.append(operation.routes[0], ticket(data, until=until), operation, now)


def _take(buffer: Buffer, now: float) -> list[Parcel]:
    parcels = buffer.due(now)
    buffer.remove(parcels)
    return parcels


def _expire(buffer: Buffer, now: float) -> list[bytes]:
    parcels = buffer.late(now)
    buffer.remove(parcels)
    return [data for parcel in _data(parcels) for data in parcel]


def _data(parcels: list[Parcel]) -> list[list[bytes]]:
    return [
        [bytes(parcel.split(n)[1].split(1)[0].body) for n in range(len(parcel.tickets))]
        for parcel in parcels
    ]


def _fill(buffer: Buffer, count: int, now: float = 0.0, **where: object) -> None:
    for number in range(count):
        _append(buffer, b"%d" % number, now, route(**where))


def test_an_empty_buffer_is_never_due():
    assert _buffer().due_at() is None
    assert _take(_buffer(), 9.0) == []


def test_a_group_is_due_when_its_oldest_operation_has_lingered():
    buffer = _buffer()
    assert _append(buffer, b"a", 5.0)
    assert not _append(buffer, b"b", 5.5)

    assert buffer.due_at() == 6.0
    assert _take(buffer, 5.9) == []
    assert _data(_take(buffer, 6.0)) == [[b"a", b"b"]]
    assert buffer.due_at() is None


def test_a_group_with_enough_operations_is_due_at_once():
    buffer = _buffer(batch_max_ops=3)
    _fill(buffer, 2)

    assert _append(buffer, b"2", 0.0)
    assert buffer.due_at() == 0.0


def test_a_group_with_enough_bytes_is_due_at_once():
    buffer = _buffer(batch_max_bytes=10)
    _append(buffer, b"x" * 9, 0.0)

    assert _append(buffer, b"x", 0.0)


def test_what_follows_a_full_parcel_lingers_for_itself():
    buffer = _buffer(batch_max_ops=3)
    _fill(buffer, 3, now=0.0)
    _fill(buffer, 1, now=0.5)

    assert len(_data(_take(buffer, 0.5))[0]) == 3
    assert _take(buffer, 0.5) == []
    assert buffer.due_at() == 1.5
    _fill(buffer, 2, now=0.6)
    assert len(_data(_take(buffer, 0.6))[0]) == 3


def test_what_a_large_operation_does_not_fit_beside_is_due():
    buffer = _buffer(batch_max_bytes=10)
    _append(buffer, b"x" * 6, 0.0)

    assert _append(buffer, b"x" * 6, 0.2)
    assert _take(buffer, 0.2)
    assert buffer.due_at() == 1.2


def test_a_parcel_never_exceeds_the_limits_but_a_large_operation_travels_alone():
    buffer = _buffer(batch_max_ops=3, batch_max_bytes=10)
    for size in (4, 4, 4, 50, 1, 1, 1, 1):
        _append(buffer, b"x" * size, 0.0)

    rounds = [_data(_take(buffer, 9.0)) for _ in range(5)]
    taken = [[len(data) for data in parcel] for parcels in rounds for parcel in parcels]

    assert taken == [[4, 4], [4], [50], [1, 1, 1], [1]]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(Priority), st.integers(1, 30))))
def test_everything_comes_out_once_and_in_order_within_its_queue(appended):
    buffer = _buffer(batch_max_ops=3, batch_max_bytes=40)
    expected: dict[str, list[bytes]] = {}
    for number, (shard, priority, size) in enumerate(appended):
        data = (b"%d-" % number).ljust(size, b"x")
        _append(buffer, data, 0.0, route(shard, priority))
        expected.setdefault(route(shard, priority).queue, []).append(data)

    taken: dict[str, list[bytes]] = {}
    while parcels := _take(buffer, 9.0):
        queues = [parcel.route.queue for parcel in parcels]
        assert len(set(queues)) == len(queues)
        for parcel, data in zip(parcels, _data(parcels), strict=True):
            taken.setdefault(parcel.route.queue, []).extend(data)

    assert taken == expected


def test_the_most_urgent_parcel_comes_first():
    buffer = _buffer()
    for priority in (Priority.LOW, Priority.CRITICAL, Priority.NORMAL, Priority.HIGH):
        _fill(buffer, 1, priority=priority)

    assert [parcel.route.priority for parcel in _take(buffer, 9.0)] == list(Priority)


def test_a_round_takes_the_groups_that_waited_longest_so_nobody_starves():
    buffer = _buffer()
    _fill(buffer, 1, now=0.0, shard=99, priority=Priority.LOW)
    for shard in range(80):
        _fill(buffer, 1, now=1.0, shard=shard, priority=Priority.CRITICAL)

    queues = [parcel.route.queue for parcel in _take(buffer, 9.0)]

    assert len(queues) < 81
    assert route(99, Priority.LOW).queue in queues


def test_hurry_makes_what_lingers_due():
    buffer = _buffer()
    _fill(buffer, 2)
    buffer.hurry(0.5)

    assert _data(_take(buffer, 0.5)) == [[b"0", b"1"]]


def test_what_is_put_back_comes_before_what_came_later_and_waits_its_time():
    buffer = _buffer(batch_max_ops=2)
    _fill(buffer, 2)
    (parcel,) = _take(buffer, 1.0)
    _append(buffer, b"later", 1.0)
    buffer.put_back(parcel, 5.0)
    _append(buffer, b"last", 1.5)
    buffer.hurry(2.0)

    assert buffer.due_at() == 5.0
    assert _take(buffer, 4.9) == []
    assert _data(_take(buffer, 5.0)) == [[b"0", b"1"]]
    assert _data(_take(buffer, 5.0)) == [[b"later", b"last"]]


def test_other_groups_go_on_while_one_waits_to_be_tried_again():
    buffer = _buffer()
    _fill(buffer, 1, shard=1)
    (parcel,) = _take(buffer, 1.0)
    buffer.put_back(parcel, 50.0)
    _fill(buffer, 1, now=1.0, shard=2)

    assert [p.route.lane.shard for p in _take(buffer, 2.0)] == [2]


def test_what_has_no_time_left_expires_and_a_group_emptied_so_starts_afresh():
    buffer = _buffer(batch_max_ops=2)
    _append(buffer, b"a", 0.0, until=2.0)
    (parcel,) = _take(buffer, 1.0)
    buffer.put_back(parcel, 50.0)
    _append(buffer, b"b", 1.0, until=3.0)

    assert _expire(buffer, 2.0) == []
    assert _expire(buffer, 2.5) == [b"a"]
    assert _expire(buffer, 9.0) == [b"b"]
    assert buffer.due_at() is None
    _append(buffer, b"c", 10.0)
    assert buffer.due_at() == 10.0 + LINGER_S


def test_room_is_taken_until_a_copy_is_released():
    size = 100 + COPY_BYTES
    buffer = _buffer(buffer_max_bytes=2 * size)
    _append(buffer, b"x" * 100, 0.0)
    assert buffer.has_room(_accepted(size))
    assert not buffer.has_room(_accepted(size + 1))

    (parcel,) = _take(buffer, 9.0)
    assert buffer.bytes == size
    buffer.release(parcel.tickets)
    assert buffer.bytes == 0


def test_what_was_tried_travels_again_without_what_came_later():
    buffer = _buffer()
    _fill(buffer, 2)
    (parcel,) = _take(buffer, 1.0)
    parcel.error = BrokerFull("Full.")
    buffer.put_back(parcel, 5.0)
    _append(buffer, b"later", 1.0)

    again, *_ = _take(buffer, 5.0)
    assert again is parcel
    (later,) = _take(buffer, 5.0)
    assert _data([later]) == [[b"later"]]
    assert later.error is None


def test_a_parcel_waits_from_when_it_is_put_back_until_it_is_removed():
    buffer = _buffer()
    _fill(buffer, 1)
    (parcel,) = buffer.due(9.0)
    assert buffer.holds(parcel)

    buffer.remove([parcel])
    assert not buffer.holds(parcel)
    _append(buffer, b"later", 9.0)
    assert not buffer.holds(parcel)
    buffer.put_back(parcel, 9.0)
    assert buffer.holds(parcel)


def test_a_parcel_that_expires_in_part_keeps_its_error_and_the_rest():
    buffer = _buffer()
    for number in range(3):
        _append(buffer, b"%d" % number, 0.0, until=number)
    (parcel,) = _take(buffer, 1.0)
    parcel.error = BrokerFull("Full.")
    buffer.put_back(parcel, 2.0)

    (late,) = buffer.late(1.5)
    buffer.remove([late])
    (kept,) = buffer.due(9.0)
    assert _data([late, kept]) == [[b"0", b"1"], [b"2"]]
    assert late.error is kept.error is parcel.error


def test_a_recount_forgets_bytes_that_nobody_has_a_ticket_for():
    buffer = _buffer()
    _append(buffer, b"whole", 0.0)
    buffer.due(9.0)[0].body += b"interrupted"
    buffer.recount([ticket(b"flying")])

    (parcel,) = buffer.due(9.0)
    assert parcel.body == b"whole"
    assert buffer.bytes == len(b"wholeflying") + 2 * COPY_BYTES


def test_something_is_due_when_it_has_lingered():
    buffer = _buffer()
    assert buffer.due_at() is None
    _append(buffer, b"x", 1.0)
    assert buffer.due_at() == 2.0


def test_an_empty_buffer_takes_even_what_is_larger_than_itself():
    assert _buffer(buffer_max_bytes=10).has_room(_accepted(1000))


@pytest.mark.parametrize("held", [False, True])
def test_everything_that_waits_can_be_removed(held):
    buffer = _buffer()
    _fill(buffer, 2, shard=1)
    _fill(buffer, 1, shard=2)
    if held:
        for parcel in _take(buffer, 9.0):
            buffer.put_back(parcel, 50.0)

    assert len(buffer.waiting()) == 3
    buffer.remove(buffer.parcels())
    assert buffer.parcels() == []
    assert buffer.due_at() is None
