"""A browser that looks at our pages, and what must be true of each of them."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.processes import started

#: What Debian and others call the browser.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
INSTALL = (
    "these tests need Chromium; enable with: "
    "sudo apt-get install -y --no-install-recommends chromium"
)
AXE = Path(__file__).with_name("axe") / "axe.min.js"
#: Where the page is looked at.
SCHEMES, WIDTHS, HEIGHT = ("light", "dark"), (1280, 390), 900
#: Milliseconds; reached only when something is broken.
PATIENCE_MS = 120_000

#: What finds texts and controls that lie on each other.
OVERLAPS = Path(__file__).with_name("overlaps.js")


@contextmanager
def browser():
    """Run a browser; skip the test where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(INSTALL)
    playwright = pytest.importorskip("playwright.sync_api", reason=INSTALL)
    with playwright.sync_playwright() as started_playwright:
        chromium = started_playwright.chromium
        running = chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--lang=en"]
        )
        yield running
        running.close()


@contextmanager
def pages(fleet, *options, **environment):
    """Run ``syncpipe ui``; return where it is, such as ``http://127.0.0.1:4711``."""
    arguments = ("ui", "--port", 0, "--config", fleet.config, *options)
    with started(*map(str, arguments), cwd=fleet.folder, **environment) as process:
        said = ""
        while line := process.stderr.readline():
            said += line
            if found := re.search(r"the pages are at (http://\S+)/syncpipe/dead-letters", line):
                break
        else:
            raise AssertionError(said)
        try:
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


class Visitor:
    """Somebody who looks at the pages, and remembers what a good page does not do."""

    def __init__(self, running, home, folder, **context):
        self.home = home
        self.folder = folder
        self.context = running.new_context(
            viewport={"width": WIDTHS[0], "height": HEIGHT}, **context
        )
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.wrong = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self._axe = AXE.read_text(encoding="utf-8")

    def go(self, path):
        """Open a page."""
        self.page.goto(self.home + path)

    def shoot(self, name):
        """Look at the page in both themes and widths: a picture of each, and nothing wrong."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                self.page.wait_for_function(
                    "scheme => document.documentElement.dataset.bsTheme === scheme", arg=scheme
                )
                place = f"{name}-{scheme}-{width}"
                whole = not self.page.locator("dialog[open]").count()
                self.page.screenshot(path=self.folder / f"{place}.png", full_page=whole)
                self.wrong += [f"{place}: {finding}" for finding in self._findings()]
            self.wrong += [f"{name}-{width}: {found}" for found in self._crowded()]
        self.page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
        self.page.emulate_media(color_scheme="light")

    def _findings(self):
        self.page.evaluate(f"() => {{ {self._axe} }}")
        found = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{each['impact']} {each['id']}: {node['html'][:120]} {node['any'][:1]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]

    def _crowded(self):
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return [
            *self.page.evaluate(OVERLAPS.read_text(encoding="utf-8")),
            *([f"{wide} px too wide"] if wide > 0 else []),
        ]

    def _heard(self, message):
        if message.type in {"error", "warning"}:
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request):
        if not request.url.startswith(("data:", "blob:")) and not self._is_home(request.url):
            self.wrong.append(f"request: {request.url}")

    def _answered(self, response):
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")

    def _is_home(self, url):
        return urlsplit(url).netloc == urlsplit(self.home).netloc
