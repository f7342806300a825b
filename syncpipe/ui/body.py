"""Members of a JSON object that somebody sent, each of the kind that it has to be. Pure."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from syncpipe.ui.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Most bytes of a body, and most characters of a text in it.
MAX_BYTES = 1_000_000
MAX_TEXT = 8_000
#: What PostgreSQL stores in no text, or UTF-8 cannot say.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_MOST = 2**53


def fit(name: str, text: str) -> str:
    """Return *text*, if it can be stored and looked for. Raises Refusal."""
    if len(text) > MAX_TEXT:
        raise bad(f"{name!r} has {len(text):,} characters; the most is {MAX_TEXT:,}.")
    if _UNFIT.search(text):
        raise bad(f"{name!r} holds a character that no text can have.")
    return text


def bad(message: str, hint: str = "docs/api.md says what each address takes.") -> Refusal:
    """Return what is wrong with a request."""
    return Refusal(HTTPStatus.BAD_REQUEST, message, hint)


class Body:
    """Takes the members of an object one by one, and then says which nobody wants."""

    def __init__(self, raw: bytes) -> None:
        """Read the object *raw*. Raises Refusal."""
        if len(raw) > MAX_BYTES:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The body has {len(raw):,} bytes; the most is {MAX_BYTES:,}.",
                "Send less.",
            )
        self._rest = _object(raw)

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        value = self._rest.pop(name, default)
        if not isinstance(value, str):
            raise bad(f"{name!r} has to be a text.")
        return fit(name, value)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._rest.pop(name, False)
        if not isinstance(value, bool):
            raise bad(f"{name!r} has to be true or false.")
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number of 0 or more, or what is there when nothing was said."""
        value = self._rest.pop(name, None)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
            raise bad(f"{name!r} has to be a whole number, 0 or more.")
        return value

    def number(self, name: str, default: float | None = None) -> float | None:
        """Return a number of 0 or more, or what is there when nothing was said."""
        value = self._rest.pop(name, None)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise bad(f"{name!r} has to be a number.")
        if not 0 <= value <= _MOST:
            raise bad(f"{name!r} has to be 0 or more.")
        return float(value)

    def fields(self, name: str) -> Mapping[str, Any]:
        """Return an object, in which numbers with a fraction are Decimal."""
        value = self._rest.pop(name, {})
        if not isinstance(value, dict):
            raise bad(f"{name!r} has to be an object.")
        return value

    def texts(self, name: str) -> frozenset[str]:
        """Return a list of texts."""
        value = self._rest.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise bad(f"{name!r} has to be a list of texts.")
        return frozenset(fit(name, each) for each in value)

    def end(self) -> None:
        """Return if nothing is left. Raises Refusal."""
        if self._rest:
            unknown = ", ".join(sorted(self._rest))[:200]
            raise bad(f"Nobody knows what to do with: {unknown}.")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw.decode(), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(_UNFIT.search(name) for name in found):
        raise bad(
            "The body is no JSON object.",
            'Send an object such as {"where": "target:crm", "reason": "why"}.',
        )
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
