"""Whatever is asked, however it is asked: an answer, never a fault of ours, and nothing written."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.deadletters.samples import dead

#: Texts that have broken other programs.
CORPUS = (
    "'",
    '"',
    "\\",
    "';--",
    "' OR '1'='1",
    "'; DROP TABLE syncpipe.dead_letters; --",
    "1; SELECT pg_sleep(9)",
    "%",
    "_",
    "%%%s%(x)s",
    "{}",
    "{0}",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "\r\nSet-Cookie: a=b",
    "\x00",
    "\ufffe",
    "\u202e",
    "🙂" * 50,
    "a" * 9_000,
    "(" * 500,
    "not " * 500,
    "-" * 500,
    "or",
    "and",
    ":",
    "a:",
    ":a",
    "fp:",
    'key:"',
    "key:'",
    "age:>9999999999999999d",
    "first:>2026-13-45",
    "attempts:>=99999999999999999999",
    "state:nosuch",
    "id:zzz",
    "id:%",
    "data.:1",
    "data.a.b.c:*",
    'data."x":1',
    "-()",
    "not",
    "target:crm)",
    "key:*",
    "replay:x",
    "op:'",
    "9" * 400,
    "-1",
    "1e9",
    "true",
    "null",
    "NaN",
    "[]",
    "00000000-0000-7000-8000-000000000000",
    "1:x",
    "9" * 16 + ":x",
    "1:' OR 1=1",
)
ADDRESSES = (
    *("dead-letters", "dead-letters/count", "dead-letters/groups", "dead-letters/stats"),
    *("dead-letters/export", "replays", "audit", "audit/verify", "audit/export", "pipeline"),
)
ARGUMENTS = ("where", "after", "limit", "muted", "active", "verb", "actor", "before", "head", "x")
ACTS = (
    *("replay", "discard", "restore", "purge", "mute", "export", "ID/edit", "ID/reveal"),
    *("../replays/ID/pause", "../replays/ID/resume", "../replays/ID/cancel"),
)
MEMBERS = (
    *("where", "reason", "limit", "rate", "canary", "stop_on_error_rate", "as_of", "accept_loss"),
    *("older_than_s", "fingerprint", "for_s", "set", "unset", "version", "reveal", "open"),
)
WORDS = st.sampled_from(CORPUS) | st.text(max_size=40)
VALUES = st.recursive(
    WORDS | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
NO_JSON = (b"\xff\xfe", b"{" * 50_000, b"[" * 50_000, b'{"where": "\\ud800"}')
MODERATE = settings(max_examples=40, suppress_health_check=list(HealthCheck))


@pytest.fixture
def buried(site):
    letters = [dead(n) for n in range(1, 6)]
    site.store.dead_letters.record(letters)
    yield letters
    assert site.get("dead-letters/stats")["by_state"] == {"open": 5}
    assert site.audited() == []


def answered(site, path, user="bob", **how):
    """Ask, and return the status: one that says whose fault it is, and that it is not ours."""
    status, text = site.ask(path, user, **how)
    assert status < 500 or status == 503, text
    for word in ("Traceback", "psycopg", "syntax error", "LINE 1"):
        assert word not in text
    if "/api/" in path and status != 200:
        assert {"code", "message", "hint"} <= set(json.loads(text))
    return status


@pytest.mark.usefixtures("buried")
@pytest.mark.parametrize("number", range(len(CORPUS)))
def test_the_corpus_in_every_argument(site, number):
    text = CORPUS[number]
    for at, address in enumerate(ADDRESSES):
        # Every text with every argument, and every address with every text.
        for argument in ARGUMENTS[(number + at) % 2 :: 2]:
            answered(site, f"/syncpipe/api/v1/{address}?{argument}={_escaped(text)}")
    for argument in ("where", "open", "view", "after", "verb", "part"):
        answered(site, f"/syncpipe/dead-letters?view=letters&{argument}={_escaped(text)}")
    answered(site, f"/syncpipe/dead-letters?view=audit&after={_escaped(text)}")
    for kind in ("letter", "where", "replay"):
        answered(site, f"/syncpipe/dead-letters?part=drawer&open={kind}:{_escaped(text)}")
    for place in ("dead-letters", "replays"):
        answered(site, f"/syncpipe/api/v1/{place}/{_escaped(text)}")


@pytest.mark.usefixtures("buried")
@pytest.mark.parametrize("member", MEMBERS)
def test_the_corpus_in_every_member(site, member):
    for number, text in enumerate(CORPUS):
        act = ACTS[number % len(ACTS)]
        path = f"/syncpipe/api/v1/dead-letters/{act}".replace("ID", _escaped(text))
        path = path.replace("dead-letters/../", "")
        body = ({member: text}, {"where": text, member: [text]}, {member: {text: text}})[number % 3]
        status = answered(site, path, "eve", body=body | {"dry_run": True})
        assert status in {400, 403, 404, 405, 413}, body
        if "replays" not in act:
            answered(site, path, body={"where": text} | body | {"dry_run": True})


@MODERATE
@given(
    act=st.sampled_from(ACTS),
    body=st.dictionaries(st.sampled_from(MEMBERS) | WORDS, VALUES, max_size=5),
    which=st.integers(0, 4),
)
def test_any_body_is_answered_and_a_dry_run_changes_nothing(site, buried, act, body, which):
    path = f"/syncpipe/api/v1/dead-letters/{act}".replace("ID", buried[which].id)
    raw = json.dumps(body | {"dry_run": True}).encode()
    answered(site, path.replace("dead-letters/../", ""), "eve", body=raw)
    if act in {"replay", "discard", "restore", "ID/edit"}:
        answered(site, path, body=raw)


@MODERATE
@given(st.sampled_from(ADDRESSES), st.sampled_from(ARGUMENTS), WORDS)
def test_any_argument_is_answered(site, buried, address, argument, text):
    assert buried
    answered(site, f"/syncpipe/api/v1/{address}?{argument}={_escaped(text)}")


@pytest.mark.usefixtures("buried")
@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"{" * 50_000, b"[" * 50_000, b'{"where": "\\ud800"}']
)
def test_bodies_that_are_no_json(site, raw):
    for act in ACTS:
        path = f"/syncpipe/api/v1/dead-letters/{act}".replace("dead-letters/../", "")
        assert answered(site, path, body=raw) in {400, 404}


def _escaped(text):
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
