"""The tab *Dead letters*: causes, letters, replays and the audit, and a drawer beside them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from syncpipe.core.access import Role
from syncpipe.core.filter_language import parse
from syncpipe.core.filtering import terms
from syncpipe.errors import InvalidFilter, StoreMissing, SyncpipeError
from syncpipe.store.audit import Wanted
from syncpipe.ui import drawer
from syncpipe.ui.handling import Page
from syncpipe.ui.refusal import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.access import Identity
    from syncpipe.ui.backend import Backend

#: The parts of the tab, by the word in the address.
VIEWS = {"causes": "Causes", "letters": "Letters", "replays": "Replays", "audit": "Audit"}
#: Rows of a page.
_ROWS = 25
#: Replays that are shown above the rest while they run.
_ACTIVE = 5
#: States of dead letters, in the order of their lives.
STATES = ("open", "replaying", "resolved", "edited", "discarded")


class LettersPage(Page):
    """The tab; with ``part`` what of it changes, with ``part=drawer`` what is open beside it."""

    async def get(self) -> None:
        """Show it."""
        view = self.text("view") or "causes"
        view = view if view in VIEWS else "causes"
        where, opened = self.text("where"), self.text("open")
        asked: dict[str, Any] = {
            "view": view,
            "where": where,
            "open": opened,
            "after": self.text("after"),
            "verb": self.text("verb"),
        }
        rights = self._rights()
        part = self.text("part")
        if part == "drawer":
            self.render("sp-drawer.html", **await self._drawer(opened), **rights)
            return
        seen = await self.ask(_seen, self.backend, self.identity, asked)
        if part:
            self.render("sp-letters-part.html", seen=seen, asked=asked, link=_link(asked), **rights)
            return
        beside = await self._drawer(opened) if opened else None
        self.render(
            "sp-letters.html",
            seen=seen,
            asked=asked,
            link=_link(asked),
            beside=beside,
            views=VIEWS,
            **rights,
            reveals=_reveals(where),
        )

    async def post(self) -> None:
        """Show what is open with what is in its operation, which the audit remembers."""
        body = self.body()
        opened, reason = body.text("open"), body.text("reason")
        body.end()
        found = await self._drawer(opened, reveal=True, reason=reason)
        self.render("sp-drawer.html", **found, **self._rights())

    async def _drawer(self, opened: str, **how: Any) -> dict[str, Any]:
        identity = self.identity
        return await self.ask(_safely, lambda: drawer.look(self.backend, identity, opened, **how))

    def _rights(self) -> dict[str, Any]:
        identity, writable = self.identity, not self.read_only
        return {
            "identity": identity,
            "may_act": writable and identity.role >= Role.OPERATOR,
            "may_reveal": writable and identity.role >= Role.ADMIN,
            "now_ms": self.backend.parts.clock.now_ms(),
        }


def _seen(backend: Backend, identity: Identity, asked: dict[str, Any]) -> dict[str, Any]:
    """Return what the part of the tab shows that is *asked* for, or what is wrong."""
    try:
        letters, replays = backend.letters(identity), backend.replays(identity)
    except StoreMissing as error:
        return {"trouble": described(error, HTTPStatus.SERVICE_UNAVAILABLE)[1]}
    where, after = asked["where"], asked["after"] or None

    def look() -> dict[str, Any]:
        match asked["view"]:
            case "causes":
                return {"causes": letters.groups(where, limit=_ROWS, muted=True)}
            case "letters":
                found = letters.list(where, limit=_ROWS, after=after)
                return {"list": found, "number": letters.count(where)}
            case "replays":
                return {"replays": replays.list(limit=_ROWS)}
        return {"entries": _entries(backend, identity, asked)}

    seen = _safely(
        lambda: {"stats": letters.stats(), "active": replays.list(limit=_ACTIVE, active=True)}
    )
    return seen if seen["trouble"] else {**seen, **_safely(look)}


def _entries(backend: Backend, identity: Identity, asked: dict[str, Any]) -> list[dict[str, Any]]:
    before = asked["after"] if asked["after"].isascii() and asked["after"].isdigit() else "0"
    return backend.audit(identity).log(
        Wanted(verb=asked["verb"] or None), limit=_ROWS, before=int(before[:18]) or None
    )


def _safely(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what *look* finds, or as ``trouble`` why it cannot."""
    try:
        return {"trouble": None, **look()}
    except SyncpipeError as error:
        return {"trouble": described(error, HTTPStatus.INTERNAL_SERVER_ERROR)[1]}


def _link(asked: dict[str, Any]) -> Callable[..., str]:
    """Return what makes the query of an address like the present one, with *changes*."""

    def link(**changes: str) -> str:
        kept = {"view": asked["view"], "where": asked["where"], **changes}
        return "?" + urlencode({name: value for name, value in kept.items() if value})

    return link


def _reveals(where: str) -> bool:
    """Return whether a filter looks at what is in operations: each look is audited then."""
    try:
        return any(term.field == "data" for term in terms(parse(where, now_ms=0)))
    except InvalidFilter:
        return False
