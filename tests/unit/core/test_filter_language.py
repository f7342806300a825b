"""Filters of dead letters as texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core import filter_language
from syncpipe.core.filter_fields import READERS, STATES
from syncpipe.core.filter_language import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_STEPS,
    MAX_TERMS,
    parse,
    text_of,
)
from syncpipe.core.filtering import ALL, Comparison, Either, Every, Not, Term, reveals, terms
from syncpipe.errors import InvalidFilter
from syncpipe.store import triage
from syncpipe.store.deadletters import OPEN
from tests.unit.core.filters import PIECES, TREES

EQUAL, PREFIX = Comparison.EQUAL, Comparison.PREFIX
NOW = 1_767_225_600_000
HOUR = 3_600_000


def read(text):
    return parse(text, now_ms=NOW)


def equal(field, value):
    return Term(field, EQUAL, value)


CRM, ERP, OPENED = equal("target", "crm"), equal("target", "erp"), equal("state", "open")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", ALL),
        (" \n", ALL),
        ("()", ALL),
        ("target:crm", CRM),
        ("target:crm state:open", Every((CRM, OPENED))),
        ("target:crm and state:OPEN", Every((CRM, OPENED))),
        ("target:crm,erp", Either((CRM, ERP))),
        ("target:crm or target:erp", Either((CRM, ERP))),
        ("target:crm state:open OR target:erp", Either((Every((CRM, OPENED)), ERP))),
        ("(target:crm or target:erp) state:open", Every((Either((CRM, ERP)), OPENED))),
        ("-target:crm", Not(CRM)),
        ("not target:crm", Not(CRM)),
        ("-(target:crm state:open)", Not(Every((CRM, OPENED)))),
        ("target:crm and not state:open", Every((CRM, Not(OPENED)))),
        ('key:"c/42"', equal("key", "c/42")),
        ("key:c/42", equal("key", "c/42")),
        ("key:-5", equal("key", "-5")),
        ("key:a:b", equal("key", "a:b")),
        ("key:c/*", Term("key", PREFIX, "c/")),
        ('key:"c *"*', Term("key", PREFIX, "c *")),
        (r'key:"a\"b\\c"', equal("key", r'a"b\c')),
        ('key:""', equal("key", "")),
        ("key:*", Term("key", PREFIX, "")),
        ("code:sp-e511", equal("code", "SP-E511")),
        ("code:E511", equal("code", "SP-E511")),
        ("code:23505", equal("code", "23505")),
        ("code:23*", Term("code", PREFIX, "23")),
        ("fp:7F3A", Term("fp", PREFIX, "7f3a")),
        ("fp:7f3a00112233aabb", equal("fp", "7f3a00112233aabb")),
        ("id:0197A0000000", Term("id", PREFIX, "0197a000-0000")),
        ("kind:upsert", equal("kind", "upsert")),
        ("attempts:>=5", Term("attempts", Comparison.AT_LEAST, 5)),
        ("status:409", equal("status", 409)),
        ("age:>1h", Term("last", Comparison.LESS, NOW - HOUR)),
        ("age:<=1.5h", Term("last", Comparison.AT_LEAST, NOW - HOUR * 3 // 2)),
        ("age:>99999999999w", Term("last", Comparison.LESS, 0)),
        ("first:>=2026-01-01", Term("first", Comparison.AT_LEAST, NOW)),
        ("last:<2026-01-01T02:00:00+02:00", Term("last", Comparison.LESS, NOW)),
        ("data.country:DE", Term("data", EQUAL, "DE", ("country",))),
        ('data.lines.0."unit price":>-12.5', None),
        ("data.name:An*", Term("data", PREFIX, "An", ("name",))),
    ],
)
def test_what_a_filter_means(text, tree):
    found = read(text)

    assert tree is None or found == tree
    assert parse(text_of(found), now_ms=0) == found


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("target:crm stat:open", 12, "Did you mean state?"),
        ("fingerprint:7f", 1, "Did you mean fp?"),
        ("state:opn", 7, "Did you mean open?"),
        ("kind:upset", 6, "Did you mean upsert?"),
        ("crm", 1, "Did you mean key:crm?"),
        ("SP-E511", 1, "Did you mean code:SP-E511?"),
        ("0197a000-0000-7000-8000-000000000000", 1, "Did you mean id:"),
        ("target", 1, "target lacks its value: target:…"),
        ("target:", 8, "A value has to follow"),
        ("target: crm", 8, "A value has to follow"),
        ("target:a,", 10, "A value has to follow"),
        (":a", 1, "Here a field is expected"),
        ('"a"', 1, "Here a field is expected"),
        ("data:5", 5, "data.country:DE"),
        ("data", 5, "data.country:DE"),
        ("data.:5", 6, "data.country"),
        ("data.a:>x", 8, "a number"),
        ("code:12", 6, "SP-E511"),
        ("fp:xyz", 4, "hexadecimal"),
        ("id:0197", 4, "8 hexadecimal digits at least"),
        ("attempts:many", 10, "attempts:>=5"),
        ("attempts:1*", 10, "attempts:>=5"),
        (f"attempts:{10**18}", 10, "18 digits"),
        ("age:1h", 5, "age:>1h"),
        ("age:>1y", 5, "ms, s, m, h, d or w"),
        (f"age:>{'9' * 500}h", 5, "age:>1h"),
        ("last:2026-01-01", 6, "last:>="),
        ("last:>2026-13-01", 6, "last:>="),
        ("target:<crm", 8, "target cannot be written with <"),
        ("key:a*b", 6, "in quotes"),
        ("key:>a*", 5, "A star means a beginning"),
        ('key:"a', 5, "not closed"),
        ("(key:a", 1, "not closed"),
        ("key:a)", 6, "closes none"),
        ("key:a or", 7, "both sides"),
        ("or key:a", 1, "both sides"),
        ("key:a and", 7, "both sides"),
        ("key:a and and key:b", 7, "both sides"),
        ("- key:a", 1, "-target:crm"),
        ("key:a not", 7, "-target:crm"),
        ("key:a\0b", 6, "in no dead letter"),
        ("key:\ud800", 5, "in no dead letter"),
        ("(" * 500 + "key:a", MAX_DEPTH + 2, "nested deeper"),
        ("-" * 100_000, MAX_CHARACTERS + 1, "at most 8000 characters"),
        ("-" * 1_000 + "key:a", MAX_DEPTH + 2, "nested deeper"),
        ("key:" + ",".join("a" * (MAX_TERMS + 1)), 5 + 2 * MAX_TERMS, "at most 100 values"),
        ("data" + ".a" * (MAX_STEPS + 1) + ":1", 6 + 2 * MAX_STEPS, "at most 16 names"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_write(text, column, words):
    with pytest.raises(InvalidFilter) as caught:
        read(text)

    assert caught.value.column == column
    assert words in caught.value.message
    assert caught.value.message.startswith(f"Column {column} of the filter: ")


@given(st.one_of(PIECES, st.text(), TREES.map(text_of)), st.integers(0, 2**47))
def test_a_text_is_a_filter_or_says_where_it_is_none(text, now_ms):
    tree, error = None, None
    try:
        tree = parse(text, now_ms=now_ms)
    except InvalidFilter as fault:
        error = fault
    if error is None:
        assert parse(text_of(tree), now_ms=0) == tree
    else:
        assert 1 <= error.column <= len(text) + 1
        assert len(error.message) < 400


@given(TREES)
def test_a_tree_is_written_and_read_again(tree):
    assert parse(text_of(tree), now_ms=NOW) == tree


def test_what_would_be_too_long_when_it_is_written_out_is_refused_at_once():
    ages = " ".join(["age:>1h"] * (MAX_TERMS - 1))
    whole = f"{ages} key:{'x' * (MAX_CHARACTERS - len(ages) - len(' key:'))}"

    assert len(whole) == MAX_CHARACTERS
    with pytest.raises(InvalidFilter, match="Written out"):
        read(whole)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (Every((CRM,)), "target:crm"),
        (Either((CRM,)), "target:crm"),
        (Either(()), "-()"),
        (Every((ALL, OPENED)), "() state:open"),
        (Not(Either((CRM,))), "-target:crm"),
    ],
)
def test_what_is_built_by_hand_is_written_too(tree, text):
    assert text_of(tree) == text
    read(text)


def test_what_looks_at_masked_fields_is_told():
    tree = read("-(target:crm or data.country:DE) data.total:>5")

    assert [term.path for term in terms(tree)] == [(), ("country",), ("total",)]
    assert reveals(tree, lambda path: path == ("country",))
    assert not reveals(tree, lambda path: path in {("country",), ("total",)})
    assert not reveals(read("target:crm"), lambda _: False)


def test_states_are_those_of_the_store():
    states = {OPEN, *(getattr(triage, name) for name in dir(triage) if name.isupper())}
    assert set(STATES) == {state for state in states if isinstance(state, str)}


def test_every_field_is_documented(request):
    page = (request.config.rootpath / "docs/filters.md").read_text(encoding="utf-8")
    for name in (*READERS, "data."):
        assert f"`{name}" in page
    for limit in ("MAX_CHARACTERS", "MAX_TERMS", "MAX_DEPTH", "MAX_STEPS"):
        assert f"{getattr(filter_language, limit):,}" in page
