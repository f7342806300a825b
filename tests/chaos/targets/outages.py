"""Servers that are away: the target's, and the store's."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from tests.chaos.targets.check import Check
from tests.chaos.targets.ground import locked_out
from tests.chaos.targets.works import Load, Works, execute, query, seconds_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.targets.ground import Ground

#: Records sent a second, to each target.
_RATE = 200.0
#: What throughput has to be, against that of before.
_RATIO = 0.9
#: Seconds within which throughput has to be back.
_BACK_S = 30.0
#: Seconds over which it is measured then.
_SPAN_S = 5.0
#: Messages that may be under way when all is as usual.
_FEW = 50
#: Seconds before anything is measured.
_WARM_S = 5.0


def target_stopped(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Stop the server of one of two targets, again and again, while both are under load."""
    outages_s = (8.0, 8.0) if short else (60.0, 15.0, 15.0, 15.0, 15.0)
    window_s = 4.0 if short else 10.0
    ratios, backs = [], []
    with Works(ground, folder) as works:
        with works.workers():
            with Load(works, ("items", "others"), _RATE):
                time.sleep(_WARM_S)
                for outage_s in outages_s:
                    began = time.time()
                    time.sleep(window_s)
                    before = works.rate("items", began, began + window_s)
                    up = works.rate("others", began, began + window_s)
                    ground.stop_first()
                    stopped = time.time()
                    time.sleep(window_s)
                    ratios.append(works.rate("others", stopped, stopped + window_s) / up)
                    time.sleep(max(0.0, stopped + outage_s - time.time()))
                    ground.start_first()
                    backs.append(_back_s(works, time.time(), before))
                    # What waited is drained faster than it comes, which is no "before".
                    seconds_until(lambda: works.pending() < _FEW, 3 * _BACK_S)
            settled = works.settle()
        counted = works.ever_scheduled()
        sent = len(works.sent["items"]) + len(works.sent["others"])
        seen = ", ".join("never" if back is None else f"{back:.0f}" for back in backs)
        late = any(back is None or back > _BACK_S for back in backs)
        return [
            Check(
                f"all of {sent:,} operations arrive",
                f"lost {works.lost()} + {works.lost('others')}",
                settled and works.lost() + works.lost("others") == 0,
            ),
            Check.same("no dead letters", len(works.letters()), 0),
            Check.same("no attempt is counted", counted, 0),
            Check.timed(
                f"throughput >= {_RATIO} of before within {_BACK_S:g} s of its return",
                f"s: {seen} (outages of {', '.join(f'{each:g}' for each in outages_s)} s)",
                met=not late,
                short=short,
            ),
            Check.timed(
                f"other target keeps a median ratio >= {_RATIO} over {len(ratios)} pairs",
                f"{median(ratios):.2f} of {_RATE:g}/s ({min(ratios):.2f}-{max(ratios):.2f})",
                met=median(ratios) >= _RATIO,
                short=short,
            ),
        ]


def _back_s(works: Works, returned: float, before: float) -> float | None:
    """Return how many seconds after *returned* throughput is as *before*; None if it never is."""

    def good() -> bool:
        now = time.time()
        span_s = min(_SPAN_S, now - returned)
        return span_s > 1.0 and works.rate("items", now - span_s, now) >= _RATIO * before

    if seconds_until(good, 3 * _BACK_S) is None:
        return None
    return time.time() - returned


def store_away(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Let nobody into the store for a while, in which there is much to be kept in it."""
    away_s = 8.0 if short else 30.0
    poison, orphans, delayed = 20, 10, 10
    with Works(ground, folder) as works, works.workers():
        with Load(works, ("items", "others"), _RATE):
            time.sleep(_WARM_S)
            began = time.time()
            with locked_out(works.store_dsn, ground.second):
                for number in range(poison):
                    works.send("items", f"bad-{number}", -1, good=False)
                for number in range(orphans):
                    works.client.upsert("children", f"c{number}", {"parent": "late"})
                for number in range(delayed):
                    works.client.upsert("notes", f"due-{number}", {"n": number}, delay=2)
                    works.sent["notes"][f"due-{number}"] = number
                works.flush()
                time.sleep(max(0.0, began + away_s - time.time()))
            ended = time.time()
            works.reopen_store()
            rates = [
                works.rate(collection, began, ended) / _RATE for collection in ("items", "others")
            ]
            execute(works.dsn, "INSERT INTO public.parents VALUES ('late', 1)")
        settled = works.settle()
        letters = [letter for kept in works.letters() if (letter := kept.letter)]
        children = _children(works)
        return [
            Check.timed(
                f"both targets keep >= {_RATIO} of the load meanwhile",
                f"{rates[0]:.2f}, {rates[1]:.2f} for {away_s:g} s",
                met=min(rates) >= _RATIO,
                short=short,
            ),
            Check(
                "nothing is lost",
                f"lost {works.lost()} + {works.lost('others')}",
                settled and works.lost() + works.lost("others") == 0,
            ),
            Check.same(f"{poison} dead letters arrive afterwards", len(letters), poison),
            Check.same(f"{orphans} refused for now are applied", children, orphans),
            Check.same(f"of {delayed} delayed none is lost", works.lost("notes"), 0),
        ]


def _children(works: Works) -> int:
    return int(query(works.dsn, "SELECT count(*) FROM public.children")[0][0])
