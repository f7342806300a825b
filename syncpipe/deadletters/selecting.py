"""From the text of a filter to what it means for somebody, and for the audit. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncpipe.core.filter_language import parse, text_of
from syncpipe.core.filtering import Comparison, Either, Every, Filter, Not, Term, terms
from syncpipe.core.masking import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Fields by which a letter is meant itself, whatever became of it.
_ONE = frozenset({"state", "id", "op"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters somebody means."""

    #: What fits.
    filter: Filter
    #: The filter as a text, in which moments are not relative, and no value of an operation is.
    text: str

    def among(self, *states: str) -> Selection:
        """Return those of them that are in one of *states*."""
        return _selection(_joined(self.filter, _of_states(states)))


def selection(where: str, *, now_ms: int, states: Iterable[str] = ()) -> Selection:
    """Return what the filter *where* means at *now_ms*.

    Those in one of *states* alone, unless it names a state or a letter itself.

    Raises:
        InvalidFilter: it is none.

    """
    filter_ = parse(where, now_ms=now_ms)
    if (states := tuple(states)) and not any(term.field in _ONE for term in terms(filter_)):
        filter_ = _joined(filter_, _of_states(states))
    return _selection(filter_)


def of_letters(ids: Iterable[str]) -> Selection:
    """Return the letters with these *ids*, whole ones."""
    found = tuple(Term("id", Comparison.EQUAL, str(uuid.UUID(each))) for each in ids)
    return _selection(found[0] if len(found) == 1 else Either(found))


def _selection(filter_: Filter) -> Selection:
    return Selection(filter_, text_of(_hidden(filter_)))


def _of_states(states: tuple[str, ...]) -> Filter:
    found = tuple(Term("state", Comparison.EQUAL, state) for state in states)
    return found[0] if len(found) == 1 else Either(found)


def _joined(left: Filter, right: Filter) -> Filter:
    return Every((*(left.parts if isinstance(left, Every) else (left,)), right))


def _hidden(filter_: Filter) -> Filter:
    """Return *filter_* with what it compares fields of operations with hidden."""
    match filter_:
        case Term(path=()):
            return filter_
        case Term():
            return replace(filter_, comparison=Comparison.EQUAL, value=HIDDEN)
        case Not(inner):
            return Not(_hidden(inner))
        case Every(parts):
            return Every(tuple(map(_hidden, parts)))
        case Either(parts):
            return Either(tuple(map(_hidden, parts)))
