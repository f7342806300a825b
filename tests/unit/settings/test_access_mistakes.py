"""What is wrong with who may do what, with what is shown, and with the audit's key."""

from __future__ import annotations

import pytest

from syncpipe.core.masks import MaskRule
from syncpipe.settings import load
from tests.unit.settings.test_mistakes import COLLECTION, only

KEY = bytes(range(32)).hex()


@pytest.mark.parametrize(
    ("text", "key", "suggestion"),
    [
        ('admins = ["cil:ann"]', "admins", "Did you mean 'cli:ann'?"),
        ('viewers = ["cli:a", "postgre:x"]', "viewers", "Did you mean 'postgres:x'?"),
        ('operators = "ann"', "operators", "Write one of cli:NAME, postgres:NAME, "),
        ('operators = ["cli:"]', "operators", "Did you mean 'cli:NAME'?"),
        ('operators = ["CLI:ann"]', "operators", "Did you mean 'cli:ann'?"),
        ('admin = ["cli:ann"]', "admin", "Did you mean 'admins'?"),
        ('default = "viewers"', "default", "Did you mean 'viewer'?"),
        ("admins = [5]", "admins", "Write it in quotes"),
    ],
)
def test_a_misspelt_name_brings_the_right_one(mistakes_of, text, key, suggestion):
    mistake = only(mistakes_of(f"[access]\n{text}"))
    assert mistake.key == f"access.{key}"
    assert mistake.suggestion.startswith(suggestion)


def test_lists_may_be_empty_and_names_may_be_one(mistakes_of, tmp_path):
    assert mistakes_of('[access]\nviewers = []\nadmins = "oauth:ann@example.org"') == []
    access = load(tmp_path / "syncpipe.toml", environ={}).settings.access
    assert (access.viewers, access.admins) == ((), ("oauth:ann@example.org",))


@pytest.mark.parametrize(
    ("text", "key", "suggestion"),
    [
        ('email = "hsah"', "mask.email", "Did you mean 'hash'?"),
        ("email = 5", "mask.email", "Known here: hash, partial, redact, show."),
        ('"*" = "none"', "mask.*", "Known here: hash, partial, redact, show."),
    ],
)
def test_a_misspelt_rule_brings_the_right_one(mistakes_of, text, key, suggestion):
    mistake = only(mistakes_of(f"{COLLECTION}[collections.orders.mask]\n{text}"))
    assert mistake.key == f"collections.orders.{key}"
    assert mistake.suggestion == suggestion


def test_a_rule_for_a_field_that_is_not_declared_is_a_mistake(mistakes_of):
    table = f'{COLLECTION}table = "public.orders"\nfields = ["status", "total"]\n'
    mask = '[collections.orders.mask]\n"*" = "hash"\n{} = "show"'
    assert mistakes_of(table + mask.format("status")) == []
    mistake = only(mistakes_of(table + mask.format("staus")))
    assert (mistake.line, mistake.suggestion) == (10, "Did you mean 'status'?")


def test_rules_are_read_from_every_layer(mistakes_of, tmp_path):
    assert mistakes_of(f'{COLLECTION}mask = {{ a = "show" }}') == []
    found = load(
        tmp_path / "syncpipe.toml",
        environ={"SYNCPIPE__COLLECTIONS__ORDERS__MASK__B": "hash"},
        overrides=["collections.orders.mask.*=partial"],
    )
    rules = {"a": MaskRule.SHOW, "b": MaskRule.HASH, "*": MaskRule.PARTIAL}
    assert found.settings.collections["orders"].mask == rules


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("hunter2hunter2hunter2", "neither hexadecimal digits nor base64"),
        (KEY[:60], "it has 30 bytes"),
        ("ab" * 40, "it repeats itself"),
        ("   ", "it has 0 bytes"),
    ],
)
def test_a_key_that_is_none_is_told_without_showing_it(mistakes_of, tmp_path, key, why):
    (tmp_path / "key").write_text(key, encoding="utf-8")
    for text in (key, f"${{file:{tmp_path / 'key'}}}"):
        mistake = only(mistakes_of(f'[audit]\nkey = "{text}"'))
        assert (mistake.key, mistake.line) == ("audit.key", 2)
        assert why in mistake.message
        assert key not in mistake.message + mistake.suggestion
        assert "syncpipe audit key" in mistake.suggestion


def test_the_key_is_not_shown(mistakes_of, tmp_path):
    assert mistakes_of(f'[audit]\nkey = "{KEY}"') == []
    loaded = load(tmp_path / "syncpipe.toml", environ={})
    assert loaded.settings.audit.secret() == bytes.fromhex(KEY)
    assert KEY not in repr(loaded)
    assert {each.value for each in loaded.entries if each.key == "audit.key"} == {"***"}
    assert load(environ={}, overrides=["audit.key="]).settings.audit.secret() is None
