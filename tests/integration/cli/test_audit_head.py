"""A command that acts says on stderr how the audit ends then; one that looks does not."""

from __future__ import annotations

import pytest

from syncpipe.cli.output import Exit
from tests.contract.test_deadletters import dead


@pytest.fixture
def letter(store):
    store.dead_letters.record([dead(1)])
    return dead(1).id


def test_whoever_acts_is_told_how_the_audit_ends(run, store, letter):
    for arguments in (
        ("discard", letter, "--yes", "--accept-loss", "--reason", "test"),
        ("restore", letter, "--yes"),
        ("show", letter, "--reveal"),
        ("replay", letter, "--yes", "--detach"),  # it ends with an exit code of its own
    ):
        done = run(*arguments)
        assert f"Audit: {store.audit.head()}\n" in done.stderr, arguments
        assert "Audit: " not in done.stdout


def test_whoever_looks_or_fails_is_told_nothing(run, letter):
    for arguments, status in (
        (("list",), Exit.OK),
        (("list", "--where", "target:none"), Exit.NOTHING),
        (("show", letter), Exit.OK),
        (("discard", letter, "--dry-run", "--reason", "test"), Exit.OK),
        (("discard", letter, "--yes", "--reason", "test"), Exit.FAILED),
    ):
        assert "Audit: " not in run(*arguments, status=status).stderr, arguments
