"""What targets would make of many dead letters."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from syncpipe.deadletters.records import Prospect
from syncpipe.store.deadletters import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from syncpipe.core.filtering import Filter
    from syncpipe.deadletters.describing import Row
    from syncpipe.deadletters.records import Records
    from syncpipe.store.deadletters import Kept
    from syncpipe.store.triage import Triage

#: Dead letters that are read at once, each with up to 1 MiB.
_PAGE = 200


def pages(triage: Triage, filter_: Filter, *, limit: int | None = None) -> Iterator[list[Kept]]:
    """Yield those that fit, at most *limit*, the newest first, in parts."""
    after = None
    while limit is None or limit > 0:
        size = _PAGE if limit is None else min(limit, _PAGE)
        page = triage.letters(filter_, limit=size, after=after)
        if page:
            yield page
        if len(page) < size:
            return
        limit = None if limit is None else limit - len(page)
        after = Position(page[-1].last_seen_ms, page[-1].id)


def outlook(
    records: Records,
    parts: Iterable[Sequence[Kept]],
    progress: Callable[[int], object] | None = None,
) -> Row:
    """Return how many of the letters in *parts* there are, and what would become of them.

    ``lost`` are those whose changes nothing else brings: the target has nothing newer, or cannot
    say. *progress* is told after each part how many have been looked at.
    """
    counts: Counter[Prospect] = Counter()
    for part in parts:
        counts.update(look.prospect for look in records.look(part))
        if progress is not None:
            progress(counts.total())
    lost = counts[Prospect.CHANGES] + counts[Prospect.UNKNOWN]
    named = {prospect.value: counts[prospect] for prospect in Prospect}
    return {"number": counts.total(), "lost": lost, **named}
