"""Filters of dead letters: the tree that a text of the filter language becomes. Pure.

:mod:`syncpipe.core.filter_language` reads and writes the text:

.. code-block:: text

    target:crm code:23505 collection:orders key:"c/42" age:>1h attempts:>=5 data.country:DE
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Comparison(enum.Enum):
    """How a field is compared with a value."""

    EQUAL = ""
    #: The field begins with the value; written with a star at its end.
    PREFIX = "*"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Term:
    """One field compared with one value."""

    #: Name of the field, such as ``target``; ``data`` for what is in an operation.
    field: str
    #: How.
    comparison: Comparison
    #: The value as the field has it: moments as milliseconds since the Unix epoch, never relative.
    value: str | int
    #: Names below ``data``, from the outside in; empty for other fields.
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """What does not fit *inner*."""

    inner: Filter


@dataclass(frozen=True, slots=True)
class Every:
    """What fits all of *parts*; without parts, everything."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """What fits one of *parts* at least."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = Term | Not | Every | Either
#: Fits everything.
ALL = Every()


def terms(filter_: Filter) -> Iterator[Term]:
    """Yield every term of *filter_*."""
    left: list[Filter] = [filter_]
    while left:
        match left.pop():
            case Term() as term:
                yield term
            case Not(inner):
                left.append(inner)
            case Every(parts) | Either(parts):
                left += reversed(parts)


def reveals(filter_: Filter, shown: Callable[[tuple[str, ...]], bool]) -> bool:
    """Whether *filter_* looks at something in operations that is masked.

    *shown* tells whether everybody may see what is at a path below ``data``. Whoever may ask how
    many letters fit ``data.salary:>50000`` knows the salary soon.
    """
    return any(term.path and not shown(term.path) for term in terms(filter_))
