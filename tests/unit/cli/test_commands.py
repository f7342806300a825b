from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from syncpipe.cli import COMMANDS, main
from syncpipe.cli.output import Exit


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, env=None):
        return CliRunner().invoke(main, arguments, env=env, prog_name="syncpipe")

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_the_overview_says_what_it_says(name):
    command = main.get_command(click.Context(main), name)
    assert command.name == name
    assert command.get_short_help_str(1000) == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_verbs_explains_itself(run, name):
    assert run(name, "--help").exit_code == Exit.OK
    command = main.get_command(click.Context(main), name)
    for verb in getattr(command, "commands", ()):
        done = run(name, verb, "--help")
        assert done.exit_code == Exit.OK
        assert command.commands[verb].help, f"{name} {verb}"


@pytest.mark.parametrize(
    ("arguments", "proposal"),
    [
        (["confg"], "Did you mean 'config'?"),
        (["config", "chek"], "Did you mean 'check'?"),
        (["config", "check", "--confg", "x"], "Did you mean '--config'?"),
    ],
)
def test_a_misspelt_word_brings_the_right_one_and_exit_code_2(run, arguments, proposal):
    done = run(*arguments)
    assert done.exit_code == Exit.USAGE
    assert proposal in done.stderr


def test_an_unknown_option_of_the_whole_is_wrong_usage(run):
    assert run("--nope").exit_code == Exit.USAGE


def test_an_error_of_ours_is_one_message_with_code_and_what_to_do(run):
    done = run("config", "show", "--set", "shard=1")
    assert done.exit_code == Exit.FAILED
    assert done.stdout == ""
    assert done.stderr.startswith("Error SP-E100: The configuration has 1 mistake:\n")
    assert "\nWhat to do: Run `syncpipe config check`" in done.stderr


def test_check_says_that_all_is_right(run):
    done = run("config", "check")
    assert (done.exit_code, done.stdout) == (Exit.OK, "")
    assert done.stderr == "The configuration is right.\n"


def test_check_lists_every_mistake_with_its_line(run, tmp_path):
    (tmp_path / "my.toml").write_text("shard = 1\n[log]\nlevel = 5\n", encoding="utf-8")
    done = run("config", "check", "--config", "my.toml")
    assert done.exit_code == Exit.FAILED
    first, second = done.stdout.splitlines()
    assert first == "my.toml:1: shard: There is no key 'shard' here. Did you mean 'shards'?"
    assert second.startswith("my.toml:3: log.level: 5 is not one of the choices. Known here: ")
    assert done.stderr == "2 mistakes.\n"


def test_check_gives_mistakes_as_json(run):
    done = run("config", "check", "--set", "shards=x", "-o", "jsonl")
    assert json.loads(done.stdout) == {
        "file": "--set",
        "line": None,
        "key": "shards",
        "mistake": "'x' is not a number.",
        "suggestion": "Write a number above 0.",
    }


def test_show_tells_where_values_come_from_and_hides_passwords(run):
    env = {"SYNCPIPE__BROKER__URL": "redis://:hunter2@host/0"}
    done = run("config", "show", "--sources", "--set", "shards=3", "-o", "json", env=env)
    rows = {row["key"]: row for row in json.loads(done.stdout)}
    assert rows["shards"] == {"key": "shards", "value": 3, "source": "--set"}
    assert rows["broker.url"]["value"] == "redis://:***@host/0"
    assert rows["broker.url"]["source"] == "SYNCPIPE__BROKER__URL"
    assert rows["log.level"]["source"] == "default"


def test_show_writes_a_table_of_keys_and_values(run):
    lines = run("config", "show").stdout.splitlines()
    assert lines[0].split() == ["KEY", "VALUE"]
    assert lines[1].split() == ["shards", "8"]


def test_defaults_are_a_configuration_that_changes_nothing(run, tmp_path):
    (tmp_path / "syncpipe.toml").write_text(run("config", "defaults").stdout, encoding="utf-8")
    assert run("config", "check").exit_code == Exit.OK


def test_init_writes_a_configuration_that_is_right(run):
    assert run("init").exit_code == Exit.OK
    assert run("config", "check").stderr == "The configuration is right.\n"


def test_init_makes_a_key_for_the_audit_once(run, tmp_path):
    assert "keep it out of version control" in run("init").stderr
    path = tmp_path / "syncpipe.audit.key"
    kept = path.read_text(encoding="ascii")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "version control" not in run("init", "--force").stderr
    assert path.read_text(encoding="ascii") == kept


def test_init_leaves_a_file_alone_unless_forced(run, tmp_path):
    (tmp_path / "syncpipe.toml").write_text("shards = 1\n", encoding="utf-8")
    done = run("init")
    assert done.exit_code == Exit.FAILED
    assert "--force replaces it" in done.stderr
    assert (tmp_path / "syncpipe.toml").read_text(encoding="utf-8") == "shards = 1\n"
    assert run("init", "--force").exit_code == Exit.OK
    assert "[broker]" in (tmp_path / "syncpipe.toml").read_text(encoding="utf-8")


def test_init_into_a_missing_folder_fails_with_the_reason(run):
    done = run("init", "nowhere/syncpipe.toml")
    assert done.exit_code == Exit.FAILED
    assert "No such file or directory" in done.stderr


def test_explain_tells_meaning_and_what_to_do(run):
    done = run("explain", "sp-e401")
    assert done.stdout.startswith("SP-E401 BufferFull\n")
    assert "What to do: Wait `retry_after` seconds" in done.stdout
    assert "Trying again can help by itself: yes." in done.stdout


def test_explain_without_a_code_lists_all(run):
    lines = run("explain").stdout.splitlines()
    assert lines[0].startswith("SP-E000  SyncpipeError: ")
    assert len(lines) > 30


def test_explain_of_an_unknown_code_matches_nothing(run):
    done = run("explain", "SP-E999")
    assert done.exit_code == Exit.NOTHING
    assert "There is no code 'SP-E999'" in done.stderr
