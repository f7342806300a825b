"""What may be shown of a dead letter to people who may not see what is in its operation.

Fields are shown by name and type. In messages, what the operation itself holds is hidden, and for
places that many can look at, everything that looks like a value too.
"""

from __future__ import annotations

import json
import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from syncpipe.core.deadletter import operation_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.core.operation import Operation

#: What stands for a hidden value.
HIDDEN = "***"
#: What tells, behind an SQLSTATE, that a function of the user raised it, in any words.
OWN_WORDS = "in words of its own"
#: Classes of SQLSTATE whose messages PostgreSQL itself words, with values in quotes. What triggers
#: and functions of the user raise has others, and any words.
_WORDED = ("08", "22", "23", "25", "28", "3D", "3F", "40", "42", "44", "53", "54", "55", "57", "58")
#: How what a target has answered begins: the words behind it are not ours.
_ANSWERED = re.compile(rf"Target '[^']*' answered \w+(?P<own>, {OWN_WORDS})?: ")
_HIDDEN_ANSWERED = "Target *** answered ***: "
#: From the first quote or parenthesis of any language up to the last, because a value may hold any.
_QUOTED = re.compile(r"[\"'`«»„“\u2018\u2019「(].*[\"'`«»“”\u2018\u2019」)]", re.DOTALL)
_NUMBERS = re.compile(r"\b[0-9a-f]{8,}\b|\d+")
#: Values of up to so many characters are hidden only where they stand as words: "a" is everywhere.
_SHORT = 3
#: Of a value that was cut off, so many characters tell it, where something stands behind them.
_BEGINNING = 12
#: No more of a value can be in a message than so many times its length: spaces are drawn together.
_LONGER = 4
#: What we put behind a message that was cut off.
_ENDS = ".…"
#: Bits of the longest integer that is looked for: about 3,900 digits, of 4,300 that are written.
_LONG_BITS = 13_000


def shape(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of each field of an operation's *data*, by name."""
    return {name: _kind(value) for name, value in data.items()}


def wording(message: str, *, sqlstate: str | None, status: int | None) -> str:
    """Return *message* without anything that looks like a value.

    Empty where the words come from elsewhere: an endpoint, or the user's own functions, which
    *status* or *sqlstate* tell.
    """
    if status is not None or (sqlstate is not None and not sqlstate.startswith(_WORDED)):
        return ""
    lead = _ANSWERED.match(message)
    if lead and lead["own"]:
        return ""
    words = _NUMBERS.sub(HIDDEN, _QUOTED.sub(HIDDEN, message[lead.end() if lead else 0 :]))
    return _HIDDEN_ANSWERED + words if lead else words


def without_values(message: str, operation: Operation | None) -> str:
    """Return *message* without the key and the values of *operation*, whole, cut off or escaped."""
    if operation is None:
        return message
    most = _LONGER * len(message)
    plain = {value[:most] for value in (operation.key, *_leaves(operation.fields))}
    values = sorted({form for value in plain for form in _forms(value)}, key=len, reverse=True)
    for value in values:
        if len(value) > _SHORT:
            message = message.replace(value, HIDDEN)
        elif value and value in message:
            message = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, message)
    for value in values:
        message = _without_beginning(message, value)
    return message


def masked_reason(letter: DeadLetter) -> str:
    """Return code and message of *letter*, without values, for a place that many can look at."""
    state = letter.sqlstate or (letter.status and str(letter.status))
    message = without_values(letter.message, operation_of(letter))
    words = wording(message, sqlstate=letter.sqlstate, status=letter.status)
    return " ".join(part for part in (letter.code, state, letter.constraint, words) if part)


def _forms(value: str) -> set[str]:
    """Return *value* as it may be written: as it is, in one line, and as JSON has it."""
    if value.isalnum() and value.isascii():
        return {value}
    line = " ".join("".join(each if each.isprintable() else " " for each in value).split())
    return {value, line, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}


def _without_beginning(message: str, value: str) -> str:
    """Return *message* without what is left of a *value* where one of them was cut off."""
    at = message.find(value[:_BEGINNING]) if len(value) > _BEGINNING else -1
    while at >= 0:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(message[at:], value, strict=False))
        message = message[:at] + HIDDEN + message[at + len(list(same)) :]
        at = message.find(value[:_BEGINNING], at + len(HIDDEN))
    said = message.rstrip(_ENDS)
    for length in range(min(len(value), _BEGINNING), _SHORT, -1):
        if said.endswith(value[:length]):
            return said[:-length] + HIDDEN + message[len(said) :]
    return message


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case list() | dict():
            return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def _leaves(value: Any) -> Iterator[str]:
    """Yield the texts of everything in *value* that is no list or dict, as it may be written.

    However deep: what is given up need not be what a client may send.
    """
    left = [value]
    while left:
        match left.pop():
            case dict() as each:
                left += each.values()
            case list() as each:
                left += each
            case bytes() as each:
                yield each.hex()
            case None | bool():
                continue
            case int() as each if each.bit_length() > _LONG_BITS:
                continue  # Python writes none so long, and neither does any message
            case each:
                yield str(each)
