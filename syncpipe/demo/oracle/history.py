"""What a history of operations makes of each record: sort by version and tie, then fold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact
from typing import TYPE_CHECKING, Literal, NamedTuple, assert_never, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Collection and canonical key text: what identifies a record.
Place = tuple[str, str]

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact])


class HistoryEntry(NamedTuple):
    """One operation that was sent; the same entry may occur any number of times."""

    #: Collection of the record.
    collection: str
    #: Canonical text of the record's key.
    key_text: str
    #: What the operation does.
    kind: Literal["upsert", "patch", "delete", "increment"]
    #: What orders it on its record.
    version: int
    #: What orders equal versions.
    tie: int
    #: Its id, the same in every copy.
    op_id: str
    #: Document, patch or amounts; None for a delete.
    data: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class ExpectedField:
    """A field's value and the operations that one can see in it."""

    #: The value.
    value: object
    #: Id of the operation that set it; None when it was only counted, from zero.
    setter: str | None
    #: Ids of the increments it contains, oldest first.
    increments: tuple[str, ...] = ()

    @property
    def contributors(self) -> set[str]:
        """Ids of every operation that is visible in the value."""
        return {*self.increments, *(() if self.setter is None else (self.setter,))}


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """What a history makes of one record."""

    #: Whether there is a record at all.
    exists: bool
    #: Its fields by name.
    fields: Mapping[str, ExpectedField]
    #: Id of the newest operation; of a record that does not exist, this is its delete.
    newest: str
    #: Id of the newest upsert or delete: what removed every older field. None if there is none.
    cleared_by: str | None
    #: For fields that a patch removed, the id of that patch.
    removed_by: Mapping[str, str]

    @property
    def contributors(self) -> set[str]:
        """Ids of the operations that are visible in the record, at least one."""
        visible = {id_ for field in self.fields.values() for id_ in field.contributors}
        return visible or {self.newest}

    @property
    def document(self) -> dict[str, object]:
        """The values alone."""
        return {name: field.value for name, field in self.fields.items()}


class Oracle:
    """Collects the history of an unbounded run, keeping per record only what can still matter.

    An upsert or delete makes everything older on its record irrelevant, so that may be forgotten.
    """

    def __init__(self) -> None:
        """Start with an empty history."""
        self._kept: dict[Place, list[HistoryEntry]] = {}
        self._cleared: dict[Place, tuple[int, int]] = {}

    def add(self, entry: HistoryEntry) -> None:
        """Note one operation; its data must not change afterwards."""
        place = entry.collection, entry.key_text
        if place in self._cleared and _order(entry) < self._cleared[place]:
            return
        kept = self._kept.setdefault(place, [])
        if entry.kind in ("upsert", "delete"):
            self._cleared[place] = _order(entry)
            kept[:] = [other for other in kept if _order(other) >= _order(entry)]
        kept.append(entry)

    def expected(self) -> dict[Place, ExpectedRecord]:
        """Return what every record should be now."""
        return expected(entry for kept in self._kept.values() for entry in kept)


def expected(history: Iterable[HistoryEntry]) -> dict[Place, ExpectedRecord]:
    """Return what every record named in ``history`` should be, in whatever order it is given."""
    entries: dict[Place, dict[str, HistoryEntry]] = {}
    for entry in history:
        entries.setdefault((entry.collection, entry.key_text), {})[entry.op_id] = entry
    return {place: _fold(sorted(ops.values(), key=_order)) for place, ops in entries.items()}


def _order(entry: HistoryEntry) -> tuple[int, int]:
    return entry.version, entry.tie


@dataclass(slots=True)
class _State:
    """A record while its operations are folded."""

    exists: bool = False
    fields: dict[str, ExpectedField] = field(default_factory=dict)
    cleared_by: str | None = None
    removed_by: dict[str, str] = field(default_factory=dict)


def _fold(entries: Iterable[HistoryEntry]) -> ExpectedRecord:
    """Apply the operations, oldest first, to a record that does not exist."""
    state, newest = _State(), ""
    for entry in entries:
        newest = entry.op_id
        state = _after(state, entry)
    return ExpectedRecord(state.exists, state.fields, newest, state.cleared_by, state.removed_by)


def _after(state: _State, entry: HistoryEntry) -> _State:
    data = entry.data or {}
    match entry.kind:
        case "upsert":
            fields = {name: ExpectedField(value, entry.op_id) for name, value in data.items()}
            return _State(exists=True, fields=fields, cleared_by=entry.op_id)
        case "delete":
            return _State(cleared_by=entry.op_id)
        case "patch":
            for name, value in data.items():
                _patch(state, name, value, entry.op_id)
        case "increment":
            for name, amount in data.items():
                state.fields[name] = _incremented(state.fields.get(name), amount, entry.op_id)
        case _:
            assert_never(entry.kind)
    state.exists = True
    return state


def _patch(state: _State, name: str, value: object, op_id: str) -> None:
    if value is None:
        state.fields.pop(name, None)
        state.removed_by[name] = op_id
    else:
        state.fields[name] = ExpectedField(value, op_id)


def _incremented(before: ExpectedField | None, amount: object, op_id: str) -> ExpectedField:
    """Return the field with the amount added; what is not a number is replaced, as if it were 0."""
    if before is None or type(before.value) not in (int, float, Decimal):
        return ExpectedField(amount, None, (op_id,))
    return replace(before, value=_sum(before.value, amount), increments=(*before.increments, op_id))


def _sum(left: object, right: object) -> int | Decimal:
    if type(left) is int and type(right) is int:
        return left + right
    return _EXACT.add(_decimal(left), _decimal(right))


def _decimal(value: object) -> Decimal:
    """Return a number as an exact decimal; of a float, the shortest text that means it."""
    return Decimal(repr(value)) if type(value) is float else Decimal(cast("int | Decimal", value))
