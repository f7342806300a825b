"""What to do about a dead letter: one table, from what gave it up to a sentence.

SQLSTATEs are those of the PostgreSQL manual, appendix A; statuses those of RFC 9110, section 15.
What an error of ours means stands in :mod:`syncpipe.errors`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from syncpipe.errors import SyncpipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Hint(NamedTuple):
    """What to do, and whether trying again alone may help."""

    #: A sentence or two.
    text: str
    #: Whether the cause may pass without anybody mending anything.
    transient: bool = False


#: By SQLSTATE, by ``http STATUS``, or by code of ours; the longest beginning wins.
HINTS: Mapping[str, Hint] = MappingProxyType(
    {
        "22": Hint("A value does not fit its column. Edit it, or widen the column, then replay."),
        "22001": Hint(
            "A text is longer than its column. Widen the column, or edit the text, then replay."
        ),
        "22003": Hint(
            "A number is too large for its column. Widen the column's type, or edit the number, "
            "then replay."
        ),
        "22P02": Hint(
            "A text is no value of the column's type. Edit it, or correct the producer, then "
            "replay."
        ),
        "23": Hint("A constraint refuses it. Edit the data, or mend the constraint, then replay."),
        "23502": Hint(
            "A column that must have a value has none. If the record's upsert has come since, "
            "replay; otherwise edit the operation to set it."
        ),
        "23503": Hint(
            "The row that it refers to is not there. Send or replay that one first, then replay "
            "this.",
            transient=True,
        ),
        "23505": Hint(
            "Another record has this value in a unique column. Find which of the two is right: "
            "edit or discard this one, or correct the other and replay."
        ),
        "23514": Hint(
            "A CHECK constraint refuses it. Edit the value; if the constraint is wrong, mend it "
            "and replay."
        ),
        "40": Hint("It lost against other transactions, for long. Replay it.", transient=True),
        "40001": Hint(
            "It could not be serialised beside others. Replay it; if it comes back, look for long "
            "transactions on the target.",
            transient=True,
        ),
        "42": Hint(
            "A table, column or right is missing. Run `syncpipe target test NAME`, mend what it "
            "shows, then replay.",
        ),
        "54": Hint("It is larger than the target can hold. Make it smaller by editing it."),
        "57014": Hint(
            "The target needed too long for it. Look at triggers, indexes and locks there, then "
            "replay with a low rate.",
            transient=True,
        ),
        "http 401": Hint(
            "The endpoint does not know who we are. Renew the target's credentials, then replay."
        ),
        "http 403": Hint(
            "The endpoint does not allow it. Have the right given to these credentials, then "
            "replay."
        ),
        "http 404": Hint(
            "The endpoint has no such record, or the URL is wrong. Compare `url` of the target, "
            "send what the record needs first, then replay."
        ),
        "http 409": Hint(
            "The endpoint's record is in another state. Look at it there; replay when it has "
            "changed, or edit or discard.",
            transient=True,
        ),
        "http 410": Hint("The record is gone at the endpoint. Discard it, unless that is wrong."),
        "http 413": Hint(
            "It is larger than the endpoint takes. Have its limit raised and replay, or edit the "
            "data."
        ),
        "http 422": Hint(
            "The endpoint understood it and refuses what it says. Edit the data, or have the rule "
            "mended there, then replay."
        ),
        "http 429": Hint(
            "The endpoint was asked too often. Replay with a --rate that it takes.",
            transient=True,
        ),
        "http 4": Hint("The endpoint refuses it. Mend the cause there or edit it, then replay."),
        "http 5": Hint(
            "The endpoint failed. Replay it when `syncpipe target test NAME` says that it is well.",
            transient=True,
        ),
        "SP-E3": Hint(
            "Nobody can read the message. Look at who sent it; replay it after an upgrade, or "
            "discard it."
        ),
        "SP-E304": Hint("A newer release wrote it. Upgrade the workers, then replay."),
        "SP-E512": Hint(
            "The producer's clock is ahead. Mend it; replay when that time has come, or with "
            "--as-of now."
        ),
        "SP-E513": Hint(
            "It came after the horizon. Compare the record below; edit it with --as-of now if the "
            "change is still wanted, or discard it."
        ),
        "SP-E514": Hint(
            "Its collection is declared otherwise where workers run. Give producers and workers "
            "one configuration, then replay."
        ),
        "SP-E515": Hint(
            "The target needed too long for it. Look at triggers, indexes and locks there, then "
            "replay with a low rate.",
            transient=True,
        ),
        "SP-E516": Hint(
            "Workers died of it. Read their log for how, mend that, then replay it alone first."
        ),
        "SP-E517": Hint(
            "Its group ended dead before it was applied. Look at the group's other dead letters; "
            "send the group again."
        ),
    }
)


def hint(code: str, *, sqlstate: str | None = None, status: int | None = None) -> Hint:
    """Return what to do about what was given up with *code*, and what the target named.

    What the target named is looked for first. An error that the table does not know says itself
    what to do.
    """
    named = [sqlstate, None if status is None else f"http {status}", code]
    for each in filter(None, named):
        beginnings = (each[:length] for length in range(len(each), 0, -1))
        found = next((HINTS[beginning] for beginning in beginnings if beginning in HINTS), None)
        if found is not None:
            return found
    error = next((each for each in _tree(SyncpipeError) if each.code == code), None)
    return Hint(error.hint, transient=error.retryable) if error else Hint("")


def _tree(error: type[SyncpipeError]) -> Iterator[type[SyncpipeError]]:
    yield error
    for each in error.__subclasses__():
        yield from _tree(each)
