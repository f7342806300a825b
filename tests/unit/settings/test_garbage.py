"""Whatever a configuration holds, it is loaded or refused, and nothing else happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.errors import ConfigError
from syncpipe.settings import check, load, schema
from syncpipe.settings.listing import toml_value

TABLES = [(), *((name,) for name in schema.sections())]
TABLES += [(family, name) for family in schema.families() for name in ("crm", "orders", "Ä b")]
KEYS = sorted({name for table in TABLES for name in schema.keys_under(table)})

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
WORDS = st.sampled_from(["5s", "1d", "postgres", "crm", "public.t", "${env:X}", "${file:/}", "hlc"])
SCALARS = st.one_of(
    st.integers(), st.integers(10**300, 10**320), st.floats(), st.booleans(), TEXTS, WORDS
)
VALUES = st.one_of(SCALARS.map(toml_value), st.lists(SCALARS, max_size=3).map(toml_value))
OTHERS = st.sampled_from(["{}", "{a = 1}", "[{}]", "[[]]", "1979-05-27", "07:32:00", "nan", "-inf"])
LINES = st.tuples(st.sampled_from(KEYS) | TEXTS.map(toml_value), VALUES | OTHERS)
BODIES = st.lists(LINES, max_size=6, unique_by=lambda line: line[0])


def text_of(table, lines):
    header = f"[{'.'.join(map(toml_value, table))}]\n" if table else ""
    return header + "".join(f"{key} = {value}\n" for key, value in lines)


@given(st.dictionaries(st.sampled_from(TABLES), BODIES, max_size=4))
def test_any_file_is_loaded_or_refused_with_a_place_for_every_mistake(tmp_path_factory, tables):
    path = tmp_path_factory.getbasetemp() / "garbage.toml"
    ordered = sorted(tables.items())
    path.write_text("".join(text_of(table, lines) for table, lines in ordered), encoding="utf-8")
    mistakes = check(path, environ={})
    assert all(mistake.line for mistake in mistakes if mistake.source.layer == "file")
    if mistakes:
        with pytest.raises(ConfigError, match=f"{len(mistakes)} mistake"):
            load(path, environ={})
    else:
        load(path, environ={})


@given(st.dictionaries(st.sampled_from(["SHARDS", "LOG__LEVEL", "A__B", "", "__"]) | TEXTS, TEXTS))
def test_any_environment_is_loaded_or_refused(tmp_path_factory, variables):
    environ = {f"SYNCPIPE__{name}": value for name, value in variables.items()}
    path = tmp_path_factory.getbasetemp() / "empty.toml"
    path.write_text("", encoding="utf-8")
    for mistake in check(path, environ=environ):
        assert mistake.source.name in environ


@given(st.lists(TEXTS | st.sampled_from(["shards=3", "log=5", "a.b=1", "=", "...=1"])))
def test_any_overrides_are_loaded_or_refused(tmp_path_factory, overrides):
    path = tmp_path_factory.getbasetemp() / "empty.toml"
    path.write_text("", encoding="utf-8")
    assert all(each.source.name == "--set" for each in check(path, overrides=overrides, environ={}))
