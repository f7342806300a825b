"""What the driver raises is translated by the one table."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest
from psycopg import errors

from syncpipe.errors import Refused, TargetBusy, TargetUnavailable
from syncpipe.resilience.classification import Classification, ErrorClass
from syncpipe.targets.postgres.refusal import translate

TABLE = Classification()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (psycopg.OperationalError("server closed the connection"), TargetUnavailable),
        (psycopg.InterfaceError("the connection is closed"), TargetUnavailable),
        (psycopg_pool.PoolTimeout("couldn't get a connection"), TargetBusy),
        (psycopg.DataError("cannot dump"), Refused),
    ],
)
def test_faults_without_sqlstate_are_told_apart(fault, expected):
    error = translate(fault, "crm", TABLE)

    assert type(error) is expected
    assert "'crm'" in str(error)
    assert str(fault) in str(error)


def test_a_fault_with_a_sqlstate_means_what_the_table_says():
    fault = errors.UniqueViolation("duplicate key")
    error = translate(fault, "crm", TABLE)

    assert (type(error), error.sqlstate) == (Refused, "23505")
    assert "answered 23505: duplicate key" in error.message


def test_a_target_may_say_otherwise():
    table = Classification({"23505": ErrorClass.TRANSIENT})
    assert type(translate(errors.UniqueViolation("no"), "crm", table)) is TargetBusy
