"""What to do about a dead letter."""

from __future__ import annotations

import pytest

from syncpipe import errors
from syncpipe.deadletters.hints import HINTS, hint

REFUSED = errors.Refused.code


@pytest.mark.parametrize(
    "sqlstate",
    ["23505", "23503", "23514", "23502", "40001", "57014", "42501", "42P01", "22001", "22P02"],
)
def test_every_sqlstate_that_matters_has_a_hint(sqlstate):
    assert hint(REFUSED, sqlstate=sqlstate).text not in {"", errors.Refused.hint}


@pytest.mark.parametrize("status", [401, 403, 404, 409, 413, 422, 429, 500, 503, 418])
def test_every_status_that_matters_has_a_hint(status):
    assert hint(REFUSED, status=status).text not in {"", errors.Refused.hint}


def test_the_longest_beginning_wins():
    assert hint(REFUSED, sqlstate="23505") == HINTS["23505"]
    assert hint(REFUSED, sqlstate="23P01") == HINTS["23"]
    assert hint(REFUSED, status=404) == HINTS["http 404"]
    assert hint(REFUSED, status=418) == HINTS["http 4"]


def test_what_the_table_does_not_know_the_error_says_itself():
    assert hint(errors.Refused.code).text == errors.Refused.hint
    assert hint(errors.StoreUnavailable.code).transient
    assert hint("SP-E999").text == ""


def test_what_may_pass_is_told_from_what_may_not():
    assert hint(REFUSED, sqlstate="40001").transient
    assert not hint(REFUSED, sqlstate="23514").transient


def test_every_key_can_be_met_and_every_code_exists():
    codes = {each.code for each in _tree(errors.SyncpipeError)}
    for key, found in HINTS.items():
        assert found.text.endswith("."), key
        if key.startswith("SP-E"):
            assert any(code.startswith(key) for code in codes), key


def _tree(error):
    yield error
    for each in error.__subclasses__():
        yield from _tree(each)
