from __future__ import annotations

import json
import math

import pytest

from tests.resumable import code_digest, resumed

NAMES = ["one", "two"]


@pytest.fixture
def begin(tmp_path):
    def _begin(*, seed=None, short=True, fresh=False, code="c0de", names=NAMES):
        return resumed(tmp_path, names=names, seed=seed, short=short, fresh=fresh, code=code)

    return _begin


def test_a_run_that_was_interrupted_goes_on(begin):
    first = begin()
    first.finish("one", {"lost": 0, "worst_recovery_s": math.inf})
    again = begin()
    assert again.seed == first.seed
    assert again.results == {"one": {"lost": 0, "worst_recovery_s": math.inf}}


def test_a_run_goes_on_under_its_seed_even_when_it_is_finished(begin):
    first = begin(seed=7)
    for name in NAMES:
        first.finish(name, {})
    assert begin(seed=7).results == {"one": {}, "two": {}}


def test_a_finished_run_is_not_told_again_unasked(begin):
    first = begin(seed=7)
    for name in NAMES:
        first.finish(name, {})
    assert begin().results == {}


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"short": False}, {"code": "other"}, {"fresh": True}], ids=str
)
def test_results_of_another_run_are_not_mixed_in(begin, change):
    begin(seed=7).finish("one", {})
    assert begin(**({"seed": 7} | change)).results == {}


def test_a_file_that_cannot_be_read_is_no_run(begin, tmp_path):
    begin(seed=7).finish("one", {})
    for text in ("", "{", "[]"):
        (tmp_path / "state.json").write_text(text)
        assert begin(seed=7).results == {}


def test_what_is_kept_says_what_it_is_of(begin, tmp_path):
    run = begin(seed=7)
    run.finish("one", {})
    kept = json.loads((tmp_path / "state.json").read_text())
    assert (kept["seed"], kept["short"], kept["commit"], kept["code"]) == (
        *(7, True, run.commit),
        "c0de",
    )


def test_the_same_seed_decides_the_same(begin):
    draws = [begin(seed=7).random("one").random() for _ in range(2)]
    assert draws[0] == draws[1]
    assert begin(seed=7).random("two").random() != draws[0]
    assert begin(seed=8).random("one").random() != draws[0]


def test_the_digest_is_that_of_the_code():
    assert code_digest("workers") == code_digest("workers")
    assert code_digest("workers") != code_digest("workers", "syncpipe")
    assert len(code_digest("workers")) == 16
