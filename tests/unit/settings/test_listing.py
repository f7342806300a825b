from __future__ import annotations

import re
import tomllib
from pathlib import Path

from syncpipe.settings import Settings, check, load, schema
from syncpipe.settings.listing import listing, starter, toml_value
from syncpipe.settings.tree import TARGET_TYPES

KEY = bytes(range(32))
CONFIG = Path(__file__).parents[3] / "config"


def test_the_committed_listing_is_what_the_code_says():
    committed = (CONFIG / "syncpipe.toml").read_text(encoding="utf-8")
    assert committed == listing(), "run: syncpipe config defaults > config/syncpipe.toml"


def test_the_listing_changes_no_default(tmp_path):
    (tmp_path / "all.toml").write_text(listing(), encoding="utf-8")
    assert load(tmp_path / "all.toml", environ={}).settings == Settings()


def with_samples():
    """The listing with its samples uncommented, and without the references in it."""
    plain, mark, samples = listing().partition("# [targets.crm]")
    text = plain + (mark + samples).replace("\n# ", "\n").removeprefix("# ")
    return re.sub(r"\$\{file:[^}]*crm_dsn\}", "host=h", re.sub(r"\$\{file:[^}]*token\}", "t", text))


def test_the_listing_with_its_samples_names_every_key_and_is_right(tmp_path):
    tree = tomllib.loads(with_samples())
    assert set(tree) == {*schema.top_keys(), *schema.sections(), *schema.families()}
    [collection] = tree["collections"].values()
    assert set(collection) == set(schema.families()["collections"])
    (tmp_path / "samples.toml").write_text(with_samples(), encoding="utf-8")
    assert check(tmp_path / "samples.toml", environ={}) == []


def test_each_type_of_target_has_a_sample_with_its_own_keys():
    samples = tomllib.loads(with_samples())["targets"].values()
    assert {sample["type"]: set(sample) for sample in samples} == {
        kind: set(schema.target_keys(kind)) for kind in TARGET_TYPES
    }


def test_every_key_has_a_meaning_in_one_sentence_or_more():
    tables = [schema.top_keys(), *schema.families().values()]
    tables += [schema.keys_of(options) for options in schema.sections().values()]
    for keys in tables:
        for key in keys.values():
            assert key.note.endswith("."), key


def test_the_production_profile_only_differs(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("rediss://:secret@broker:6379/0\n", encoding="utf-8")
    for name in ("syncpipe.toml", "production.toml"):
        text = (CONFIG / name).read_text(encoding="utf-8")
        text = text.replace("/run/secrets/syncpipe_broker_url", str(secret))
        (tmp_path / name).write_text(text, encoding="utf-8")
    common = load(tmp_path / "syncpipe.toml", environ={})
    production = load(tmp_path / "syncpipe.toml", profile="production", environ={})
    values = {entry.key: entry.value for entry in common.entries}
    for entry in production.entries:
        if entry.source.layer == "profile":
            assert entry.value != values[entry.key], f"{entry.key} does not differ"
    assert production.settings.broker.url == "rediss://:secret@broker:6379/0"


def test_the_starter_file_is_right_and_shows_the_common_case(tmp_path):
    key = tmp_path / 'a "key"'
    key.write_text(f"{KEY.hex()}\n", encoding="utf-8")
    (tmp_path / "syncpipe.toml").write_text(starter(key), encoding="utf-8")
    settings = load(tmp_path / "syncpipe.toml", environ={}).settings
    assert settings.audit.secret() == KEY
    assert list(settings.targets) == ["main"]
    assert settings.collections["orders"].targets == ("main",)


def test_values_are_written_so_that_toml_reads_them_back():
    table = {"a": 1, "b c": "d", "5": {"e": []}}
    for value in (True, 5, 1_000_000, 2.5, 'a "b" \\', ["a", "b"], [], table):
        assert tomllib.loads(f"v = {toml_value(value)}") == {"v": value}
