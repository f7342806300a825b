from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from syncpipe import errors
from syncpipe.cli.explain import error_page, error_tree, find_error
from syncpipe.errors import BufferFull, SyncpipeError, TargetError

DOCS = Path(__file__).parents[2] / "docs"
ERRORS = [error for error, _ in error_tree()]


def test_all_errors_stand_in_one_module_under_one_root():
    defined = {
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, BaseException) and each.__module__ == errors.__name__
    }
    assert defined == set(ERRORS)


def test_codes_are_unique_and_well_formed():
    codes = [error.code for error in ERRORS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"SP-E\d{3}", code) for code in codes)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_says_what_it_means_and_what_to_do(error):
    assert re.search(r"\w\.(\s|$)", inspect.cleandoc(error.__doc__))
    assert error.hint.endswith(".")
    assert isinstance(error.retryable, bool)


@pytest.mark.parametrize("error", [error for error in ERRORS if error is not SyncpipeError])
def test_every_error_has_a_code_of_its_own_in_its_family(error):
    assert "code" in vars(error)
    family = next(each for each in error.__mro__ if SyncpipeError in each.__bases__)
    assert error.code[:5] == family.code[:5]


def test_the_tree_at_the_top_of_the_module_is_the_tree():
    drawn = re.findall(r"(\w+)\s+(SP-E\d{3})", errors.__doc__)
    assert drawn == [(error.__name__, error.code) for error in ERRORS if error is not SyncpipeError]


def test_an_error_reads_as_code_message_and_what_to_do():
    text = str(BufferFull("The buffer is full.", retry_after=1.5))
    assert text.startswith("SP-E401 The buffer is full. Wait `retry_after` seconds")


def test_a_targets_error_keeps_what_the_target_said():
    error = TargetError("No.", sqlstate="23505", constraint="orders_pkey")
    assert (error.sqlstate, error.constraint) == ("23505", "orders_pkey")


@pytest.mark.parametrize("text", ["SP-E501", "sp-e501", "E501", "501", " 501 "])
def test_a_code_is_found_in_any_spelling(text):
    assert find_error(text) is errors.TargetUnavailable


def test_an_unknown_code_is_not_found():
    assert find_error("SP-E999") is None


def test_the_committed_page_is_what_the_code_says():
    committed = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert committed == error_page(), "run: syncpipe explain --page > docs/errors.md"
