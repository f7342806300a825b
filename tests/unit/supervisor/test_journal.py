"""What stands in a journal survives its writer; what is counted from it survives anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.supervisor.journal import MAX_SUSPECTS, NOTE_BYTES, Journal, Suspects, noted

NOTES = [bytes([number]) * NOTE_BYTES for number in range(1, 9)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0.journal"


def test_notes_stand_there_as_long_as_the_block_lasts(path):
    journal = Journal(path, pages=2, notes=4)

    with journal.noting(NOTES[:2]), journal.noting(NOTES[2:3]):
        assert noted(path) == set(NOTES[:3])

    assert noted(path) == set()


def test_a_page_can_be_written_anew(path):
    with Journal(path, pages=1, notes=4).noting(NOTES[:3]) as page:
        page.write([NOTES[5]])

        assert noted(path) == {NOTES[5]}


def test_what_does_not_fit_on_a_page_is_left_out(path):
    with Journal(path, pages=1, notes=2).noting(NOTES):
        assert noted(path) == set(NOTES[:2])


def test_a_thread_without_a_page_waits_for_one(path):
    journal = Journal(path, pages=1, notes=2)
    begun = threading.Event()

    def work():
        with journal.noting(NOTES[1:2]):
            begun.set()

    with journal.noting(NOTES[:1]):
        thread = threading.Thread(target=work)
        thread.start()
        assert not begun.wait(0.05)
    thread.join()
    assert begun.is_set()


def test_it_has_its_room_from_the_beginning_so_that_a_full_disk_kills_nobody(path):
    Journal(path, pages=4, notes=2000)
    assert 512 * path.stat().st_blocks >= path.stat().st_size > 4 * 2000 * NOTE_BYTES


def test_an_exception_strikes_the_notes_out(path):
    with pytest.raises(ZeroDivisionError), Journal(path, pages=1, notes=2).noting(NOTES[:1]):
        _ = 1 / 0

    assert noted(path) == set()


def test_what_was_noted_survives_a_kill(path):
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from syncpipe.supervisor.journal import Journal\n"
        f"with Journal(Path({str(path)!r}), pages=4, notes=8).noting([{NOTES[3]!r}]):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )

    ended = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ)

    assert ended.returncode == -signal.SIGKILL
    assert noted(path) == {NOTES[3]}


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_torn_or_foreign_journal_says_nothing_that_was_not_noted(tmp_path_factory, junk, cut):
    path = tmp_path_factory.mktemp("journal") / "0.journal"
    path.write_bytes(junk)
    assert noted(path) == set()

    with Journal(path, pages=2, notes=3).noting(NOTES[:2]):
        whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    assert noted(path) <= set(NOTES[:2])


def test_no_journal_says_nothing(path):
    assert noted(path) == set()


def test_crashes_are_counted_for_each_note_by_whoever_writes(tmp_path):
    path = tmp_path / "suspects"
    Suspects(path).add({NOTES[0], NOTES[1]})
    Suspects(path).add({NOTES[1]})
    Suspects(path).add(set())

    assert Suspects(path).look() == {NOTES[0]: 1, NOTES[1]: 2}


def test_a_look_sees_what_another_has_added(tmp_path):
    watcher = Suspects(tmp_path / "suspects")
    assert watcher.look() == {}

    for number in range(1, 4):
        Suspects(tmp_path / "suspects").add({NOTES[0]})
        assert watcher.look() == {NOTES[0]: number}


def test_the_oldest_suspects_are_forgotten_first(tmp_path):
    suspects = Suspects(tmp_path / "suspects")
    first, *others = (number.to_bytes(NOTE_BYTES, "big") for number in range(MAX_SUSPECTS + 1))
    suspects.add({first})
    suspects.add(set(others))

    assert suspects.look().keys() == set(others)


def test_a_torn_file_of_suspects_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "suspects"
    Suspects(path).add(set(NOTES[:3]))
    path.write_bytes(path.read_bytes()[:-7])

    assert len(Suspects(path).look()) == 2
