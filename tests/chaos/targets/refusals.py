"""Operations that the target refuses, for good or for now, or is slow at, or nobody can read."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe.core.codec import encode
from syncpipe.core.envelope import MAX_ENVELOPE_BYTES, Header, seal
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import Lane, Priority, shard_of
from syncpipe.core.version import at_milliseconds
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.transport.broker import Outbound
from tests.chaos.targets.check import Check
from tests.chaos.targets.works import Works, execute, query, seconds_until

if TYPE_CHECKING:
    from tests.chaos.targets.ground import Ground

#: Milliseconds that a clock is ahead, in one of the rows.
_AHEAD_MS = 600_000
#: Most dead letters that a misconfiguration may cost.
_MOST_LETTERS = 100


def one_in_a_hundred(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Have one operation in a hundred violate a constraint, and count what that takes."""
    total = 3_000 if short else 20_000
    with Works(ground, folder) as works:
        raw = {}
        for number in range(total):
            bad = number % 100 == number // 100 % 100
            works.send("items", f"k{number}", -1 if bad else number, good=not bad)
        works.flush()
        bad_keys = {f"k{n}" for n in range(total) if n % 100 == n // 100 % 100}
        raw = _bytes_of(works, bad_keys)
        # All of it waits before the first worker comes, so that batches are large.
        with works.workers(sabotage="counting"):
            settled = works.settle()
        letters = [kept.letter for kept in works.letters()]
        return [
            Check(
                f"exactly the {len(bad_keys)} bad of {total:,} become dead letters",
                f"{len(letters)}, {len({each.key for each in letters} ^ bad_keys)} others",
                {each.key for each in letters} == bad_keys and len(letters) == len(bad_keys),
            ),
            Check.same(
                "each with the bytes that were sent",
                sum(raw.get(each.key) == each.raw for each in letters),
                len(bad_keys),
            ),
            Check(
                "the rest is applied",
                f"lost {works.lost()}, extra {works.extra()}",
                settled and works.lost() == works.extra() == 0,
            ),
            _calls(folder / "counts"),
        ]


def _bytes_of(works: Works, keys: set[str]) -> dict[str, bytes]:
    """Return the bytes of the operations on *keys*, as they wait in the broker."""
    from syncpipe.core.codec import decode_all  # noqa: PLC0415
    from syncpipe.core.envelope import unseal  # noqa: PLC0415
    from syncpipe.core.routing import queues_of  # noqa: PLC0415

    found = {}
    for queue in queues_of("crm", 4):
        for body in works.broker.peek(queue, limit=100_000):
            for operation, raw in decode_all(unseal(body).body):
                if operation.key in keys:
                    found[operation.key] = raw
    return found


def _calls(counts: Path) -> Check:
    """Check that no batch asked more of the target than the bound allows."""
    lines = [json.loads(line) for line in counts.read_text().splitlines()]
    batches = [line for line in lines if line["k"]]
    over = [line for line in batches if line["calls"] > _bound(line["n"], line["k"])]
    worst = max(batches, key=lambda line: line["calls"] / _bound(line["n"], line["k"]))
    seen = (
        f"worst: {worst['calls']} of {_bound(worst['n'], worst['k'])} for k={worst['k']}, "
        f"n={worst['n']} ({worst['tries']} with each savepoint); "
        f"{len(over)} of {len(batches)} batches above"
    )
    bar = "calls of the target <= k*(ceil(log2(n/k))+2) for k bad of n, in each batch"
    return Check(bar, seen, not over)


def _bound(n: int, k: int) -> int:
    return k * (math.ceil(math.log2(n / k)) + 2)


def all_of_them(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Have every operation on a collection violate a constraint, until it is mended."""
    total = 500 if short else 3_000
    with Works(ground, folder) as works, works.workers():
        for number in range(total):
            works.send("items", f"k{number}", number)
        for number in range(100):
            works.send("notes", f"n{number}", number)
        execute(works.dsn, "ALTER TABLE public.items ADD CONSTRAINT wrong CHECK (n < -1) NOT VALID")
        # What was sent before the constraint is there already, or not: more follows.
        for number in range(total, 2 * total):
            works.send("items", f"k{number}", number)
        works.flush()
        alarm_s = seconds_until(lambda: _alarms(works), 60.0)
        notes_s = seconds_until(lambda: not works.lost("notes"), 60.0)
        time.sleep(5.0 if short else 20.0)
        letters = len(works.letters())
        execute(works.dsn, "ALTER TABLE public.items DROP CONSTRAINT wrong")
        settled = works.settle()
        missing = works.lost() - len(works.letters())
        return [
            Check("an alarm is raised", f"{sorted(_alarms(works))}", alarm_s is not None),
            Check("other collections go on", f"lost {works.lost('notes')}", notes_s is not None),
            Check(f"at most {_MOST_LETTERS} dead letters", str(letters), letters <= _MOST_LETTERS),
            Check("the rest is applied when mended", f"lost {missing}", settled and missing == 0),
        ]


def _alarms(works: Works) -> set[str]:
    """Return the events that say that a target or a collection is left alone."""
    return set(works.events()) & {"target-paused", "collection-paused"}


def parent_later(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Send rows whose foreign key points to a row that comes five seconds later."""
    children = 20 if short else 200
    with Works(ground, folder) as works, works.workers():
        for number in range(children):
            works.client.upsert("children", f"c{number}", {"parent": f"p{number}"})
        works.flush()
        time.sleep(5.0)
        before = query(works.dsn, "SELECT count(*) FROM public.children")[0][0]
        for number in range(children):
            works.client.upsert("parents", f"p{number}", {"n": number})
        works.flush()
        settled = works.settle()
        rows = query(works.dsn, "SELECT count(*) FROM public.children")[0][0]
        retried = works.outcomes()["retrying"]
        return [
            Check("they are refused at first", f"{retried} attempts", not before and retried > 0),
            Check.same("no dead letters", len(works.letters()), 0),
            Check(f"all {children} are applied", str(rows), settled and rows == children),
        ]


def too_slow(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Send an operation that takes longer than a statement may, among others."""
    total = 100 if short else 1_000
    limits = {"worker": "refused_attempts = 2", "target": "statement_timeout_s = 1"}
    with Works(ground, folder, **limits) as works:
        execute(works.dsn, Path(__file__).with_name("dawdles.sql").read_text())
        for number in range(total):
            works.send("items", f"k{number}", number)
        works.send("items", "slow", 1, good=False, note="slow")
        works.flush()
        with works.workers():
            settled = works.settle(240.0)
        letters = [(kept.letter.key, kept.letter.code) for kept in works.letters()]
        return [
            Check(
                f"its {total} neighbours are applied",
                f"lost {works.lost()}",
                settled and works.lost() == 0,
            ),
            Check.same("it alone ends as TooSlow", letters, [("slow", "SP-E515")]),
        ]


def unreadable(ground: Ground, folder: Path, *, short: bool) -> list[Check]:
    """Put into the lanes what nobody can read, or what comes from the future, among others."""
    total = 100 if short else 1_000
    with Works(ground, folder) as works, works.workers():
        strange = _strange()
        for number in range(total):
            works.send("notes", f"n{number}", number)
        works.flush()
        lane = Lane("crm", 0).queue(Priority.NORMAL)
        for name, (body, _, shard) in strange.items():
            queue = lane if shard is None else Lane("crm", shard).queue(Priority.NORMAL)
            said = works.broker.publish(
                [Outbound(queue, body, f"strange-{name}", "syncpipe.apply")], timeout_s=30
            )
            if any(said):
                raise RuntimeError(f"The broker does not take {name}: {said}.")
        settled = works.settle()
        kept = {each.letter.raw: each.letter.code for each in works.letters()}
        checks = [
            Check(f"{name}: a dead letter with its bytes", str(kept.get(raw)), raw in kept)
            for name, (_, raw, _) in strange.items()
        ]
        return [
            *checks,
            Check.same("no other dead letters", len(kept), len(strange)),
            Check(
                f"{total} neighbours are applied, and no worker dies",
                f"lost {works.lost('notes')}, deaths {works.deaths()}",
                settled and works.lost("notes") == works.deaths() == 0,
            ),
        ]


def _strange() -> dict[str, tuple[bytes, bytes, int | None]]:
    """Return bodies by name, each with the bytes that have to be kept, and its shard if any."""
    now_ms = SystemClock().now_ms()
    good = _operation("good", now_ms)
    future = _operation("future", now_ms + _AHEAD_MS)
    sealed = _sealed(good)
    tampered = bytes([*sealed[:-1], sealed[-1] ^ 1])
    unknown = sealed[:3] + bytes([99]) + sealed[4:]
    large = sealed + bytes(MAX_ENVELOPE_BYTES)
    return {
        "undecodable": (b"\x00\xffnot an envelope", b"\x00\xffnot an envelope", None),
        "tampered": (tampered, tampered, None),
        "oversize": (large, large, None),
        "unknown format": (unknown, unknown, None),
        "clock 10 minutes ahead": (_sealed(future), encode(future), shard_of("notes", "future", 4)),
    }


def _operation(key: str, now_ms: int) -> Operation:
    id_ = uuid7(now_ms, SystemRandom().bits(74))
    return Operation(id_, Kind.UPSERT, "notes", key, at_milliseconds(now_ms), {"n": 1})


def _sealed(operation: Operation) -> bytes:
    lane = Lane("crm", shard_of("notes", operation.key, 4))
    header = Header(operation.id, lane, Priority.NORMAL, 1, SystemClock().now_ms())
    return seal(header, [encode(operation)])
