"""Key names and scripts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from syncpipe.transport import redis_keys
from syncpipe.transport.redis_keys import Keys, script

LUA = Path(redis_keys.__file__).parent / "lua"
NAMES = sorted(path.stem for path in LUA.glob("*.lua") if path.stem != "put_back")


def test_every_key_carries_the_prefix():
    keys = Keys("app:")

    assert keys.incarnations == "app:syncpipe:incarnations"
    assert keys.watch == "app:syncpipe:watch"
    assert keys.unacked("i") == keys.unacked_prefix + "i" == "app:syncpipe:unacked:i"
    assert keys.bell("app:q") == keys.bell_prefix + "app:q" == "app:syncpipe:bell:app:q"
    assert keys.workers == "app:syncpipe:workers"
    assert keys.said == "app:syncpipe:workers:said"


def test_no_key_of_ours_looks_like_a_queue():
    keys = Keys()

    assert not any(
        name.startswith("sp.")
        for name in (keys.incarnations, keys.watch, keys.unacked("i"), keys.bell("q"))
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_known_by_the_hash_of_its_text(name):
    loaded = script(name)

    assert loaded.sha == hashlib.sha1(loaded.text.encode(), usedforsecurity=False).hexdigest()
    assert (LUA / f"{name}.lua").read_text() in loaded.text


@pytest.mark.parametrize("name", NAMES)
def test_a_script_has_the_function_it_calls(name):
    text = script(name).text

    assert ("put_back(" in text) == ("local function put_back(" in text)
