"""Who sees what of the audit, and what verifying tells of a store and of an export."""

from __future__ import annotations

import json

import pytest

from syncpipe.audit import AuditLog
from syncpipe.audit.log import WITH_HEAD, WITHOUT_HEAD, verify_export
from syncpipe.core.access import Identity, Role
from syncpipe.core.audit import Act, Head
from syncpipe.core.chain import sealed
from syncpipe.errors import AuditKeyMissing, NotPossible
from syncpipe.store.audit import Wanted

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


class MemoryAudit:
    """An audit in memory."""

    def __init__(self):
        self.kept = []

    def write(self, act):
        record = sealed(act, after=self.head(), at_ms=len(self.kept), key=KEY)
        self.kept.append(record)
        return record.head

    def records(self):
        return iter(self.kept)

    def latest(self, wanted, *, limit, before=None):
        assert wanted == Wanted(actor="ann@h")
        assert before is None
        return self.kept[::-1][:limit]

    def head(self):
        return self.kept[-1].head if self.kept else Head()


@pytest.fixture
def audit():
    audit = MemoryAudit()
    audit.write(Act("ann@h", "dlq.discard", "target:crm", "ü", {"n": 1}))
    audit.write(Act("bob@h", "replay.create", "code:23505", "", {"rate": 0.5, "ids": ["a", None]}))
    audit.write(Act("ann@h", "dlq.edit", "7c0d63ff", "typo"))
    return audit


def opened(audit, key=KEY):
    return AuditLog(audit, Identity("x@h", Role.VIEWER), key)


def exported(audit):
    return [json.dumps(row) + "\n" for row in opened(audit).export()]


def test_the_newest_come_first_with_all_members(audit):
    first, last = opened(audit).log(Wanted(actor="ann@h"), limit=2)
    assert (first["number"], last["number"]) == (3, 2)
    assert last == {
        "number": 2,
        "at_ms": 1,
        "actor": "bob@h",
        "verb": "replay.create",
        "subject": "code:23505",
        "reason": "",
        "details": {"rate": 0.5, "ids": ["a", None]},
        "key_id": audit.kept[1].key_id,
        "mac": audit.kept[1].mac,
    }


def test_verifying_says_what_it_cannot_tell(audit):
    head = audit.head()
    assert opened(audit).verify() == {
        "ok": True,
        "entries": 3,
        "head": str(head),
        "broken": None,
        "what": None,
        "unknown": WITHOUT_HEAD,
    }
    assert opened(audit).verify(head)["unknown"] == WITH_HEAD
    audit.kept.pop()
    assert opened(audit).verify()["ok"]
    found = opened(audit).verify(head)
    assert (found["ok"], found["broken"], found["entries"]) == (False, 3, 2)


def test_without_the_key_nothing_can_be_verified(audit):
    for verify in (opened(audit, key=None).verify, lambda: verify_export(exported(audit), None)):
        with pytest.raises(AuditKeyMissing):
            verify()


def test_an_export_is_verified_without_the_store(audit):
    found = verify_export(exported(audit), KEY)
    assert found == opened(audit).verify()
    assert verify_export(exported(audit), KEY, audit.kept[1].head)["ok"]
    assert verify_export(exported(audit), OTHER)["broken"] == 1
    assert verify_export(exported(MemoryAudit()), KEY)["entries"] == 0


def test_what_was_done_to_an_export_is_named(audit):
    lines = exported(audit)
    changed = [lines[0], lines[1].replace("bob@h", "eve@h"), *lines[2:]]
    assert verify_export(changed, KEY)["broken"] == 2
    assert verify_export([lines[1], lines[0], *lines[2:]], KEY)["broken"] == 1
    assert verify_export([*lines[:2], lines[3]], KEY)["broken"] == 3
    shorter = json.dumps({"head": str(audit.kept[1].head)})
    assert verify_export([*lines[:3], shorter], KEY)["broken"] == 3
    assert verify_export([*lines[:2], shorter], KEY)["ok"]
    assert verify_export([*lines[:2], shorter], KEY, audit.head())["broken"] == 3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda lines: lines[:-1], "no head at its end"),
        (lambda _: [], "no head at its end"),
        (lambda lines: [*lines, lines[0]], "Line 5 stands behind the head"),
        (lambda lines: ["{}\n", *lines], "Line 1 is no entry"),
        (lambda lines: [lines[0], "[" * 9999, *lines], "Line 2 is no entry"),
        (lambda lines: [*lines[:3], '{"head": "x"}'], "Line 4 is no entry"),
        (lambda lines: [lines[0].replace('"ann@h"', "5")], "Line 1 is no entry"),
        (lambda lines: ["\n", *lines], "Line 1 is no entry"),
        (lambda lines: ["5\n", *lines], "Line 1 is no entry"),
    ],
)
def test_what_is_no_whole_export_is_told_with_its_line(audit, spoil, why):
    with pytest.raises(NotPossible, match=why):
        verify_export(spoil(exported(audit)), KEY)
