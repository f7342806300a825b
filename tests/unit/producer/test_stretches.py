"""Operations of a batch that share a ticket, in every company."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.producer.accepted import Accepted
from syncpipe.producer.buffer import Buffer, Parcel
from syncpipe.producer.many import BatchReceipt
from syncpipe.producer.options import ClientOptions
from tests.unit.producer.parts import accepted, route, stretch, ticket


class _Sending:
    """What a sender does with a buffer: operations of calls and batches, taken and put back."""

    def __init__(self, **options: int) -> None:
        self.buffer = Buffer(ClientOptions(linger_ms=1000, **options))
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

    def take(self) -> list[Parcel]:
        """Take what is due."""
        parcels = self.buffer.due(9.0)
        self.buffer.remove(parcels)
        return parcels

    def round(self, *, confirmed: bool) -> None:
        """Take what is due; it is confirmed, or else put back."""
        for parcel in self.take():
            assert parcel.count == len(parcel.pieces())
            if confirmed:
                self.sent.setdefault(parcel.route.queue, []).extend(parcel.pieces())
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
    assert first.pieces() == [b"1", b"2", b"4", b"5", b"6", b"7", b"8"]
    assert second.pieces() == [b"3"]


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
    (parcel,) = sending.take()
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
