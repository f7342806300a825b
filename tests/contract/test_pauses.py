"""What every store promises about pauses, the one in memory included."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from syncpipe.resilience.hold import Hold


@pytest.fixture
def pauses(store):
    return store.pauses


def hold(pauses, hold, target="crm", *, by="ada@h", reason="maintenance"):
    return pauses.hold(target, hold, by=by, reason=reason)


def test_at_first_nobody_wants_anything(pauses):
    assert pauses.current() == {}
    held = hold(pauses, Hold.NONE)
    assert (held.pause.hold, held.changed) == (Hold.NONE, False)
    assert pauses.current() == {}


def test_what_is_wanted_is_known_to_all_with_who_and_why(pauses):
    held = hold(pauses, Hold.OPEN, reason="«новая» версия")
    assert held.changed
    assert pauses.current() == {"crm": held.pause}
    pause = held.pause
    assert (pause.target, pause.hold, pause.by) == ("crm", Hold.OPEN, "ada@h")
    assert pause.reason == "«новая» версия"
    assert pause.since_ms > 0


def test_what_is_wanted_already_stays_as_it_was(pauses):
    first = hold(pauses, Hold.OPEN)
    again = hold(pauses, Hold.OPEN, by="bob@h", reason="another")
    assert (again.pause, again.changed) == (first.pause, False)


def test_the_last_wish_holds_for_each_target(pauses):
    for wish in (Hold.OPEN, Hold.CLOSED, Hold.NONE, Hold.OPEN, Hold.NONE):
        assert hold(pauses, wish).changed
        assert pauses.current()["crm"].hold is wish
    hold(pauses, Hold.CLOSED, "erp")
    assert {name: each.hold for name, each in pauses.current().items()} == {
        "crm": Hold.NONE,
        "erp": Hold.CLOSED,
    }


def test_of_many_who_want_the_same_at_once_one_does_it(pauses):
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda n: hold(pauses, Hold.OPEN, by=f"u{n}@h"), range(24)))
    assert sum(each.changed for each in held) == 1
    assert len({each.pause for each in held}) == 1
