"""What errors become."""

from __future__ import annotations

import pytest
from tornado.web import HTTPError

from syncpipe import errors
from syncpipe.ui.refusal import Refusal, described


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidFilter("x", column=3), 400),
        (errors.AccessDenied("x"), 403),
        (errors.NotPossible("x"), 409),
        (errors.AuditKeyMissing("x"), 409),
        (errors.InvalidValue("x"), 400),
        (errors.StoreUnavailable("x"), 503),
        (errors.StoreMissing("x"), 503),
        (errors.TargetUnavailable("x"), 503),
        (errors.UnknownTarget("x"), 400),
    ],
)
def test_errors_of_ours_have_a_status_their_code_and_a_hint(error, status):
    found, said = described(error, 500)
    assert (found, said["code"], said["message"], said["hint"]) == (
        status,
        error.code,
        "x",
        error.hint,
    )
    assert said.get("column") == (3 if status == 400 and hasattr(error, "column") else None)


@pytest.mark.parametrize("status", [400, 401, 404, 405, 413])
def test_statuses_of_tornado_are_told_too(status):
    found, said = described(HTTPError(status), status)
    assert (found, said["code"]) == (status, "SP-E800")
    assert said["message"]
    assert said["hint"]


def test_of_what_nobody_expected_nothing_is_told():
    found, said = described(ValueError("canary-4111"), 500)
    assert (found, said["code"]) == (500, "SP-E000")
    assert "canary" not in str(said)


def test_a_refusal_may_hold_any_character():
    refusal = Refusal(400, "100 % of it", "Why?")
    assert described(refusal, 400)[1]["message"] == "100 % of it"
    assert "100 % of it" in str(refusal)


def test_a_status_that_nobody_knows_is_one_all_the_same():
    assert described(HTTPError(499), 499)[0] == 499
