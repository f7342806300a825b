"""Where our pages join Flower: its list of handlers, its settings, its navigation, its queues.

Flower has no plugin interface, so this holds for the release that `pyproject.toml` names. A test
says whether each seam is where it should be.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flower
import structlog
from flower import urls
from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView
from flower.views.error import NotFoundErrorHandler
from tornado.template import Loader, Template
from tornado.web import RequestHandler, url

from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.transport.dialect import dialect_of
from syncpipe.ui import addresses
from syncpipe.ui.backend import Backend

if TYPE_CHECKING:
    from flower.views import BaseHandler

    from syncpipe.app import App

#: The key of the settings under which handlers find what they ask.
BACKEND = "syncpipe"
_TEMPLATES = Path(__file__).with_name("templates")
#: The last tab of Flower's own, behind which ours stand.
_LAST_TAB = re.compile(r"(\{% if active_tab == 'broker' %\}aria-current.*?</li>)", re.DOTALL)


class Overlay(Loader):
    """Finds our templates, then Flower's; puts our tabs into Flower's navigation."""

    def __init__(self, theirs: str) -> None:
        """Take from *theirs* what is not ours."""
        super().__init__(theirs)
        self.tabs = (_TEMPLATES / "sp-tabs.html").read_text(encoding="utf-8")

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:  # noqa: ARG002 -- tornado's signature
        """Return *name*: no template lies below another."""
        return name

    def _create_template(self, name: str) -> Template:
        path = _TEMPLATES / name if name.startswith("sp-") else Path(self.root, name)
        source = path.read_text(encoding="utf-8")
        if name == "navbar.html":
            source, found = _LAST_TAB.subn(lambda match: match[1] + self.tabs, source, count=1)
            if not found:
                structlog.get_logger("syncpipe.ui").warning(
                    "no-place-for-tabs", flower=flower.__version__, pages="/syncpipe/dead-letters"
                )
        return Template(source, name=name, loader=self)


def install(parts: App) -> Backend:
    """Add our pages to every application of Flower that this process makes from now on.

    Installing again replaces what the pages ask by *parts*; who installs closes what is returned,
    unless the process ends.
    """
    backend = Backend(parts)
    urls.settings[BACKEND] = backend
    dead = dialect_of(parts.settings.broker.url).physical(DEAD_QUEUE)
    urls.settings["syncpipe_dead_queue"] = dead
    if isinstance(urls.settings.get("template_loader"), Overlay):
        return backend
    # Tornado keeps the loader that it used first for good.
    RequestHandler._template_loaders.clear()  # noqa: SLF001
    urls.settings["template_loader"] = Overlay(urls.settings["template_path"])
    last = urls.handlers[-1]
    if last[1] is not NotFoundErrorHandler:
        raise RuntimeError(f"Flower {flower.__version__} has its handlers in another order.")
    urls.handlers[:] = [*map(_with_dead_letters, urls.handlers[:-1]), *addresses.handlers(), last]
    return backend


class _BrokerView(BrokerView):
    """Flower's tab with the queue of dead letters, also while nobody consumes it."""

    def get_active_queue_names(self) -> list[str]:
        return _and_dead(self, super().get_active_queue_names())


class _QueueLengths(GetQueueLengths):
    """The same for the API."""

    def get_active_queue_names(self) -> list[str]:
        return _and_dead(self, super().get_active_queue_names())


def _and_dead(handler: BaseHandler, names: list[str]) -> list[str]:
    return sorted({*names, handler.settings["syncpipe_dead_queue"]})


def _with_dead_letters(rule: Any) -> Any:
    """Return one of Flower's *rules*, ours in its place where it shows queues."""
    if isinstance(rule, tuple):
        return (rule[0], _QueueLengths, *rule[2:]) if rule[1] is GetQueueLengths else rule
    if rule.handler_class is BrokerView:
        rule = url(rule.regex.pattern, _BrokerView, rule.kwargs, name=rule.name)
    return rule
