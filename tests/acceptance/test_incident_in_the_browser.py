"""A night on call, in the browser: from a thousand dead letters to an entry in the audit."""

from __future__ import annotations

import json
import urllib.request

import psycopg
import pytest

from tests.acceptance.browser import Visitor, browser, pages
from tests.acceptance.incident import NEWER, WRONG, Incident

#: Dead letters of each cause, the most frequent first; the text that the first ones share.
LONG, NEGATIVE, ORPHANS = (WRONG[word][0] for word in ("long", "negative", "orphan"))
CANARY = "neighbours"


@pytest.fixture(scope="module")
def running():
    with browser() as started:
        yield started


@pytest.fixture
def folder(request):
    """Where pictures stay: the directory of pytest's cache."""
    return request.config.cache.mkdir("screenshots")


@pytest.fixture
def incident(running, tmp_path, dsn, redis_url):  # noqa: ARG001 -- no incident without a browser
    with Incident(tmp_path, redis_url, dsn) as incident:
        for _ in range(2):
            incident.start()
        incident.happen()
        yield incident


@pytest.fixture
def visitor(running, incident, folder):
    with pages(incident) as home:
        visitor = Visitor(running, home, folder)
        yield visitor
        assert not visitor.wrong, "\n".join(visitor.wrong)
        visitor.context.close()


def number(text):
    return int("".join(filter(str.isdigit, text)))


def test_the_whole_incident(visitor, incident):
    page = visitor.page
    visitor.go("/")
    page.get_by_role("link", name="Dead letters").click()
    fingerprint = look_at_causes(visitor)
    look_at_a_letter(visitor)
    plan_the_replay(visitor, fingerprint)

    # The cause is mended; a canary goes first, then the rest.
    with psycopg.connect(incident.dsn) as connection:
        connection.execute("ALTER TABLE orders ALTER note TYPE text")
    drawer = page.locator("#sp-drawer")
    drawer.get_by_role("button", name=f"Replay {LONG}").click()
    drawer.get_by_text("What was ordered").wait_for()
    page.wait_for_selector('#sp-drawer [data-state="finished"]')
    outcomes = {
        word: drawer.locator(f'[data-outcome="{word}"]') for word in ("applied", "superseded")
    }
    assert number(outcomes["applied"].inner_text()) == LONG - NEWER
    assert number(outcomes["superseded"].inner_text()) == NEWER
    with psycopg.connect(incident.dsn) as connection:
        notes = "SELECT count(*) FROM orders WHERE length(note) > 20"
        assert connection.execute(notes).fetchone() == (LONG - NEWER,)
    visitor.shoot("5-replay")
    page.keyboard.press("Escape")

    find_it_in_the_audit(visitor)
    page.get_by_role("link", name="Pipeline").click()
    page.locator("canvas").first.wait_for()
    visitor.shoot("7-pipeline")
    assert CANARY not in page.content()
    with urllib.request.urlopen(f"{visitor.home}/syncpipe/api/v1/dead-letters/stats") as answer:  # noqa: S310
        assert json.load(answer)["by_state"] == {"open": NEGATIVE + ORPHANS, "resolved": LONG}


def look_at_causes(visitor):
    """See the causes, the most frequent one first; return its fingerprint."""
    page = visitor.page
    rows = page.locator("[data-cause]")
    rows.nth(2).wait_for()
    numbers = [number(row.locator(".sp-number b").inner_text()) for row in rows.all()]
    assert numbers == [LONG, NEGATIVE, ORPHANS]
    assert number(page.locator("[data-open-letters]").inner_text()) == sum(numbers)
    assert "22001" in rows.nth(0).inner_text()
    visitor.shoot("1-causes")
    return rows.nth(0).get_attribute("data-cause")


def look_at_a_letter(visitor):
    """Open a cause, and one of its letters beside the record as it is now."""
    page = visitor.page
    page.locator("[data-cause]").nth(0).get_by_role("link").click()
    drawer = page.locator("#sp-drawer")
    drawer.get_by_text("What to do").wait_for()
    assert "open=where" in page.url
    visitor.shoot("2-cause")
    drawer.locator("[data-letter]").first.click()
    diff = drawer.locator("[data-diff]")
    diff.wait_for()
    assert "total" in diff.inner_text()
    assert "***" in diff.inner_text()
    assert drawer.locator("[data-attempts] li").count() == 1
    assert drawer.get_by_role("button", name="Reveal values").count() == 0  # it takes an admin
    visitor.shoot("3-letter")
    page.go_back()
    drawer.get_by_text("The newest").wait_for()


def plan_the_replay(visitor, fingerprint):
    """See what a replay would do, and what it would be on the command line."""
    page = visitor.page
    drawer = page.locator("#sp-drawer")
    drawer.get_by_role("button", name="Replay…").click()
    drawer.get_by_label("Why").first.fill("the column was too short, OPS-12")
    assert drawer.get_by_role("button", name=f"Replay {LONG}").is_disabled()
    drawer.get_by_role("button", name="Dry run").click()
    drawer.get_by_text("would change their records").wait_for()
    drawer.get_by_text("would end as superseded").wait_for()
    visitor.shoot("4-dry-run")
    drawer.locator("form:visible").get_by_role("button", name="Copy CLI command").click()
    assert page.evaluate("navigator.clipboard.readText()") == (
        f"syncpipe dlq replay --where fp:{fingerprint} --reason 'the column was too short, OPS-12' "
        "--canary 20"
    )


def find_it_in_the_audit(visitor):
    """See that the list has followed, and that the audit knows who did what, and why."""
    page = visitor.page
    page.wait_for_function(
        "left => document.querySelectorAll('[data-cause]').length === left", arg=2
    )
    page.get_by_role("link", name="Audit", exact=True).click()
    entry = page.locator("[data-entry]").first
    entry.wait_for()
    said = entry.inner_text()
    assert "anonymous" in said
    assert "the column was too short, OPS-12" in said
    page.get_by_role("button", name="Verify the chain").click()
    page.get_by_text("Every entry is right").wait_for()
    visitor.shoot("6-audit")
