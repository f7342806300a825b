"""Every SQLSTATE has a meaning."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest
from psycopg.errors import _sqlcodes

from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetUnavailable,
)
from syncpipe.targets.postgres.refusal import MEANINGS, meaning, translate


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("08006", TargetUnavailable),
        ("22003", Refused),
        ("22P02", Refused),
        ("23502", RefusedForNow),
        ("23503", RefusedForNow),
        ("23505", Refused),
        ("23514", Refused),
        ("23P01", Refused),
        ("25006", TargetUnavailable),
        ("25P03", TargetBusy),
        ("28P01", TargetMisconfigured),
        ("3D000", TargetMisconfigured),
        ("3F000", TargetMisconfigured),
        ("40001", TargetBusy),
        ("40P01", TargetBusy),
        ("42501", TargetMisconfigured),
        ("42601", Refused),
        ("42703", TargetMisconfigured),
        ("42P01", TargetMisconfigured),
        ("44000", Refused),
        ("53100", TargetUnavailable),
        ("53300", TargetUnavailable),
        ("54000", Refused),
        ("55P03", TargetBusy),
        ("57014", RefusedForNow),
        ("57P01", TargetUnavailable),
        ("57P03", TargetUnavailable),
        ("58030", TargetUnavailable),
        ("P0001", RefusedForNow),
        ("XX000", RefusedForNow),
        ("ZZZZZ", RefusedForNow),
    ],
)
def test_a_sqlstate_means_what_the_documentation_says(sqlstate, expected):
    assert meaning(sqlstate) is expected


def test_every_sqlstate_that_the_driver_knows_has_a_meaning():
    for sqlstate in _sqlcodes:
        assert meaning(sqlstate) is not TargetError
        assert issubclass(meaning(sqlstate), TargetError)


def test_every_entry_of_the_table_is_reached_by_a_sqlstate_of_the_driver():
    for prefix, kind in MEANINGS.items():
        reached = [s for s in _sqlcodes if s.startswith(prefix) and meaning(s) is kind]
        assert reached, prefix


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (psycopg.OperationalError("server closed the connection"), TargetUnavailable),
        (psycopg.InterfaceError("the connection is closed"), TargetUnavailable),
        (psycopg_pool.PoolTimeout("couldn't get a connection"), TargetUnavailable),
        (psycopg.DataError("cannot dump"), Refused),
    ],
)
def test_faults_without_sqlstate_are_told_apart(fault, expected):
    error = translate(fault, "crm")

    assert type(error) is expected
    assert "'crm'" in str(error)
    assert str(fault) in str(error)
