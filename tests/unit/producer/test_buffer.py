"""Which operations travel together, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.routing import Priority
from syncpipe.errors import BrokerFull
from syncpipe.producer.buffer import COPY_BYTES, Buffer, Parcel
from syncpipe.producer.intake import Accepted
from syncpipe.producer.many import BatchReceipt
from syncpipe.producer.options import ClientOptions
from tests.unit.producer.parts import accepted, route, stretch, ticket

if TYPE_CHECKING:
    from syncpipe.producer.intake import Route

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


class _Sending:
    """What a sender does with a buffer: operations of calls and batches, taken and put back."""

    def __init__(self, **options: int) -> None:
        self.buffer = _buffer(**options)
        self.sent: dict[str, list[bytes]] = {}

    def add(self, batch: BatchReceipt | None, data: bytes, *shards: int, now: float = 0.0) -> bool:
        """Buffer an operation for one target in each of *shards*; return whether it has joined."""
        routes = tuple(map(route, shards))
        operation = Accepted(bytes(16), 1, data, routes, tuple(each.queue for each in routes))
        if batch is not None and self.buffer.join(batch, operation, 0, now):
            return True
        owner = ticket(data) if batch is None else stretch(batch, operation, now=now)
        for each in routes:
            self.buffer.append(each, owner, operation, now)
        return False

    def round(self, *, confirmed: bool) -> None:
        """Take what is due; it is confirmed, or else put back."""
        for parcel in _take(self.buffer, 9.0):
            assert parcel.count == len(parcel.operations())
            if confirmed:
                self.sent.setdefault(parcel.route.queue, []).extend(parcel.operations())
                self.buffer.release(parcel.tickets)
            else:
                self.buffer.put_back(parcel, 9.0)


def test_operations_of_a_batch_share_a_ticket_as_long_as_nothing_comes_between():
    sending, batch = _Sending(), BatchReceipt()
    joined = [sending.add(batch, b"1", 0), sending.add(batch, b"2", 0), sending.add(batch, b"3", 1)]
    joined += [sending.add(batch, b"4", 0), sending.add(None, b"5", 0), sending.add(batch, b"6", 0)]
    joined += [sending.add(BatchReceipt(), b"7", 0), sending.add(batch, b"8", 0)]

    assert joined == [False, True, False, True, False, False, False, False]
    (first, second) = sending.buffer.due(9.0)
    assert [each.count for each in first.tickets] == [3, 1, 1, 1, 1]
    assert first.operations() == [b"1", b"2", b"4", b"5", b"6", b"7", b"8"]
    assert second.operations() == [b"3"]


def test_an_operation_for_two_queues_joins_what_ends_both():
    sending, batch = _Sending(), BatchReceipt()
    assert not sending.add(batch, b"1", 0, 1)
    assert sending.add(batch, b"2", 0, 1)
    assert not sending.add(batch, b"3", 0, 2)
    assert not sending.add(batch, b"4", 0, 1)
    assert sending.add(batch, b"5", 0, 1)


def test_an_operation_for_fewer_queues_does_not_join_what_is_for_more():
    sending, batch = _Sending(), BatchReceipt()
    sending.add(batch, b"1", 0, 1)

    assert not sending.add(batch, b"2", 0)
    assert not sending.add(batch, b"3", 1)


def test_nothing_joins_too_late_or_another_epoch():
    sending, batch = _Sending(), BatchReceipt()
    sending.add(batch, b"1", 0)
    operation = accepted(b"2")

    assert not sending.buffer.join(batch, operation, 1, 0.0)
    assert not sending.buffer.join(batch, operation, 0, 50.0)
    assert sending.buffer.join(batch, operation, 0, 0.0)


def test_what_was_tried_is_joined_by_nobody():
    sending, batch = _Sending(), BatchReceipt()
    sending.add(batch, b"1", 0)
    (parcel,) = _take(sending.buffer, 9.0)
    assert not sending.buffer.join(batch, accepted(b"2"), 0, 0.0)
    sending.buffer.put_back(parcel, 9.0)

    assert not sending.buffer.join(batch, accepted(b"2"), 0, 0.0)


def test_what_a_stretch_fills_is_due_at_once():
    sending, batch = _Sending(batch_max_ops=3, batch_max_bytes=10), BatchReceipt()
    for number in range(3):
        sending.add(batch, b"%d" % number, 0)
    assert sending.buffer.due_at() == 0.0
    for shard, size in ((1, 9), (1, 1)):
        sending.add(batch, b"x" * size, shard)

    assert [parcel.count for parcel in sending.buffer.due(0.0)] == [3, 2]


_steps = st.one_of(
    st.tuples(st.sampled_from([None, 0, 1]), st.sets(st.integers(0, 2), min_size=1)),
    st.booleans(),
)


@given(st.lists(_steps, max_size=40))
def test_whatever_comes_in_any_company_comes_out_once_and_in_order(steps):
    sending, batches = (
        _Sending(batch_max_ops=4, batch_max_bytes=20),
        (BatchReceipt(), BatchReceipt()),
    )
    expected: dict[str, list[bytes]] = {}
    for number, step in enumerate(steps):
        if isinstance(step, bool):
            sending.round(confirmed=step)
        else:
            batch, shards = step
            data = b"%d." % number
            sending.add(None if batch is None else batches[batch], data, *sorted(shards))
            for shard in shards:
                expected.setdefault(route(shard).queue, []).append(data)
        counted = sending.buffer.bytes
        sending.buffer.recount([])
        assert sending.buffer.bytes == counted
    while sending.buffer.due_at() is not None:
        sending.round(confirmed=True)

    assert sending.sent == expected
    assert sending.buffer.bytes == 0
