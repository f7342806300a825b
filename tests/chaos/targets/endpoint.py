"""An HTTP endpoint that throttles, fails, commits and says otherwise, and refuses items."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.chaos.targets.check import Check
from tests.chaos.targets.works import Works, seconds_until
from tests.integration.targets.http.endpoint import Endpoint, answers, commits_then, resets

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.chaos.targets.ground import Ground

_HUB = """
[targets.hub]
type = "http"
url = "{url}"
connect_timeout_s = 1
timeout_s = 10
[collections.orders]
target = "hub"
"""


def misbehaves(ground: Ground, folder: Path, *, short: bool, chance: random.Random) -> list[Check]:
    """Send through an endpoint whose answers are drawn, and which refuses some items for good."""
    rounds = 10 if short else 40
    away_s = 3.0 if short else 20.0
    with Endpoint() as hub, Works(ground, folder, extra=_HUB.format(url=hub.url)) as works:
        hub.judge = lambda item: (
            (item["key"].startswith("bad") and {"status": 422, "message": "No."}) or None
        )
        with works.workers():
            for round_ in range(rounds):
                hub.planned.append(
                    chance.choice(
                        [
                            answers(429, retry_after="1"),
                            answers(503),
                            commits_then(answers(500)),
                            commits_then(resets),
                            resets,
                        ]
                    )
                )
                for number in range(50):
                    works.client.patch("orders", f"k{number}", {"round": round_})
                    works.client.increment("orders", f"k{number}", {"sum": 1})
                works.client.upsert("orders", f"bad-{round_}", {"round": round_})
                works.flush()
                if round_ == rounds // 2:
                    hub.always = answers(503)
                    time.sleep(away_s)
                    hub.always = None
            wanted = {f"k{n}": {"round": rounds - 1, "sum": rounds} for n in range(50)}
            right_s = seconds_until(lambda: _records(hub) == wanted, 180.0)
            seconds_until(lambda: len(works.letters()) >= rounds, 60.0)
        keys = sorted(kept.letter.key or "" for kept in works.letters())
        return [
            Check(
                "every record is right in the end",
                f"{sum(_records(hub).get(key) != each for key, each in wanted.items())} wrong",
                right_s is not None,
            ),
            Check.same("no effect happens twice", max(hub.effects.values()), 1),
            Check(
                f"the {rounds} refused items are dead letters, and no others",
                f"{len(keys)}",
                keys == sorted(f"bad-{n}" for n in range(rounds)),
            ),
        ]


def _records(hub: Endpoint) -> dict[str, object]:
    return {key: hub.target.record("orders", key) for key in hub.target.keys("orders")}
