from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

import pytest

from syncpipe.core.collection import Collection
from syncpipe.core.compression import Dictionary
from syncpipe.dictionaries import Directory
from syncpipe.errors import ConfigError, DictionaryMissing, DictionaryUnreadable
from tests.unit.core.trained import dictionary


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "dictionaries"


@pytest.fixture
def directory(folder):
    return Directory(str(folder))


def test_what_was_added_is_found_by_id_and_by_name_and_by_others(directory, folder):
    name, path = directory.add("orders", dictionary())

    assert name == f"orders-{dictionary().id.hex()}"
    assert path == folder / f"{name}.zdict"
    for each in (directory, Directory(str(folder))):
        assert each.find(dictionary().id).content == dictionary().content
        assert each.named(name) is each.find(dictionary().id)
        assert each.names() == [name]


def test_it_is_for_its_owner_alone_and_leaves_nothing_else(directory, folder):
    _, path = directory.add("orders", dictionary())
    directory.add("orders", dictionary())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == [path]


def test_a_new_file_is_found_without_a_restart(directory, folder):
    with pytest.raises(DictionaryMissing, match=f"it is not in {folder}"):
        directory.find(dictionary().id)

    Directory(str(folder)).add("orders", dictionary())

    assert directory.find(dictionary().id).id == dictionary().id


def test_versions_stand_side_by_side(directory):
    names = {directory.add("orders", dictionary(seed))[0] for seed in (1, 2)}

    assert set(directory.names()) == names
    assert {directory.named(name).id for name in names} == {dictionary(1).id, dictionary(2).id}


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:0], lambda b: b"#" + b[1:]]
)
def test_a_file_that_is_not_whole_is_not_used(directory, damage):
    name, path = directory.add("orders", dictionary())
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DictionaryMissing, match=r"\.zdict is damaged"):
        directory.find(dictionary().id)
    assert directory.names() == [name]

    directory.add("orders", dictionary())
    assert directory.find(dictionary().id).id == dictionary().id


def test_a_file_that_cannot_be_read_is_missing(directory):
    _, path = directory.add("orders", dictionary())
    path.unlink()
    path.mkdir()

    with pytest.raises(DictionaryMissing, match="Is a directory"):
        directory.find(dictionary().id)


@pytest.mark.parametrize("call", [(os, "listdir"), (Path, "open")])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE, errno.EACCES])
def test_one_that_cannot_be_read_now_is_read_later_and_the_log_says_so_once(
    directory, monkeypatch, caplog, call, number
):
    directory.add("orders", dictionary())
    with monkeypatch.context() as patch:
        patch.setattr(*call, _raises(OSError(number, "not now")))
        for _ in range(2):
            with pytest.raises(DictionaryUnreadable, match="not now"):
                directory.find(dictionary().id)

    assert directory.find(dictionary().id).id == dictionary().id
    (record,) = _told(caplog)
    assert "SP-E308" in record.getMessage()


def test_a_directory_that_cannot_be_read_is_not_an_empty_one(directory, folder, monkeypatch):
    assert directory.names() == []
    folder.mkdir()
    monkeypatch.setattr(os, "listdir", _raises(PermissionError(errno.EACCES, "no")))

    with pytest.raises(PermissionError):
        directory.names()


def _told(caplog):
    """What we have told, and not what other libraries have."""
    return [record for record in caplog.records if record.name.startswith("syncpipe")]


def _raises(fault):
    def fail(*_, **__):
        raise fault

    return fail


def test_without_a_directory_there_are_none():
    nowhere = Directory("")

    assert nowhere.names() == []
    with pytest.raises(DictionaryMissing, match="names no directory"):
        nowhere.find(bytes(8))
    with pytest.raises(ConfigError, match="names no directory"):
        nowhere.add("orders", dictionary())


def test_other_files_are_not_ours(directory, folder):
    folder.mkdir()
    for name in ("notes.txt", "orders.zdict", "orders-1.zdict", "Orders-0123456789abcdef.zdict"):
        (folder / name).touch()

    assert directory.names() == []


def test_clients_get_what_is_there_and_the_log_says_what_is_not(directory, caplog):
    name, _ = directory.add("orders", dictionary())
    collections = [
        Collection("orders", ("crm",), dictionary=name),
        Collection("notes", ("crm",)),
        Collection("people", ("crm",), dictionary="people-0123456789abcdef"),
    ]

    with caplog.at_level(logging.WARNING):
        chosen = directory.chosen(collections)

    assert chosen == {"orders": directory.find(dictionary().id)}
    assert isinstance(chosen["orders"], Dictionary)
    (record,) = _told(caplog)
    assert "people has no dictionary here: SP-E307" in record.getMessage()
