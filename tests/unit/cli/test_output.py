from __future__ import annotations

import json

from syncpipe.cli.output import Form, write

ROWS = [{"queue": "sp.crm.0.high", "ready": 5, "age": None}, {"queue": "q", "ready": 12}]


def test_a_table_has_aligned_columns_without_spaces_at_the_end(capsys):
    write(ROWS, Form.TABLE, ["queue", "age", "ready"])
    assert capsys.readouterr().out == (
        "QUEUE          AGE  READY\n"
        "sp.crm.0.high  -    5\n"
        "q              -    12\n"
    )  # fmt: skip


def test_a_table_without_rows_still_has_its_head(capsys):
    write([], Form.TABLE, ["queue"])
    assert capsys.readouterr().out == "QUEUE\n"


def test_json_is_one_array_with_everything(capsys):
    write(ROWS, Form.JSON, ["queue"])
    assert json.loads(capsys.readouterr().out) == ROWS


def test_json_lines_are_one_object_each_as_they_come(capsys):
    write(iter(ROWS), Form.JSONL, ["queue"])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS
