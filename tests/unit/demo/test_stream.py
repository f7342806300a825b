"""The demonstration's stream: exact, repeatable, bounded in disorder, and of the promised mix."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from syncpipe.core.values import check_amounts, check_document, check_patch
from syncpipe.demo.dataset import strikes
from syncpipe.demo.stream import COLLECTIONS, MAX_DELAY, DemoOperation, operations

N = 20_000
CHECKS = {"upsert": check_document, "patch": check_patch, "increment": check_amounts}


@pytest.fixture(scope="module")
def stream() -> list[DemoOperation]:
    return list(operations(N, seed=7))


def overtaken(stream: list[DemoOperation]) -> list[DemoOperation]:
    """Return the operations that are sent after a newer one."""
    newest, late = -1, []
    for operation in stream:
        if operation.position < newest:
            late.append(operation)
        newest = max(newest, operation.position)
    return late


@pytest.mark.parametrize("n", [1, 7, 100, N])
def test_there_are_exactly_n_distinct_operations(n: int) -> None:
    positions = [operation.position for operation in operations(n, seed=3)]

    assert sorted(positions) == list(range(n))


def test_the_same_seed_gives_the_same_stream_and_another_seed_another() -> None:
    assert list(operations(500, seed=1)) == list(operations(500, seed=1))
    assert list(operations(500, seed=1)) != list(operations(500, seed=2))


def test_a_longer_stream_contains_the_shorter_one() -> None:
    short = {operation.position: operation for operation in operations(300, seed=5)}
    long = {operation.position: operation for operation in operations(900, seed=5)}

    assert all(long[position] == operation for position, operation in short.items())


def test_nothing_is_generated_ahead_of_its_use() -> None:
    first = list(islice(operations(10**15, seed=1), 10))

    assert all(operation.position < 10 + MAX_DELAY for operation in first)


def test_about_one_operation_in_a_hundred_is_sent_after_a_newer_one(
    stream: list[DemoOperation],
) -> None:
    assert 0.007 * N < len(overtaken(stream)) < 0.013 * N


def test_late_operations_are_of_every_kind(stream: list[DemoOperation]) -> None:
    kinds = {operation.kind for operation in overtaken(stream)}

    assert kinds == {"upsert", "patch", "delete", "increment"}


def test_no_operation_is_further_from_its_turn_than_the_window(stream: list[DemoOperation]) -> None:
    distances = [abs(index - operation.position) for index, operation in enumerate(stream)]

    assert 1 < max(distances) <= MAX_DELAY


def test_some_late_operations_follow_a_newer_one_on_the_same_record(
    stream: list[DemoOperation],
) -> None:
    newest: dict[object, int] = {}
    crossed = 0
    for operation in stream:
        record = operation.collection, operation.key
        crossed += operation.position < newest.get(record, -1)
        newest[record] = max(operation.position, newest.get(record, -1))

    assert crossed > 0


@pytest.mark.parametrize(
    ("kind", "share"), [("upsert", 0.45), ("patch", 0.30), ("increment", 0.20), ("delete", 0.05)]
)
def test_the_kinds_have_their_shares(stream: list[DemoOperation], kind: str, share: float) -> None:
    found = sum(operation.kind == kind for operation in stream)

    assert found / N == pytest.approx(share, abs=0.015)


def test_one_in_fifty_is_sent_more_than_once(stream: list[DemoOperation]) -> None:
    copies = Counter(operation.copies for operation in stream)

    assert set(copies) == {1, 2, 3}
    assert (copies[2] + copies[3]) / N == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize("seed", range(20))
def test_forty_operations_have_all_four_priorities(seed: int) -> None:
    priorities = {operation.priority for operation in operations(40, seed=seed)}

    assert priorities == {"critical", "high", "normal", "low"}


def test_one_record_is_written_with_several_priorities(stream: list[DemoOperation]) -> None:
    hottest = Counter((op.collection, op.key) for op in stream).most_common(1)[0][0]

    assert len({op.priority for op in stream if (op.collection, op.key) == hottest}) == 4


def test_keys_have_the_shape_that_their_collection_declares(stream: list[DemoOperation]) -> None:
    for operation in stream:
        parts = (operation.key,) if isinstance(operation.key, str) else operation.key
        assert len(parts) == len(COLLECTIONS[operation.collection])
        assert all(parts)
    assert {operation.collection for operation in stream} == set(COLLECTIONS)


def test_every_value_may_travel_and_no_change_is_empty(stream: list[DemoOperation]) -> None:
    for operation in stream:
        if operation.kind == "delete":
            assert operation.data is None
        else:
            CHECKS[operation.kind](operation.data)


def test_no_document_repeats_a_key_field(stream: list[DemoOperation]) -> None:
    fields = {name for operation in stream for name in operation.data or {}}

    assert fields.isdisjoint(name for names in COLLECTIONS.values() for name in names)


def test_documents_exercise_the_types_that_a_record_may_have(stream: list[DemoOperation]) -> None:
    documents = [op.data for op in stream if op.kind == "upsert" and op.data is not None]
    types = {type(value) for document in documents for value in document.values()}

    assert types == {datetime, str, bool, int, float, Decimal, type(None), dict}
    assert all(not str(document["summary"]).isascii() for document in documents)


def test_increments_are_never_zero(stream: list[DemoOperation]) -> None:
    amounts = [op.data for op in stream if op.kind == "increment" and op.data is not None]

    assert all(all(amount.values()) for amount in amounts)


def test_patches_set_fields_and_remove_some(stream: list[DemoOperation]) -> None:
    patches = [op.data for op in stream if op.kind == "patch" and op.data is not None]

    assert {len(patch) for patch in patches} == {1, 2, 3}
    assert any(None in patch.values() for patch in patches)
    assert any(None not in patch.values() for patch in patches)


def test_deleted_records_come_back(stream: list[DemoOperation]) -> None:
    kinds: dict[object, list[str]] = {}
    for operation in sorted(stream, key=lambda operation: operation.position):
        kinds.setdefault((operation.collection, operation.key), []).append(operation.kind)

    pairs = Counter(pair for history in kinds.values() for pair in pairwise(history))
    assert pairs["delete", "upsert"] > 0
    assert pairs["delete", "patch"] > 0
    assert pairs["delete", "increment"] > 0


@pytest.fixture(scope="module")
def rounds() -> list[tuple[DemoOperation, DemoOperation]]:
    """Return what each report became in the first round and in the second."""
    count = len(strikes())
    by_position = {op.position: op for op in operations(2 * count, seed=1)}
    return [(by_position[i], by_position[i + count]) for i in range(count)]


def test_beyond_the_data_the_reports_begin_again_a_day_later(
    rounds: list[tuple[DemoOperation, DemoOperation]],
) -> None:
    reported = [
        (first.data["reported"], again.data["reported"])
        for first, again in rounds
        if first.kind == again.kind == "upsert" and first.data and again.data
    ]

    assert reported
    for before, after in reported:
        assert isinstance(before, datetime)
        assert isinstance(after, datetime)
        assert (after.date() - before.date()).days == 1


def test_a_report_does_not_keep_its_priority_for_ever(
    rounds: list[tuple[DemoOperation, DemoOperation]],
) -> None:
    assert any(first.priority != again.priority for first, again in rounds)
