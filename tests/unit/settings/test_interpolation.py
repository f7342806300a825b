from __future__ import annotations

import pytest

from syncpipe.settings.conversion import UnfitError
from syncpipe.settings.interpolation import interpolate, refers


def test_variables_are_put_in_anywhere_in_a_text():
    environ = {"USER": "me", "PASSWORD": "${env:USER}"}
    text = "postgresql://${env:USER}:${env:PASSWORD}@host"
    assert interpolate(text, environ) == "postgresql://me:${env:USER}@host"


def test_files_are_put_in_without_their_last_newline(tmp_path):
    secret = tmp_path / "dsn"
    secret.write_text("host=h\n\n", encoding="utf-8")
    assert interpolate(f"${{file:{secret}}}!", {}) == "host=h\n!"


def test_lists_are_searched_and_other_values_left_alone():
    assert interpolate(["${env:A}", 5], {"A": "x"}) == ["x", 5]
    assert interpolate(5, {}) == 5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("${env:NOPE}", "The variable 'NOPE' is not set."),
        ("${file:/nowhere/secret}", "/nowhere/secret cannot be read: No such file or directory."),
        ("${secret}", "${secret} is not a reference."),
        ("${}", "${} is not a reference."),
    ],
)
def test_what_cannot_be_put_in_is_refused(text, fault):
    with pytest.raises(UnfitError) as caught:
        interpolate(text, {})
    assert caught.value.message == fault
    assert caught.value.suggestion


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(UnfitError, match="it is not UTF-8"):
        interpolate(f"${{file:{tmp_path}/key}}", {})


def test_only_texts_with_references_refer():
    assert refers("a ${env:B}")
    assert not refers("a $B {env:B}")
    assert not refers(5)
