"""The comparison of what should be there with what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING

from .rows import ActualRow, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .history import ExpectedRecord, Place

#: Examples of each sort that a verdict keeps.
MAX_EXAMPLES = 10
#: Characters of a value that an example shows.
MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Example:
    """One difference, as text to print."""

    #: Collection of the record.
    collection: str
    #: Key text of the record.
    key: str
    #: The first field that differs; None when the whole row does.
    field: str | None
    #: What should be there.
    expected: str
    #: What is there.
    actual: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a table differs from what its history makes of it."""

    #: Records that should exist.
    records: int
    #: Distinct operations that should be visible and are not. A wrong number that was incremented
    #: counts as one, since one cannot see which of its operations is missing.
    lost: int
    #: Rows that are wrong, missing or extra.
    mismatches: int
    #: The first rows with another document.
    wrong: tuple[Example, ...]
    #: The first records without a row.
    missing: tuple[Example, ...]
    #: The first rows without a record.
    extra: tuple[Example, ...]


def same(left: object, right: object) -> bool:
    """Whether two values are equal in type, value and, for times, offset, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, datetime | time) and isinstance(right, datetime | time):
        offsets = left.utcoffset(), right.utcoffset()
        return offsets[0] == offsets[1] and left.replace(tzinfo=None) == right.replace(tzinfo=None)
    return left == right


def compare(records: Mapping[Place, ExpectedRecord], rows: Iterable[ActualRow]) -> Verdict:
    """Return how ``rows`` differ from the expected ``records``."""
    findings = _Findings()
    unseen = dict(records)
    for row in rows:
        record = unseen.pop((row.collection, row.key_text), None)
        if record is None or not record.exists:
            findings.extra_row(row, record)
        else:
            findings.row(row, record)
    for place, record in unseen.items():
        if record.exists:
            findings.missing_row(place, record)
    return findings.verdict(sum(record.exists for record in records.values()))


@dataclass(slots=True)
class _Findings:
    """The differences found so far."""

    lost: int = 0
    mismatches: int = 0
    wrong: list[Example] = field(default_factory=list)
    missing: list[Example] = field(default_factory=list)
    extra: list[Example] = field(default_factory=list)

    def row(self, row: ActualRow, record: ExpectedRecord) -> None:
        """Judge a row whose record should exist."""
        place = row.collection, row.key_text
        if not isinstance(row.document, dict):
            example = _example(place, None, record.document, row.document)
            self._note(self.wrong, example, record.contributors)
            return
        found = row.document
        names = [name for name in {**record.fields, **found} if _differs(name, record, found)]
        if names:
            example = _example(place, names[0], *_sides(names[0], record, found))
            lost = {id_ for name in names for id_ in _lost_in(name, record, found)}
            self._note(self.wrong, example, lost)

    def missing_row(self, place: Place, record: ExpectedRecord) -> None:
        """Note a record that should exist and has no row."""
        example = _example(place, None, record.document, None)
        self._note(self.missing, example, record.contributors)

    def extra_row(self, row: ActualRow, record: ExpectedRecord | None) -> None:
        """Note a row that should not exist, whether its record was deleted or never heard of."""
        example = _example((row.collection, row.key_text), None, None, row.document)
        self._note(self.extra, example, set() if record is None else {record.newest})

    def verdict(self, records: int) -> Verdict:
        """Return the findings about ``records`` records."""
        examples = tuple(self.wrong), tuple(self.missing), tuple(self.extra)
        return Verdict(records, self.lost, self.mismatches, *examples)

    def _note(self, examples: list[Example], example: Example, lost: set[str]) -> None:
        self.mismatches += 1
        self.lost += len(lost)
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)


_ABSENT = Unreadable("(absent)")


def _sides(name: str, record: ExpectedRecord, found: Mapping[str, object]) -> tuple[object, object]:
    """Return the expected and the found value of a field."""
    wanted = record.fields.get(name)
    return _ABSENT if wanted is None else wanted.value, found.get(name, _ABSENT)


def _differs(name: str, record: ExpectedRecord, found: Mapping[str, object]) -> bool:
    return not same(*_sides(name, record, found))


def _lost_in(name: str, record: ExpectedRecord, found: Mapping[str, object]) -> set[str]:
    """Return the operations that a field which differs does not show."""
    wanted = record.fields.get(name)
    if wanted is None:
        remover = record.removed_by.get(name, record.cleared_by)
        return set() if remover is None else {remover}
    if name in found and wanted.increments:
        return {wanted.increments[-1]}
    return wanted.contributors


def _example(place: Place, name: str | None, wanted: object, found: object) -> Example:
    return Example(*place, name, _shown(wanted), _shown(found))


def _shown(value: object) -> str:
    """Return a value's text, cut to a printable length."""
    if isinstance(value, Unreadable):
        return value.text[:MAX_SHOWN]
    try:
        return repr(value)[:MAX_SHOWN]
    except ValueError:  # an integer with more digits than Python prints
        return f"({type(value).__name__} too long to print)"
