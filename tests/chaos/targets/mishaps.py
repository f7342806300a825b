"""Workers that die of an operation, conflicts with strangers, and administrators."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg

from tests.chaos.targets.check import Check
from tests.chaos.targets.works import Works, execute, query, seconds_until

if TYPE_CHECKING:
    from tests.chaos.targets.ground import Ground

#: The workers' role, which may be less than the owner of the tables.
_ROLE = "chaos_app"


def deadly(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Send an operation whose worker process dies whenever it applies it, among others."""
    total = 100 if short else 1_000
    with Works(ground, folder) as works:
        for number in range(total):
            works.send("notes", f"n{number}", number)
        works.send("notes", "poison", 1, good=False, poison=True)
        works.flush()
        with works.workers(sabotage="deadly"):
            seconds_until(works.letters, 240.0)
            settled = works.settle()
            letters = [(kept.letter.key, kept.letter.code) for kept in works.letters()]
            deaths = works.deaths()
            for number in range(total, total + 50):
                works.send("notes", f"n{number}", number)
            works.flush()
            later = works.settle()
        return [
            Check("workers die of it", f"{deaths} deaths", deaths >= 3),
            Check.same("it alone is quarantined", letters, [("poison", "SP-E516")]),
            Check(
                f"its {total} neighbours are applied",
                f"lost {works.lost('notes')}",
                settled and works.lost("notes") == 0,
            ),
            Check(
                "nobody dies of it again",
                f"{works.deaths() - deaths} deaths",
                later and works.deaths() == deaths,
            ),
        ]


class _Stranger:
    """Locks rows in the other order than workers do, until it is left."""

    def __init__(self, dsn: str, keys: list[str]) -> None:
        """Lock rows of *keys* in the database at *dsn*."""
        self._dsn = dsn
        self._keys = sorted(keys, reverse=True)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(2)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        lock = "SELECT FROM public.items WHERE id = %s FOR UPDATE"
        # Its own transactions are victims as often as those of workers.
        with psycopg.connect(self._dsn) as connection:
            while not self._ended.wait(0.05):
                with contextlib.suppress(psycopg.errors.OperationalError), connection.transaction():
                    for key in self._keys:
                        connection.execute(lock, (key,))
                        self._ended.wait(0.02)


def conflicts(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Have strangers lock rows in the other order, and a trigger fail now and then."""
    rounds, keys = (30, 20) if short else (200, 20)
    with Works(ground, folder) as works:
        execute(works.dsn, Path(__file__).with_name("stumbles.sql").read_text())
        with works.workers(), _Stranger(works.dsn, [f"k{n}" for n in range(keys)]):
            for round_ in range(rounds):
                for number in range(keys):
                    works.send("items", f"k{number}", round_)
                works.flush()
                time.sleep(0.1)
            arrived_s = seconds_until(lambda: not works.lost(), 120.0)
            settled = works.settle()
        stumbles = (query(works.dsn, "SELECT last_value FROM public.statements")[0][0] + 1) // 3
        deadlocks = query(
            works.dsn, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )[0][0]
        return [
            Check(
                "deadlocks and serialization failures happen",
                f"{deadlocks} deadlocks, {stumbles} failures",
                deadlocks > 0 and stumbles > 0,
            ),
            Check(
                f"of {rounds * keys} operations none is lost",
                f"lost {works.lost()}",
                settled and arrived_s is not None,
            ),
            Check.same("no dead letters", len(works.letters()), 0),
        ]


def misconfigured(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Revoke a right, then drop a column, each until it is mended."""
    wait_s = 3.0 if short else 20.0
    steps = {
        "a right is revoked": (
            f"REVOKE INSERT, UPDATE ON public.items FROM {_ROLE}",
            f"GRANT INSERT, UPDATE ON public.items TO {_ROLE}",
        ),
        "a column is dropped": (
            "ALTER TABLE public.items DROP COLUMN note",
            "ALTER TABLE public.items ADD COLUMN note text",
        ),
    }
    checks = []
    with Works(ground, folder, user=_ROLE) as works, works.workers():
        works.send("items", "first", 1)
        works.flush()
        works.settle()
        for name, (breaks, mends) in steps.items():
            alarms = _alarms(works)
            execute(works.dsn, breaks)
            for number in range(200):
                works.send("items", f"{name}-{number}", number, note="x")
                works.send("notes", f"{name}-{number}", number)
            works.flush()
            alarm_s = seconds_until(lambda before=alarms: _alarms(works) > before, 60.0)
            others_s = seconds_until(lambda: not works.lost("notes"), 60.0)
            time.sleep(wait_s)
            waiting = works.lost()
            execute(works.dsn, mends)
            settled = works.settle()
            checks += [
                Check(
                    f"{name}: 200 wait with an alarm, others go on",
                    f"{waiting} wait, others lost {works.lost('notes')}",
                    waiting == 200 and alarm_s is not None and others_s is not None,
                ),
                Check(
                    f"{name}: resumes when mended",
                    f"lost {works.lost()}",
                    settled and works.lost() == 0,
                ),
            ]
        return [*checks, Check.same("no dead letters", len(works.letters()), 0)]


def _alarms(works: Works) -> int:
    """Return how often a target or a collection was left alone."""
    events = works.events()
    return events["target-paused"] + events["collection-paused"]
