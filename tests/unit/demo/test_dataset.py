"""The shipped data set is the one its SOURCE.md describes."""

from __future__ import annotations

import gzip
from collections import Counter
from hashlib import sha256
from importlib import resources

from syncpipe.demo.dataset import DATA_FILE, strikes

PACKAGE = resources.files("syncpipe.demo")


def test_every_report_is_loaded_oldest_first() -> None:
    reports = strikes()

    assert len(reports) == 10_000
    assert [report.day for report in reports] == sorted(report.day for report in reports)
    assert reports[0].airport == "BARKSDALE AIR FORCE BASE ARPT"
    assert reports[0].speed == 300


def test_reports_return_to_the_same_keys_with_skew() -> None:
    airports = Counter(report.airport for report in strikes())

    assert len(airports) == 50
    assert airports.most_common(1) == [("DALLAS/FORT WORTH INTL ARPT", 908)]
    assert min(airports.values()) > 1


def test_unknown_speed_and_damage_are_kept_apart_from_values() -> None:
    reports = strikes()

    assert sum(report.speed is None for report in reports) == 2836
    assert sum(report.damaged for report in reports) == 1061
    assert {report.size for report in reports} == {"Small", "Medium", "Large"}


def test_the_source_page_states_the_checksums_of_the_shipped_file() -> None:
    packed = PACKAGE.joinpath(DATA_FILE).read_bytes()
    source = PACKAGE.joinpath("data/SOURCE.md").read_text(encoding="utf-8")

    assert len(packed) < 2_000_000
    assert sha256(packed).hexdigest() in source
    assert sha256(gzip.decompress(packed)).hexdigest() in source
