"""What docs/http.md says is what happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
)
from syncpipe.resilience.classification import HTTP_FAULTS, STATUSES, Classification, ErrorClass
from syncpipe.system import SystemClock
from syncpipe.targets.http.batch import body_of, text_of
from syncpipe.targets.http.options import HttpOptions
from syncpipe.targets.http.target import HttpTarget
from tests.integration.targets.http.endpoint import NOTES
from tests.integration.targets.http.posting import apply, outcomes
from tests.integration.targets.places import YOUNG, new_key, operation

PAGE = (Path(__file__).parents[4] / "docs" / "http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
#: What the first words of a meaning stand for.
WORDS = {
    "misconfigured": TargetMisconfigured,
    "refused": Refused,
    "refused for now": RefusedForNow,
    "down": TargetUnavailable,
    "throttled": TargetThrottled,
    "tried again at once": TargetBusy,
}


def rows(heading):
    """The cells of the table under *heading*."""
    lines = iter(PAGE[PAGE.index(heading) :].splitlines())
    next(lines)
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def statuses(cell):
    """The statuses that *cell* names."""
    for part in re.split(r", | with .*", cell):
        if match := re.fullmatch(r"(\d{3}) to (\d{3})", part):
            yield from range(int(match[1]), int(match[2]) + 1)
        elif part.endswith("xx"):
            yield int(part[0]) * 100
        elif part:
            yield int(part)


def named(cell):
    return WORDS[re.split(r"[:,;]", cell)[0].strip()]


def test_the_request_is_the_documented_one():
    documented = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
    (item,) = documented["operations"]
    id_ = bytes.fromhex(item["id"].replace("-", ""))
    made = Operation(id_, Kind.PATCH, "orders", "42", int(item["version"]), {"status": "paid"})
    batch = json.loads(body_of("hub", documented["batch"], [text_of(made)]))
    assert batch.keys() == documented.keys()
    assert batch["operations"][0] | {"data": item["data"]} == item


def test_every_status_means_what_the_page_says():
    table, said = Classification(), set()
    for cell, meaning, _ in rows("| status | for the whole"):
        if cell == "any other":
            continue
        for status in statuses(cell):
            said.add(str(status))
            wait_s = 1 if "Retry-After" in cell else None
            error = table.of_status(status, "m", endpoint="/", retry_after_s=wait_s)
            assert type(error) is named(meaning), status
    known = {code if len(code) == 3 else f"{code}00" for code in STATUSES if " " not in code}
    assert known <= said


def test_every_kind_means_what_the_page_says():
    said = {}
    for cell, _, meaning in rows("| kind | what happened"):
        for kind in re.findall(r"`(\w+)`", cell):
            said[kind] = named(meaning)
    table = Classification()
    assert said == {kind: type(table.of_fault(kind, "m")) for kind in HTTP_FAULTS}


def test_the_page_names_every_class_that_may_be_written():
    for class_ in set(ErrorClass) - {ErrorClass.CRASH}:
        assert f"`{class_.value}`" in PAGE


@pytest.fixture
def small():
    """A target whose endpoint is the one on the page."""
    source = next(text for kind, text in BLOCKS if kind == "python")
    served = 'ThreadingHTTPServer(("127.0.0.1", 8000), Sync).serve_forever()'
    assert served in source
    told = (
        'server = ThreadingHTTPServer(("127.0.0.1", 0), Sync)\n'
        "print(server.server_address[1], flush=True)\nserver.serve_forever()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source.replace(served, told)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}/sync"
        target = HttpTarget(HttpOptions("test", url), {"notes": NOTES}, SystemClock())
        yield target
        target.close()
        process.kill()


def test_the_small_endpoint_keeps_upserts_and_deletes_once(small):
    key = new_key()
    first = operation("upsert", key, YOUNG, {"a": 1})
    last = operation("delete", key, YOUNG + 2)
    late = operation("upsert", key, YOUNG + 1, {"a": 2})
    assert outcomes(small, first, last) == [Outcome.APPLIED] * 2
    assert outcomes(small, first, last, late) == [
        Outcome.SUPERSEDED,
        Outcome.DUPLICATE,
        Outcome.SUPERSEDED,
    ]
    assert all(check.ok for check in small.test())


def test_the_small_endpoint_refuses_what_it_cannot_do(small):
    (result,) = apply(small, operation("increment", new_key(), YOUNG, {"n": 1}))
    assert (result.outcome, type(result.error)) == (Outcome.DEAD, Refused)
