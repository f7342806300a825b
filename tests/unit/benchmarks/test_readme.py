from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.chart import chart
from tests.benchmarks.readme import BEGIN, END, picture, section, spliced

MACHINE = {"cores": 2, "processor": "a <fast> one", "python": "3.11"}
CELL = {
    "ops_per_s": 1234.5,
    "ops_per_s_spread": [1000.0, 2000.0],
    "cpu_us_per_op": 50.0,
    "broker_bytes_per_op": None,
    "peak_rss_mb": 80.0,
    "guarded": True,
    "wrong_rows": 0,
}
WORKLOADS = {
    "distinct": {
        "syncpipe": CELL,
        "celery_task_per_record": CELL | {"ops_per_s": 12.345, "guarded": False},
        "bullmq_pg": {"missing": "there is no Node with npm"},
        "ratios": {"of_celery_task_per_record": 100.0},
    },
    "trickle": {
        "syncpipe": CELL | {"p50_ms": 12.0, "p99_ms": 40.0, "applied_per_s": None},
        "ratios": {},
    },
}


POINT = {"cpu_us_per_op": 20.04, "peak_rss_mb": 99.6}
CONTENT = {
    "machine": MACHINE,
    "workloads": WORKLOADS,
    "scaling": {"lanes": {"8": POINT, "1024": POINT | {"cpu_us_per_op": 21.0}}},
}


def test_the_section_has_a_row_for_every_system_that_was_measured():
    text = section(CONTENT)
    assert "| **syncpipe** | yes | 1,234 (1,000 to 2,000) | 100.0 |" in text
    assert "| celery task per record | no |" in text
    assert "bullmq" not in text
    assert "| trickle | 1,234 | p50 12 ms, p99 40 ms |" in text
    assert "| lanes | 8 · 1,024 | 20.0 · 21.0 | 100 · 100 |" in text


def test_a_run_without_series_has_no_table_of_them():
    assert "what grows" not in section(CONTENT | {"scaling": {}})


def test_ours_stands_without_a_producer_too_beside_what_has_none():
    alone = {"applied_per_s": 2500.0, "applied_cpu_us_per_op": 30.0}
    workloads = {"distinct": WORKLOADS["distinct"] | {"syncpipe": CELL | alone}}
    text = section(CONTENT | {"workloads": workloads})
    assert "| syncpipe, workers alone | yes | 2,500 | 202.5 | 30 | - | 80 |" in text
    assert "syncpipe, workers alone" in picture(workloads, "")


def test_the_section_takes_the_place_of_the_one_before():
    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert spliced(readme, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="no place"):
        spliced("no marks", "new")


def test_the_chart_is_an_image_with_a_bar_for_every_system():
    root = ET.fromstring(picture(WORKLOADS, "a note & more"))  # noqa: S314 - our own text
    bars = root.findall("{*}rect")
    assert [bar.get("class") for bar in bars] == ["ours", "peer"]
    assert float(bars[0].get("width")) > 50 * float(bars[1].get("width"))
    assert "prefers-color-scheme: dark" in root.find("{*}style").text


def test_a_chart_of_nothing_is_an_image_too():
    assert ET.fromstring(chart("nothing", [], "")).tag.endswith("svg")  # noqa: S314
