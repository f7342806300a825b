"""The verbs of dead letters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from syncpipe.core.access import Role
from syncpipe.core.audit import Act
from syncpipe.core.filtering import reveals
from syncpipe.core.operation import Kind, uuid7
from syncpipe.core.version import ZERO
from syncpipe.deadletters import describing
from syncpipe.deadletters.describing import Row
from syncpipe.deadletters.editing import changed_fields, edited, edited_letter
from syncpipe.deadletters.glances import Glances
from syncpipe.deadletters.naming import only_cause, only_letter
from syncpipe.deadletters.outlook import outlook, pages
from syncpipe.deadletters.pace import Pace
from syncpipe.deadletters.records import Prospect
from syncpipe.deadletters.selecting import Selection, selection
from syncpipe.deadletters.veil import Veil
from syncpipe.errors import LossNotAccepted, NotPossible
from syncpipe.store.deadletters import OPEN, Position
from syncpipe.store.triage import DISCARDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncpipe.core.access import Identity
    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.masks import Masks
    from syncpipe.deadletters.editing import Wish
    from syncpipe.deadletters.records import Records
    from syncpipe.store.deadletters import Kept
    from syncpipe.store.replays import Order, Plan
    from syncpipe.store.store import OnCallStore

_ID_BITS = 74
#: Dead letters of a plan that are compared with their records.
_SAMPLE = 1_000
#: Several results.
Rows = list[Row]


class ReplayMaker(Protocol):
    """Makes replays for somebody."""

    def plan(self, order: Order) -> Plan:
        """Return what a replay would take now."""
        ...

    def create(self, order: Order, reason: str) -> Row:
        """Make it, and return it as it stands."""
        ...


class DeadLetters:
    """What somebody may do with dead letters. Safe to use from several threads.

    *where* is always a text of the filter language; filters raise InvalidFilter. Those that look at
    masked fields, like everything that reveals, take the role of admins, and the audit remembers
    them. Everything raises AccessDenied, StoreUnavailable and StoreOutdated, and what changes
    anything AuditKeyMissing.
    """

    def __init__(  # noqa: PLR0913 - the list of its parts
        self,
        store: OnCallStore,
        identity: Identity,
        records: Records,
        *,
        replays: ReplayMaker,
        masks: Masks,
        clock: Clock,
        random: Random,
        glances: Glances | None = None,
    ) -> None:
        """Act on *store* as *identity*, who sees what *masks* show; compare with *records*.

        Replays are made by *replays*, for the same identity. Ids are made of *clock* and *random*.
        What the process remembers of filters on masked fields is in *glances*.
        """
        self._store = store
        self._triage = store.triage
        self._identity = identity
        self._records = records
        self._replays = replays
        self._veil = Veil(masks)
        self._clock = clock
        self._random = random
        self._glances = glances or Glances()

    def __enter__(self) -> Self:
        """Return itself, to be closed at the end of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give back the connections to targets; the store is the caller's. Idempotent."""
        self._records.close()

    def list(self, where: str = "", *, limit: int = 50, after: str | None = None) -> Row:
        """Return up to *limit* dead letters, the newest first, from behind *after* on.

        Open ones, unless the filter names a state or a letter. ``after`` of the result is where the
        next call goes on; None at the end.
        """
        chosen = self._chosen(where, OPEN)
        entries = self._triage.entries(chosen.filter, limit=limit, after=_position(after))
        more = len(entries) == limit
        return {
            "letters": [describing.summary(entry) for entry in entries],
            "after": _cursor(entries[-1].position) if more else None,
            "filter": chosen.text,
        }

    def count(self, where: str = "") -> int:
        """Return how many `list` would return without a limit."""
        return self._triage.count(self._chosen(where, OPEN).filter)

    def groups(self, where: str = "", *, limit: int = 50, muted: bool = False) -> Rows:
        """Return the causes of open dead letters, the most frequent first; *muted* ones if told."""
        chosen = self._chosen(where, OPEN)
        return [
            describing.cause_row(e)
            for e in self._triage.causes(chosen.filter, limit=limit, muted=muted)
        ]

    def stats(self) -> Row:
        """Return how many there are by state, and open ones by target and code."""
        self._identity.require(Role.VIEWER, "count dead letters")
        return describing.stats_row(self._triage.stats())

    def show(self, id_: str, *, reveal: bool = False, reason: str = "") -> Rows:
        """Return everything about those that *id_* names, each beside its record as it is now.

        *id_* is a letter's id or its operation's, which may have one for each target, or the
        beginning of one.
        """
        self._identity.require(Role.VIEWER, "look at dead letters")
        found = self._triage.find(id_)
        veil = self._lifted(found, reason) if reveal else self._veil
        looks = self._records.look(found)
        return [
            describing.description(kept, veil) | {"record": describing.beside(look, veil)}
            for kept, look in zip(found, looks, strict=True)
        ]

    def editable(self, id_: str, *, reveal: bool = False, reason: str = "") -> Row:
        """Return the operation of one open dead letter as its editor shows it.

        A masked field stays as it is when nothing else is put in the place of its mask.
        """
        self._identity.require(Role.OPERATOR, "edit dead letters")
        kept, operation = only_letter(self._triage, id_)
        veil = self._lifted([kept], reason) if reveal else self._veil
        return {
            "id": kept.id,
            "collection": operation.collection,
            "key": operation.key,
            "version": operation.version,
            **describing.operation_row(operation, veil),
        }

    def edit(self, id_: str, wish: Wish, *, reason: str = "", dry_run: bool = False) -> Row:
        """Have the operation that *wish* makes of an open dead letter's take its place.

        The original is kept. The new one has a new id, and the original's version unless the wish
        is another. ``superseded`` of the result tells that the record is newer, ``asked`` whether
        the target could tell what it has.

        Raises:
            NotPossible: the letter is not open or cannot be read, or its operation has been applied
                after all.
            InvalidOperation: a client could not send such an operation.
            TargetError: it is an increment, and the target cannot be asked whether it was applied.

        """
        self._identity.require(Role.OPERATOR, "edit dead letters")
        kept, original = only_letter(self._triage, id_)
        letter = kept.letter
        collection = self._records.collection(original.collection, letter.target)
        if collection is None:
            raise NotPossible(
                f"The configuration declares no collection {original.collection!r} of target "
                f"{letter.target!r}."
            )
        look = self._records.look([kept])[0]
        counted = original.kind is Kind.INCREMENT
        if counted and self._records.seen(letter.target or "", collection, original):
            look = replace(look, prospect=Prospect.APPLIED)
        if look.prospect is Prospect.APPLIED and (counted or not wish.as_of_now):
            raise NotPossible("The original has been applied after all; replay or discard it.")
        now_ms = self._clock.now_ms()
        operation = edited(
            original,
            wish,
            collection,
            id_=uuid7(now_ms, self._random.bits(_ID_BITS)),
            now_ms=now_ms,
            newest=look.present.memory.newest if look.present else ZERO,
        )
        fields = changed_fields(original, operation)
        result: Row = {
            "original": kept.id,
            "operation_id": operation.uuid,
            "version": operation.version,
            "fields": fields,
            "superseded": look.prospect is Prospect.NEWER and not wish.as_of_now,
            "asked": look.present is not None,
        }
        if dry_run:
            return {"id": None, **result}
        details = {"operation_id": operation.uuid, "fields": fields, "version": operation.version}
        act = self._act("dlq.edit", kept.id, reason, details)
        saved = self._triage.edit(kept.id, edited_letter(letter, original, operation), act)
        return {"id": saved.id, **result}

    def replay(
        self, where: str, pace: Pace | None = None, *, reason: str = "", dry_run: bool = False
    ) -> Row:
        """Make a replay of the open dead letters that fit, or return its plan; workers run it.

        Raises:
            NotPossible: there is none.

        """
        self._identity.require(Role.OPERATOR, "replay dead letters")
        chosen = self._chosen(where, OPEN)
        pace = pace or Pace()
        order = pace.order(chosen)
        if dry_run:
            plan = describing.plan_row(self._replays.plan(order), order)
            some = pages(self._triage, chosen.among(OPEN).filter, limit=_SAMPLE)
            return {**plan, "outlook": {} if pace.as_of_now else outlook(self._records, some)}
        return self._replays.create(order, reason.strip() or f"replay by {self._identity.actor}")

    def discard(
        self,
        where: str,
        *,
        reason: str,
        accept_loss: bool = False,
        dry_run: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Row:
        """Put away the open ones that fit; they can be restored until they are purged.

        *progress* is told now and then how many have been compared with their records.

        Raises:
            NotPossible: there is no reason.
            LossNotAccepted: for some of them the target has nothing newer, or cannot be asked, and
                *accept_loss* is not given.

        """
        self._identity.require(Role.OPERATOR, "discard dead letters")
        _require_reason(reason, "Discarding")
        chosen = self._chosen(where).among(OPEN)
        found = outlook(self._records, pages(self._triage, chosen.filter), progress)
        result = {"filter": chosen.text, "accept_loss": accept_loss, **found}
        if dry_run or not found["number"]:
            return result
        if found["lost"] and not accept_loss:
            raise LossNotAccepted(
                f"For {found['lost']:,} of {found['number']:,} dead letters the target has nothing "
                "newer, or cannot be asked: their changes would be lost."
            )
        act = self._act("dlq.discard", chosen.text, reason, {"lost": found["lost"]})
        changed = self._triage.discard(chosen.filter, act)
        return result | {"number": changed.number, "ids": [*changed.ids]}

    def restore(self, where: str, *, reason: str = "", dry_run: bool = False) -> Row:
        """Open the discarded ones that fit again."""
        self._identity.require(Role.OPERATOR, "restore dead letters")
        chosen = self._chosen(where).among(DISCARDED)
        result = {"filter": chosen.text, "number": self._triage.count(chosen.filter)}
        if dry_run or not result["number"]:
            return result
        changed = self._triage.restore(chosen.filter, self._act("dlq.restore", chosen.text, reason))
        return result | {"number": changed.number, "ids": [*changed.ids]}

    def purge(
        self, where: str = "", *, older_than_ms: int, reason: str, dry_run: bool = False
    ) -> Row:
        """Delete for good what was discarded, resolved or edited more than *older_than_ms* ago."""
        self._identity.require(Role.ADMIN, "purge dead letters")
        _require_reason(reason, "Purging")
        chosen = self._chosen(where)
        before_ms = self._clock.now_ms() - older_than_ms
        result = {"filter": chosen.text, "before_ms": before_ms}
        if dry_run:
            number = self._triage.purgeable(filter_=chosen.filter, before_ms=before_ms)
            return {**result, "number": number}
        act = self._act("dlq.purge", chosen.text, reason, {"before_ms": before_ms})
        changed = self._triage.purge(act, filter_=chosen.filter, before_ms=before_ms)
        return {**result, "number": changed.number, "ids": [*changed.ids]}

    def mute(self, fingerprint: str, until_ms: int | None, *, reason: str = "") -> Row:
        """Leave a cause out of lists of causes until then; None: no longer.

        The beginning of its fingerprint is enough.

        Raises:
            NotPossible: no dead letter has it, or it is the beginning of several.

        """
        self._identity.require(Role.OPERATOR, "mute causes")
        fingerprint = only_cause(self._triage, fingerprint)
        act = self._act("dlq.mute", fingerprint, reason, {"until_ms": until_ms})
        self._triage.mute(fingerprint, until_ms, act)
        return {"fingerprint": fingerprint, "until_ms": until_ms}

    def export(
        self, where: str = "", *, reveal: bool = False, reason: str = "", limit: int | None = None
    ) -> Iterator[Row]:
        """Return everything about those that fit, one at a time, the newest first.

        With *reveal* also what is in operations, and their bytes in base64.
        """
        chosen = self._chosen(where, OPEN)
        veil = self._veil
        if reveal:
            self._identity.require(Role.ADMIN, "export what is in operations")
            self._store.audit.write(self._act("dlq.export", chosen.text, reason))
            veil = replace(veil, lifted=True)
        return (
            describing.exported(kept, veil)
            for page in pages(self._triage, chosen.filter, limit=limit)
            for kept in page
        )

    def _chosen(self, where: str, *states: str) -> Selection:
        """Return what *where* means, for somebody who may ask for it."""
        self._identity.require(Role.VIEWER, "look at dead letters")
        chosen = selection(where, now_ms=self._clock.now_ms(), states=states)
        if reveals(chosen.filter, self._shows):
            self._identity.require(Role.ADMIN, "filter by what is in operations")
            act = self._act("dlq.filter", chosen.text, "")
            self._glances.once(where, act, self._clock.monotonic(), self._store.audit.write)
        return chosen

    def _lifted(self, found: Sequence[Kept], reason: str) -> Veil:
        """Return the veil, lifted for somebody who may see these dead letters."""
        self._identity.require(Role.ADMIN, "see what is in operations")
        for kept in found:
            self._store.audit.write(self._act("dlq.reveal", kept.id, reason))
        return replace(self._veil, lifted=True)

    def _shows(self, path: tuple[str, ...]) -> bool:
        """Whether everybody may see what is at *path* in an operation, whatever its collection."""
        masks = self._veil.masks
        return bool(masks.rules) and all(masks.of(name).shows(path[0]) for name in masks.rules)

    def _act(
        self, verb: str, subject: str, reason: str, details: dict[str, Any] | None = None
    ) -> Act:
        actor = self._identity.actor
        said = reason.strip() or f"{verb.partition('.')[2]} by {actor}"
        return Act(actor, verb, subject, said, details or {})


def _require_reason(reason: str, act: str) -> None:
    if not reason.strip():
        raise NotPossible(f"{act} takes a reason: whoever looks for them later wants to know.")


def _cursor(position: Position) -> str:
    return f"{position.last_seen_ms}:{position.id}"


def _position(cursor: str | None) -> Position | None:
    """Return the place that `_cursor` wrote. Raises NotPossible."""
    if cursor is None:
        return None
    moment, _, id_ = cursor.partition(":")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 15):  # noqa: PLR2004
        raise NotPossible(f"{cursor[:40]!r} is no place in a list of dead letters.")
    return Position(int(moment), id_)
