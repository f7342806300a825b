"""Replays and the audit as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.core.audit import Head
from syncpipe.store.audit import Wanted
from syncpipe.ui.body import bad
from syncpipe.ui.letters_api import LettersApi, unknown

if TYPE_CHECKING:
    from syncpipe.audit import AuditLog
    from syncpipe.replay.service import Replays


class _Replays(LettersApi):
    """What the addresses of replays have in common."""

    def replays(self) -> Replays:
        """Return what whoever asks may do. Raises StoreMissing."""
        return self.backend.replays(self.identity)

    async def found(self, id_: str) -> dict[str, Any]:
        """Return the replay. Raises Refusal where there is none."""
        row = await self.ask(self.replays().show, id_)
        if row is None:
            raise unknown("replay", id_)
        return row


class ReplaysApi(_Replays):
    """``GET replays``."""

    async def get(self) -> None:
        """Answer with the newest."""
        active = self.text("active") == "true"
        found = await self.ask(self.replays().list, limit=self.limit(50), active=active)
        self.answer({"replays": found})


class ReplayApi(_Replays):
    """``GET replays/ID``."""

    async def get(self, id_: str) -> None:
        """Answer with it as it stands."""
        self.answer(await self.found(id_))


class ReplayActApi(_Replays):
    """``POST replays/ID/VERB``."""

    async def post(self, id_: str, verb: str) -> None:
        """Pause, resume or cancel it."""
        body = self.body()
        reason = body.text("reason")
        body.end()
        row = await self.found(id_)
        replays = self.replays()
        acts = {"pause": replays.pause, "resume": replays.resume, "cancel": replays.cancel}
        self.answer(await self.ask(acts[verb], row["id"], reason))


class _Audit(LettersApi):
    """What the addresses of the audit have in common."""

    def audit(self) -> AuditLog:
        """Return the audit as whoever asks may see it. Raises StoreMissing."""
        return self.backend.audit(self.identity)


class AuditApi(_Audit):
    """``GET audit``."""

    async def get(self) -> None:
        """Answer with the newest entries that are wanted."""
        found = await self.ask(
            self.audit().log,
            Wanted(self.text("actor") or None, self.text("verb") or None),
            limit=self.limit(50),
            before=self.before(),
        )
        self.answer({"entries": found})

    def before(self) -> int | None:
        """Return the number before which entries are wanted."""
        text = self.text("before")
        if text and not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 -- fits 64 bits
            raise bad("'before' has to be the number of an entry.")
        return int(text) if text else None


class VerifyApi(_Audit):
    """``GET audit/verify``."""

    async def get(self) -> None:
        """Answer with whether the chain is whole."""
        head = self.text("head")
        try:
            known = Head.read(head) if head else None
        except ValueError as error:
            raise bad("'head' has to be NUMBER:HMAC.") from error
        self.answer(await self.ask(self.audit().verify, known))


class AuditExportApi(_Audit):
    """``GET audit/export``."""

    async def get(self) -> None:
        """Answer with every entry, and the head behind them."""
        self.answer({"lines": await self.ask(self._lines)})

    def _lines(self) -> list[dict[str, Any]]:
        return list(self.audit().export())
