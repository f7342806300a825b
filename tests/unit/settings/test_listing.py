from __future__ import annotations

import tomllib
from pathlib import Path

from syncpipe.settings import Settings, check, load, schema
from syncpipe.settings.listing import listing, starter, toml_value

CONFIG = Path(__file__).parents[3] / "config"


def test_the_committed_listing_is_what_the_code_says():
    committed = (CONFIG / "syncpipe.toml").read_text(encoding="utf-8")
    assert committed == listing(), "run: syncpipe config defaults > config/syncpipe.toml"


def test_the_listing_changes_no_default(tmp_path):
    (tmp_path / "all.toml").write_text(listing(), encoding="utf-8")
    assert load(tmp_path / "all.toml", environ={}).settings == Settings()


def test_the_listing_with_its_samples_names_every_key_and_is_right(tmp_path):
    text = listing().replace("${file:/run/secrets/crm_dsn}", "host=h")
    plain, _, samples = text.partition("# [targets.crm]")
    body = plain + ("# [targets.crm]" + samples).replace("\n# ", "\n").removeprefix("# ")
    tree = tomllib.loads(body)
    assert set(tree) == {*schema.top_keys(), *schema.sections(), *schema.families()}
    for family, keys in schema.families().items():
        [sample] = tree[family].values()
        assert set(sample) == set(keys)
    (tmp_path / "samples.toml").write_text(body, encoding="utf-8")
    assert check(tmp_path / "samples.toml", environ={}) == []


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
    (tmp_path / "syncpipe.toml").write_text(starter(), encoding="utf-8")
    settings = load(tmp_path / "syncpipe.toml", environ={}).settings
    assert list(settings.targets) == ["main"]
    assert settings.collections["orders"].targets == ("main",)


def test_values_are_written_so_that_toml_reads_them_back():
    for value in (True, 5, 1_000_000, 2.5, 'a "b" \\', ["a", "b"], []):
        assert tomllib.loads(f"v = {toml_value(value)}") == {"v": value}
