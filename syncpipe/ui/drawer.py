"""What the drawer shows: a letter, all that fit a filter, or a replay."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from syncpipe.core.filter_language import quoted
from syncpipe.errors import NotPossible

if TYPE_CHECKING:
    from syncpipe.core.access import Identity
    from syncpipe.ui.backend import Backend

#: Letters of a cause that are shown as examples.
_EXAMPLES = 8


def look(
    backend: Backend, identity: Identity, opened: str, *, reveal: bool = False, reason: str = ""
) -> dict[str, Any]:
    """Return what is to be shown of *opened*: ``letter:ID``, ``where:FILTER`` or ``replay:ID``.

    Raises:
        NotPossible: there is nothing of that name.

    """
    kind, _, name = opened.partition(":")
    if kind == "letter":
        rows = backend.letters(identity).show(name, reveal=reveal, reason=reason)
        if not rows:
            raise NotPossible(f"There is no dead letter {name[:80]!r}.")
        where = f"id:{quoted(rows[0]['id'])}"
        return {
            "kind": kind,
            "opened": opened,
            "where": where,
            "revealed": reveal,
            "letter": rows[0],
            "others": rows[1:],
            "command": command,
            "written": written,
            "readable": readable,
        }
    if kind == "replay":
        row = backend.replays(identity).show(name)
        if row is None:
            raise NotPossible(f"There is no replay {name[:80]!r}.")
        return {"kind": kind, "opened": opened, "replay": row, "command": command}
    if kind != "where" or not name.strip():
        raise NotPossible(f"Nothing is known of {opened[:80]!r}.")
    letters = backend.letters(identity)
    causes = letters.groups(name, limit=_EXAMPLES, muted=True)
    return {
        "kind": kind,
        "opened": opened,
        "where": name,
        "command": command,
        "causes": causes,
        "number": letters.count(name),
        "list": letters.list(name, limit=_EXAMPLES),
    }


def command(*words: str) -> str:
    """Return a command line of ours with these *words*, for a shell."""
    return shlex.join(("syncpipe", *words))


def written(value: Any) -> str:
    """Return a value as JSON writes it, with the tags of documents."""
    return json.dumps(value, ensure_ascii=False)


def readable(value: Any) -> str:
    """Return the same for people, who need no tag before a number or a date."""
    if isinstance(value, str) and value[:1] == "~":
        return json.dumps(value[1:], ensure_ascii=False) if value[1:2] == "~" else value[2:]
    return written(value)
