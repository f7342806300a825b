"""The pages without any worker: keys, filters, edits, what is put away, and what is forged."""

from __future__ import annotations

import pytest

from syncpipe.core.audit import Act
from syncpipe.core.filtering import ALL, Comparison, Term
from syncpipe.resilience.hold import Hold
from tests.acceptance.browser import Visitor, browser, pages
from tests.acceptance.fleet import StoredFleet
from tests.integration.deadletters.samples import CANARY, dead, operation

#: A key and a constraint that would be more than text, if anybody let them.
FORGED = "<img src=x onerror=alert(1)>\"'{{7*7}}"
EXTRA = """
[collections.orders.mask]
status = "show"
total = "show"
[store]
dsn = "{dsn}"
[audit]
key = "f00dbabe5eed1234cafe9876a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
[access]
default = "{role}"
"""


@pytest.fixture(scope="module")
def running():
    with browser() as started:
        yield started


class Desk(StoredFleet):
    """Dead letters in a store, and nobody who works."""

    def __init__(self, folder, broker_url, dsn, role):
        super().__init__(folder, broker_url, dsn, EXTRA.format(dsn=dsn, role=role))

    def __enter__(self):
        super().__enter__()
        letters = [dead(n) for n in range(1, 41)]
        letters.append(dead(of=operation(99, key=FORGED), constraint=FORGED, sqlstate="23505"))
        self.store.dead_letters.record(letters)
        return self


@pytest.fixture
def role():
    return "operator"


@pytest.fixture
def visitor(request, running, role, tmp_path, dsn, redis_url):
    folder = request.config.cache.mkdir("screenshots")
    with Desk(tmp_path, redis_url, dsn, role) as desk, pages(desk, "--url-prefix", "ops") as home:
        visitor = Visitor(running, home, folder)
        visitor.store = desk.store
        yield visitor
        assert not visitor.wrong, "\n".join(visitor.wrong)
        visitor.context.close()


def test_everything_can_be_reached_with_keys(visitor):
    page = visitor.page
    visitor.go("/syncpipe/dead-letters")
    page.keyboard.press("/")
    page.keyboard.type("constraint:positive")
    page.keyboard.press("Enter")
    page.wait_for_url("**where=constraint*")
    assert page.locator("[data-cause]").count() == 1

    page.locator("h1").click()
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys and filters").wait_for()
    visitor.shoot("8-help")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Keys and filters").wait_for(state="hidden")

    link = page.locator("[data-cause] a").first
    link.focus()
    page.keyboard.press("Enter")
    page.get_by_text("What to do").wait_for()
    assert page.evaluate("document.activeElement.id") == "sp-drawer-title"
    # The list is another one by now, and the focus comes back all the same.
    page.evaluate("document.querySelector('#sp-part').syncpipeHtml = ''; syncpipe.refreshAll()")
    page.wait_for_function("() => document.querySelector('#sp-part').syncpipeHtml !== ''")
    page.keyboard.press("Escape")
    page.locator("#sp-drawer").wait_for(state="hidden")
    page.wait_for_function("() => !location.search.includes('open=')")
    page.wait_for_function("() => document.activeElement.closest('[data-cause]') !== null")

    page.keyboard.press("r")
    page.get_by_text("Refreshed.").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused").wait_for()


def test_a_bad_filter_points_at_the_mistake(visitor):
    visitor.go("/syncpipe/dead-letters?where=target:crm+nosuch:1")
    visitor.page.get_by_text("There is no field nosuch").wait_for()
    assert "column 12" in visitor.page.locator("[role=alert]").inner_text()
    visitor.shoot("9-bad-filter")


def test_what_is_forged_is_text(visitor):
    page = visitor.page
    visitor.go("/syncpipe/dead-letters?view=letters&where=code:23505")
    page.locator("[data-letter]").first.wait_for()
    assert FORGED in page.locator("[data-letter]").first.inner_text()
    page.locator("[data-letter] a").first.click()
    page.locator("[data-attempts]").wait_for()
    assert FORGED in page.locator("#sp-drawer").inner_text()


def test_some_are_chosen_and_put_away_and_brought_back(visitor):
    page = visitor.page
    visitor.go("/syncpipe/dead-letters?view=letters")
    visitor.shoot("10-letters")
    for place in (1, 3):
        page.locator("[data-select]").nth(place).check()
    page.get_by_role("button", name="Selected 2…").click()
    page.get_by_role("button", name="Discard…").click()
    form = page.locator("form:visible", has_text="Discard 2")
    form.get_by_label("Why").fill("test data")
    form.get_by_role("button", name="Dry run").click()
    form.get_by_text("changes would be lost").wait_for()
    assert form.get_by_role("button", name="Discard 2").is_disabled()
    visitor.shoot("11-discard")
    form.get_by_label("Also those").check()
    form.get_by_role("button", name="Dry run").click()
    form.get_by_role("button", name="Discard 2").click()
    page.get_by_text("Done: 2 dead letters.").wait_for()
    page.locator("[data-open-letters]", has_text="39").wait_for()
    assert visitor.store.triage.stats().by_state == {"open": 39, "discarded": 2}

    visitor.go("/syncpipe/dead-letters?view=letters&where=state:discarded")
    page.get_by_role("button", name="All that match…").click()
    page.get_by_role("button", name="Restore…").click()
    form = page.locator("form:visible", has_text="Restore 2")
    form.get_by_role("button", name="Dry run").click()
    form.get_by_role("button", name="Restore 2").click()
    page.get_by_text("Done: 2 dead letters.").wait_for()
    assert visitor.store.triage.stats().by_state == {"open": 41}


def test_one_is_edited_without_rounding_any_number(visitor):
    page = visitor.page
    visitor.go(f"/syncpipe/dead-letters?open=letter:{dead(1).id}")
    page.get_by_role("button", name="Edit…").click()
    form = page.locator("form:visible", has_text="Edit the operation")
    form.get_by_label("Value of total").fill("117683911909376044123")
    form.get_by_label("Leave out status").check()
    visitor.shoot("12-edit")
    form.get_by_role("button", name="Copy CLI command").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (
        f"syncpipe dlq edit {dead(1).id} --set total=117683911909376044123 --unset status"
    )
    form.get_by_role("button", name="Dry run").click()
    form.get_by_text("fields that differ").wait_for()
    form.get_by_role("button", name="Put it in its place").click()
    page.get_by_text("It is in its place.").wait_for()
    assert "117683911909376044123" in page.locator("[data-diff]").inner_text()
    assert visitor.store.triage.stats().by_state == {"open": 41, "edited": 1}


@pytest.mark.parametrize("role", ["admin"])
def test_an_admin_sees_values_and_the_audit_says_so(visitor):
    page = visitor.page
    visitor.go(f"/syncpipe/dead-letters?open=letter:{dead(1).id}")
    page.get_by_label("Why do you have to see values?").fill("OPS-1")
    assert CANARY not in page.content()
    page.get_by_role("button", name="Reveal values").click()
    page.get_by_text("the audit has an entry of it").wait_for()
    assert CANARY in page.locator("[data-diff]").inner_text()
    (record,) = visitor.store.audit.records()
    assert (record.act.verb, record.act.reason) == ("dlq.reveal", "OPS-1")


@pytest.mark.parametrize("role", ["viewer"])
def test_a_viewer_sees_no_button_that_changes_anything(visitor):
    page = visitor.page
    visitor.go("/syncpipe/dead-letters")
    page.locator("[data-cause]").first.wait_for()
    for where in ("", "?view=letters", f"?open=letter:{dead(1).id}", "?open=where:state:open"):
        visitor.go(f"/syncpipe/dead-letters{where}")
        words = [each.inner_text() for each in page.get_by_role("button").all()]
        assert not [word for word in words if word.endswith("…")]
        assert page.locator("form[data-act]").count() == 0


def test_who_paused_a_target_and_why_stands_on_its_card(visitor):
    visitor.store.pauses.hold("crm", Hold.OPEN, by="ann@desk", reason="database upgrade")
    visitor.go("/syncpipe/pipeline")
    card = visitor.page.locator('[data-target="crm"]')
    card.get_by_text("database upgrade").wait_for()
    assert "ann@desk" in card.inner_text()
    assert "paused" in card.inner_text()
    card.get_by_role("button", name="Copy CLI command: resume").click()
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied == "syncpipe target resume crm"
    visitor.shoot("14-paused")


@pytest.mark.parametrize("role", ["admin"])
def test_an_admin_purges_what_was_put_away(visitor):
    page = visitor.page
    act = Act("ann@desk", "dlq.discard", "code:23514", "x")
    visitor.store.triage.discard(Term("sqlstate", Comparison.EQUAL, "23514"), act)
    visitor.go("/syncpipe/dead-letters?open=where:state:discarded")
    page.get_by_role("button", name="Purge…").click()
    form = page.locator("form:visible", has_text="deleted for good")
    form.get_by_label("Longer ago than").select_option("0")
    form.get_by_label("Why").fill("test data")
    form.get_by_role("button", name="Dry run").click()
    form.get_by_text("dead letters").wait_for()
    form.get_by_role("button", name="Purge").click()
    page.get_by_text("Done: 40 dead letters.").wait_for()
    assert visitor.store.triage.stats().by_state == {"open": 1}


def test_an_empty_list_says_that_things_are_fine(visitor):
    act = Act("ann@desk", "dlq.discard", "state:open", "x")
    visitor.store.triage.discard(ALL, act)
    visitor.go("/syncpipe/dead-letters")
    visitor.page.get_by_text("No dead letters. Nothing to do.").wait_for()
    visitor.shoot("13-empty")
