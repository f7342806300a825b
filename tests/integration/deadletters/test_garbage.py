"""Whatever somebody writes as an id, a filter or a place: an answer, or an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncpipe.core.access import Role
from syncpipe.deadletters.editing import Wish
from syncpipe.errors import SyncpipeError
from tests.integration.deadletters.samples import dead, unreadable

INJECTIONS = (
    "'; DROP TABLE dead_letters; --",
    "id:0197a000' OR '1'='1",
    "%s %(where)s {schema}",
    "\0",
    "\ud800",
    "a" * 10_000,
    "99999999-9999-9999-9999-999999999999",
    "ffffffff" * 9,
    "999999999999999:x",
    "1:'; --",
    "-1:",
    "data.a'b:1",
    'key:"\\"',
)
texts = st.one_of(
    st.sampled_from(INJECTIONS), st.text(max_size=40), st.text("0123456789abcdef-:", max_size=40)
)


@pytest.fixture
def before(store):
    store.dead_letters.record([dead(1), unreadable()])
    return store.triage.stats().by_state


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_nothing_breaks_and_nothing_is_written(store, letters_of, before, text):
    letters = letters_of(Role.ADMIN)
    nothing = {"where": "key:nobody"}
    for ask in (
        lambda: letters.show(text),
        lambda: letters.list(text),
        lambda: letters.list(after=text),
        lambda: letters.count(text),
        lambda: letters.groups(text),
        lambda: letters.editable(text),
        lambda: letters.edit(text, Wish({"a": text}), dry_run=True),
        lambda: letters.replay(text, dry_run=True),
        lambda: letters.discard(text, reason="x", dry_run=True),
        lambda: letters.restore(text, dry_run=True),
        lambda: letters.purge(text, older_than_ms=0, reason="x", dry_run=True),
        lambda: list(letters.export(text)),
        lambda: letters.mute(text, None),
        lambda: letters.discard(**nothing, reason=text),
        lambda: letters.restore(**nothing, reason=text),
    ):
        try:
            ask()
        except SyncpipeError:
            continue
    assert store.triage.stats().by_state == before


@pytest.mark.parametrize("field", ["\0", "a\ud800", "x" * 300, ""])
def test_names_of_fields_are_checked_like_values(store, letters, field):
    store.dead_letters.record([dead(1)])
    try:
        letters.edit(dead(1).id, Wish({field: 1}), dry_run=True)
    except SyncpipeError as error:
        assert error.code.startswith("SP-E2")  # noqa: PT017 -- some of them may be fine


def test_a_reason_may_be_anything(store, letters, acts):
    store.dead_letters.record([dead(1), dead(2)])
    for number, reason in enumerate(("a\0b", "a\ud800b"), 1):
        done = letters.discard(f"key:k{number}", reason=reason, accept_loss=True)
        assert done["number"] == 1
    assert len(acts()) == 2
