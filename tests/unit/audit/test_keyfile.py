from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from syncpipe.audit.keyfile import new_key, provide
from syncpipe.core.chain import read_key
from syncpipe.system import SystemRandom
from syncpipe.testing.clock import SeededRandom


def test_a_new_key_is_one():
    assert new_key(SystemRandom()) != new_key(SystemRandom())
    assert len(read_key(new_key(SeededRandom()))) == 32


def test_a_key_is_there_for_its_owner_alone_and_stays(tmp_path):
    path = tmp_path / "audit.key"
    assert provide(path, SystemRandom())
    kept = path.read_text(encoding="ascii")
    read_key(kept)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not provide(path, SystemRandom())
    assert path.read_text(encoding="ascii") == kept
    assert [each.name for each in tmp_path.iterdir()] == ["audit.key"]


def test_of_many_who_want_one_at_once_one_makes_it(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: provide(tmp_path / "k", SystemRandom()), range(8)))
    assert sum(made) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["k"]


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        provide(tmp_path / "nowhere" / "k", SystemRandom())
