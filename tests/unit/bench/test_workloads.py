from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from syncpipe.bench.workloads import DISTINCT, HOT, WIDE, WORKLOADS
from syncpipe.demo.oracle.rows import ActualRow


def _rows(workload, count):
    records = dict(workload.operations(0, count))
    return [ActualRow("", key, document) for key, document in records.items()]


def test_distinct_documents_have_about_250_bytes_and_keys_of_their_own():
    operations = list(DISTINCT.operations(0, 500))
    sizes = [len(json.dumps(document)) for _, document in operations]
    assert 200 < sum(sizes) / len(sizes) < 320
    assert len({key for key, _ in operations}) == 500


def test_wide_documents_have_four_kibibytes():
    sizes = [len(json.dumps(document)) for _, document in WIDE.operations(0, 20)]
    assert all(4096 <= size < 5000 for size in sizes)


def test_few_hot_keys_get_most_operations_the_same_in_every_process():
    keys = list(itertools.islice(HOT.keys(), 20_000))
    assert keys == list(itertools.islice(HOT.keys(), 20_000))
    assert sum(count for _, count in Counter(keys).most_common(100)) > len(keys) / 2


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_operations_can_begin_anywhere(workload):
    assert list(workload.operations(7, 12)) == list(workload.operations(0, 12))[7:]


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_right_rows_are_right(workload):
    assert workload.wrong_rows(_rows(workload, 300), 300) == 0


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_stale_a_missing_and_a_strange_row_are_wrong(workload):
    rows = _rows(workload, 300)
    stale = ActualRow("", rows[0].key_text, workload.document(10_000))
    assert workload.wrong_rows([stale, *rows[1:]], 300) == 1
    assert workload.wrong_rows(rows[1:], 300) == 1
    assert workload.wrong_rows([*rows, ActualRow("", "99999999", {})], 300) > 0
