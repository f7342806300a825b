"""Commands and values as the drawer shows them."""

from __future__ import annotations

import shlex

import pytest

from syncpipe.ui.drawer import command, readable, written


def test_a_command_is_what_a_shell_reads_back():
    where = 'key:"it\'s" -state:open $(rm -rf /)'
    line = command("dlq", "replay", "--where", where)
    assert shlex.split(line) == ["syncpipe", "dlq", "replay", "--where", where]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("a", '"a"'), (1, "1"), (None, "null"), ("~f12.50", "12.50"),
        ("~d2026-03-01", "2026-03-01"),
        ("~~home", '"~home"'), ("", '""'), ("~", ""),
        ({"a": ["~f1"]}, '{"a": ["~f1"]}'), ("ä", '"ä"'),
    ],
)  # fmt: skip
def test_people_need_no_tags(value, seen):
    assert readable(value) == seen


def test_whoever_edits_needs_them():
    assert written("~f12.50") == '"~f12.50"'
