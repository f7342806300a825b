"""Dead letters as JSON: the verbs of the service, each at an address."""

from __future__ import annotations

import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from syncpipe.core.filter_language import quoted
from syncpipe.deadletters.editing import Wish
from syncpipe.deadletters.pace import Pace
from syncpipe.ui.body import bad
from syncpipe.ui.handling import Api
from syncpipe.ui.refusal import Refusal

if TYPE_CHECKING:
    from syncpipe.deadletters.letters import DeadLetters
    from syncpipe.ui.body import Body

#: Most rows that one answer holds.
_MOST = 1_000
_MOST_EXPORTED = 10_000
_THOUSAND = 1_000


class LettersApi(Api):
    """What the addresses of dead letters have in common."""

    def letters(self) -> DeadLetters:
        """Return what whoever asks may do. Raises StoreMissing."""
        return self.backend.letters(self.identity)

    def limit(self, default: int, most: int = _MOST) -> int:
        """Return how many rows are wanted."""
        text = self.text("limit", str(default))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
            raise bad(f"'limit' has to be 1 to {most:,}.")
        return int(text)


class ListApi(LettersApi):
    """``GET dead-letters``."""

    async def get(self) -> None:
        """Answer with the newest that fit."""
        after = self.text("after") or None
        found = await self.ask(
            self.letters().list, self.text("where"), limit=self.limit(50), after=after
        )
        self.answer(found)


class CountApi(LettersApi):
    """``GET dead-letters/count``."""

    async def get(self) -> None:
        """Answer with how many fit."""
        self.answer({"number": await self.ask(self.letters().count, self.text("where"))})


class GroupsApi(LettersApi):
    """``GET dead-letters/groups``."""

    async def get(self) -> None:
        """Answer with the causes of those that fit."""
        muted = self.text("muted") == "true"
        found = await self.ask(
            self.letters().groups, self.text("where"), limit=self.limit(50), muted=muted
        )
        self.answer({"groups": found})


class StatsApi(LettersApi):
    """``GET dead-letters/stats``."""

    async def get(self) -> None:
        """Answer with how many there are."""
        self.answer(await self.ask(self.letters().stats))


class ExportApi(LettersApi):
    """``GET dead-letters/export``, and ``POST`` with what is in operations."""

    async def get(self) -> None:
        """Answer with everything about those that fit, masked."""
        limit = self.limit(_THOUSAND, _MOST_EXPORTED)
        self.answer(await self.ask(self._exported, self.text("where"), limit, reveal=False))

    async def post(self) -> None:
        """Answer with what is in operations, too."""
        body = self.body()
        where, reason, reveal = body.text("where"), body.text("reason"), body.flag("reveal")
        limit = body.whole("limit", _THOUSAND) or 1
        body.end()
        if limit > _MOST_EXPORTED:
            raise bad(f"'limit' has to be 1 to {_MOST_EXPORTED:,}.")
        self.answer(await self.ask(self._exported, where, limit, reveal=reveal, reason=reason))

    def _exported(
        self, where: str, limit: int, *, reveal: bool, reason: str = ""
    ) -> dict[str, Any]:
        rows = self.letters().export(where, reveal=reveal, reason=reason, limit=limit)
        letters = list(itertools.islice(rows, limit))
        return {"letters": letters, "more": len(letters) == limit}


class ShowApi(LettersApi):
    """``GET dead-letters/ID``."""

    async def get(self, id_: str) -> None:
        """Answer with everything about it, masked."""
        self.answer({"letters": _present(id_, await self.ask(self.letters().show, id_))})


class RevealApi(LettersApi):
    """``POST dead-letters/ID/reveal``."""

    async def post(self, id_: str) -> None:
        """Answer with everything about it, with what is in its operation."""
        body = self.body()
        reason = body.text("reason")
        body.end()
        rows = await self.ask(self.letters().show, id_, reveal=True, reason=reason)
        self.answer({"letters": _present(id_, rows)})


class EditApi(LettersApi):
    """``POST dead-letters/ID/edit``."""

    async def post(self, id_: str) -> None:
        """Put another operation in its place."""
        body = self.body()
        wish = Wish(
            body.fields("set"),
            body.texts("unset"),
            as_of_now=_as_of_now(body),
            version=body.whole("version"),
        )
        how: dict[str, Any] = {"reason": body.text("reason"), "dry_run": body.flag("dry_run")}
        body.end()
        _present(id_, await self.ask(self.letters().show, id_))
        self.answer(await self.ask(self.letters().edit, id_, wish, **how))


class ActApi(LettersApi):
    """``POST dead-letters/VERB``, about all that fit a filter."""

    async def post(self, verb: str) -> None:
        """Do it, or answer with its plan."""
        body, letters = self.body(), self.letters()
        how: dict[str, Any] = {"reason": body.text("reason"), "dry_run": body.flag("dry_run")}
        where = body.text("where")
        if not where.strip() and verb != "purge":
            raise bad(
                "A filter has to say which dead letters are meant.",
                "`state:open` means all of them.",
            )
        match verb:
            case "replay":
                pace = _pace(body)
                body.end()
                self.answer(await self.ask(letters.replay, where, pace, **how))
            case "discard":
                accept_loss = body.flag("accept_loss")
                body.end()
                self.answer(await self.ask(letters.discard, where, accept_loss=accept_loss, **how))
            case "restore":
                body.end()
                self.answer(await self.ask(letters.restore, where, **how))
            case _:
                older_than_s = body.whole("older_than_s", 30 * 86_400) or 0
                body.end()
                older_than_ms = min(older_than_s, 10**10) * _THOUSAND
                self.answer(
                    await self.ask(letters.purge, where, older_than_ms=older_than_ms, **how)
                )


class MuteApi(LettersApi):
    """``POST dead-letters/mute``."""

    async def post(self) -> None:
        """Leave a cause out of the list of causes for a while."""
        body = self.body()
        fingerprint, reason = body.text("fingerprint"), body.text("reason")
        seconds = body.whole("for_s")
        body.end()
        found = await self.ask(self.letters().groups, f"fp:{quoted(fingerprint)}", muted=True)
        if not found:
            raise unknown("cause", fingerprint)
        until_ms = None
        if seconds:
            until_ms = self.backend.parts.clock.now_ms() + min(seconds, 10**9) * _THOUSAND
        self.answer(await self.ask(self.letters().mute, fingerprint, until_ms, reason=reason))


def _present(id_: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *rows* if there are any. Raises Refusal."""
    if not rows:
        raise unknown("dead letter", id_)
    return rows


def unknown(what: str, id_: str) -> Refusal:
    """Return that there is no *what* of that id."""
    return Refusal(
        HTTPStatus.NOT_FOUND, f"There is no {what} {id_[:80]!r}.", "Look for it in the list."
    )


def _as_of_now(body: Body) -> bool:
    word = body.text("as_of", "original")
    if word not in {"original", "now"}:
        raise bad("'as_of' has to be original or now.")
    return word == "now"


def _pace(body: Body) -> Pace:
    return Pace(
        limit=body.whole("limit"),
        rate=body.number("rate"),
        canary=body.whole("canary", 0) or 0,
        stop_on_error_rate=body.number("stop_on_error_rate", 0.05) or 0.0,
        as_of_now=_as_of_now(body),
    )
