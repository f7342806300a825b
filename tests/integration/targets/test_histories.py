"""Any history, delivered in any way by two workers, makes the rows that the reference makes."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings

from tests.integration.targets.histories import (
    COLUMNS,
    DOCUMENT_FIELDS,
    TABLE_FIELDS,
    deliveries,
)
from tests.integration.targets.places import document_place, execute, table_place
from tests.integration.targets.workers import two_workers

#: At least this many histories per mode in every run; the profiles may ask for more.
EXAMPLES = max(500, settings.default.max_examples)
#: Shrinking would repeat races that do not repeat, for minutes; histories are short as they are.
thoroughly = settings(max_examples=EXAMPLES, phases=(Phase.explicit, Phase.reuse, Phase.generate))


@pytest.fixture(scope="module")
def documents(module_dsn):
    with document_place(module_dsn) as place, two_workers(place) as workers:
        yield workers


@pytest.fixture(scope="module")
def table(module_dsn):
    execute(module_dsn, "CREATE TYPE mood AS ENUM ('calm', 'glad')")
    columns = {name: type_ for name, (type_, _, _) in COLUMNS.items()}
    with table_place(module_dsn, columns) as place, two_workers(place) as workers:
        yield workers


@given(deliveries(DOCUMENT_FIELDS))
@thoroughly
def test_documents_are_a_function_of_the_set_of_operations(documents, delivery):
    documents.check(delivery)


@given(deliveries(TABLE_FIELDS))
@thoroughly
def test_rows_are_a_function_of_the_set_of_operations(table, delivery):
    table.check(delivery)
