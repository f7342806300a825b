"""Every answer of a target has a meaning."""

from __future__ import annotations

import pytest
from psycopg.errors import _sqlcodes

from syncpipe.errors import (
    Quarantined,
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooSlow,
)
from syncpipe.resilience.classification import (
    ERRORS,
    FAULTS,
    HTTP_FAULTS,
    ITEM_STATUSES,
    SQLSTATES,
    STATUSES,
    Classification,
    ErrorClass,
    is_http_key,
    is_sqlstate_key,
)

TABLE = Classification()
HTTP = range(100, 600)


def of_sqlstate(sqlstate, table=TABLE):
    return table.of_sqlstate(sqlstate, "m", constraint="c")


def of_status(status, table=TABLE, **said):
    return table.of_status(status, "m", endpoint="/in", **said)


def of_item(status, table=TABLE, **said):
    return table.of_item(status, "m", endpoint="/in", constraint="c", **said)


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
        ("57014", TooSlow),
        ("57P01", TargetUnavailable),
        ("57P03", TargetUnavailable),
        ("58030", TargetUnavailable),
        ("P0001", RefusedForNow),
        ("XX000", RefusedForNow),
        ("ZZZZZ", RefusedForNow),
    ],
)
def test_a_sqlstate_means_what_the_documentation_says(sqlstate, expected):
    error = of_sqlstate(sqlstate)
    assert type(error) is expected
    assert (error.message, error.sqlstate, error.constraint) == ("m", sqlstate, "c")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, TargetMisconfigured),
        (304, TargetMisconfigured),
        (308, TargetMisconfigured),
        (400, Refused),
        (401, TargetMisconfigured),
        (403, TargetMisconfigured),
        (404, TargetMisconfigured),
        (405, TargetMisconfigured),
        (408, TargetUnavailable),
        (409, RefusedForNow),
        (410, TargetMisconfigured),
        (413, Refused),
        (415, TargetMisconfigured),
        (418, RefusedForNow),
        (422, Refused),
        (423, RefusedForNow),
        (425, RefusedForNow),
        (429, TargetThrottled),
        (500, TargetUnavailable),
        (501, TargetMisconfigured),
        (502, TargetUnavailable),
        (503, TargetUnavailable),
        (504, TargetUnavailable),
        (505, TargetMisconfigured),
        (507, TargetUnavailable),
        (511, TargetMisconfigured),
    ],
)
def test_the_status_of_a_request_means_what_the_documentation_says(status, expected):
    error = of_status(status)
    assert type(error) is expected
    assert (error.message, error.status, error.endpoint) == ("m", status, "/in")


def test_only_some_statuses_of_a_single_operation_mean_something_else():
    other = {s: type(of_item(s)) for s in HTTP if type(of_item(s)) is not type(of_status(s))}
    assert other == {404: RefusedForNow, 410: Refused}
    assert (of_item(404).constraint, of_item(404).unknown) == ("c", None)


def test_a_target_that_says_when_to_come_back_is_throttled():
    for error in (of_status(503, retry_after_s=7.5), of_status(429, retry_after_s=7.5)):
        assert type(error) is TargetThrottled
        assert error.retry_after_s == 7.5
    assert of_status(429).retry_after_s is None
    assert of_item(429, retry_after_s=3).retry_after_s == 3
    for status in (500, 400, 301):
        assert type(of_status(status, retry_after_s=7.5)) is type(of_status(status))


def test_what_nobody_knows_is_refused_for_now_and_says_that_it_is_unknown():
    for error, code in (
        (of_sqlstate("P0001"), "P0001"),
        (of_sqlstate("???"), "???"),
        (of_status(418), "http 418"),
        (of_item(299), "http 299"),
        (TABLE.of_fault("no-result", "m"), "no-result"),
    ):
        assert type(error) is RefusedForNow
        assert error.unknown == code


def test_what_is_known_does_not_say_that_it_is_unknown():
    errors = [of_sqlstate("23503"), of_status(409), of_item(404), TABLE.of_fault("timeout", "m")]
    assert [error.unknown for error in errors] == [None] * 4


def test_every_code_has_a_meaning():
    for sqlstate in _sqlcodes:
        assert type(of_sqlstate(sqlstate)) is not TargetError
    for status in HTTP:
        assert type(of_status(status)) in ERRORS.values()
        assert type(of_item(status)) in ERRORS.values()


def test_every_entry_of_the_tables_is_reached():
    for table, codes in (
        (SQLSTATES, list(_sqlcodes)),
        (STATUSES, [f"{status}{end}" for status in HTTP for end in ("", " retry-after")]),
        (ITEM_STATUSES, map(str, HTTP)),
    ):
        reached = {max((p for p in table if c.startswith(p)), key=len, default=None) for c in codes}
        assert reached - {None} == set(table)


def test_every_class_has_an_error_of_its_own():
    assert set(ERRORS) == set(ErrorClass)
    assert len(set(ERRORS.values())) == len(ErrorClass)
    assert type(TABLE.of_fault("crash", "m")) is Quarantined


@pytest.mark.parametrize("class_", ErrorClass)
def test_a_target_may_say_otherwise(class_):
    keys = ("23505", "http 409", "timeout")
    table = Classification(dict.fromkeys(keys, class_))
    errors = [
        of_sqlstate("23505", table),
        of_status(409, table),
        of_item(409, table),
        table.of_fault("timeout", "m"),
    ]
    assert {type(error) for error in errors} == {ERRORS[class_]}
    assert [type(of_sqlstate("23514", table)), type(of_status(410, table))] == [
        type(of_sqlstate("23514")),
        type(of_status(410)),
    ]


def test_what_a_target_says_of_a_beginning_holds_for_all_that_begin_so():
    table = Classification({"23": ErrorClass.TRANSIENT, "2350": ErrorClass.OUTAGE})
    found = {s: type(of_sqlstate(s, table)) for s in ("23502", "23514", "22000")}
    assert found == {"23502": TargetUnavailable, "23514": TargetBusy, "22000": Refused}


def test_what_a_target_says_of_503_holds_with_and_without_a_time():
    table = Classification({"http 503": ErrorClass.MISCONFIGURED})
    assert type(of_status(503, table, retry_after_s=1)) is TargetMisconfigured
    assert type(of_status(503, table)) is TargetMisconfigured


def test_what_a_target_says_of_a_status_holds_for_single_operations_too():
    table = Classification({"http 404": ErrorClass.REFUSED_PERMANENT})
    assert type(of_item(404, table)) is Refused


@pytest.mark.parametrize("key", ["23", "23505", "P0001", "ZZZZZ"])
def test_keys_of_sqlstates(key):
    assert is_sqlstate_key(key)
    assert not is_http_key(key)


@pytest.mark.parametrize("key", ["http 409", "http 503", *sorted(HTTP_FAULTS)])
def test_keys_of_http(key):
    assert is_http_key(key)
    assert not is_sqlstate_key(key)


@pytest.mark.parametrize(
    "key", ["", "2", "235055", "23 05", "p0001", "409", "http", "http 200", "http 600", "crash"]
)
def test_no_keys(key):
    assert not is_sqlstate_key(key) or key == "409"
    assert not is_http_key(key)


def test_the_kinds_of_http_are_kinds():
    assert set(FAULTS) > HTTP_FAULTS
