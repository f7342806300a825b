"""The way from a clone to an environment, on a tiny project that needs nothing from anywhere."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syncpipe import _bootstrap
from tests.patience import eventually

#: A build backend of a few lines, as the real one would have to be fetched.
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "syncpipe-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("syncpipe.pth", "HERE")
        info = "syncpipe-1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: syncpipe\\nVersion: 1\\n")
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")
    return name

build_wheel = build_editable
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "syncpipe"
version = "1"
"""
#: Makes Python believe that Debian's python3-venv is not installed.
WITHOUT_ENSUREPIP = "import sys; sys.modules['ensurepip'] = None"
#: The Python that made our own environment: it has pip, which ours need not have.
PYTHON = str(Path(sys._base_executable))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    root = tmp_path / "a clone"
    (root / "syncpipe").mkdir(parents=True)
    (root / "config").mkdir()
    (root / "config" / "requirements.lock").write_text("", encoding="utf-8")
    (root / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (root / "backend.py").write_text(BACKEND.replace("HERE", str(root)), encoding="utf-8")
    (root / "syncpipe" / "__init__.py").write_text("", encoding="utf-8")
    cli = "import sys; print('cli', *sys.argv[1:], sys.prefix)"
    (root / "syncpipe" / "cli.py").write_text(cli, encoding="utf-8")
    shutil.copy(_bootstrap.__file__, root / "syncpipe")
    # No uv here, and no ensurepip, which is slow.
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    pretend(tmp_path, monkeypatch, WITHOUT_ENSUREPIP)
    return root


def pretend(folder: Path, monkeypatch, text: str) -> None:
    """Let every Python that is started run *text* first."""
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def bootstrap(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "syncpipe._bootstrap", *arguments],
        cwd=clone, capture_output=True, text=True, check=False,
    )  # fmt: skip


def works(clone: Path) -> bool:
    probe = [clone / ".venv" / "bin" / "python", "-c", "import syncpipe; print(syncpipe.__file__)"]
    done = subprocess.run(probe, cwd="/", capture_output=True, text=True, check=False)
    return done.stdout.strip() == str(clone / "syncpipe" / "__init__.py")


def test_it_says_how_it_makes_the_environment_and_becomes_the_program_in_it(clone, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")
    done = bootstrap(clone, "up", "--keep")
    assert "making .venv" in done.stdout, done.stderr
    assert done.stdout.endswith(f"cli up --keep {clone / '.venv'}\n")
    assert works(clone)


def test_the_second_run_makes_nothing(clone):
    bootstrap(clone, "install")
    assert bootstrap(clone, "install").stdout == ""


def test_it_works_without_ensurepip(clone):
    done = bootstrap(clone, "install")
    assert "has no ensurepip" in done.stdout, done.stderr
    assert works(clone)


def test_with_neither_ensurepip_nor_pip_it_says_what_to_install(clone, tmp_path, monkeypatch):
    pretend(tmp_path, monkeypatch, f"{WITHOUT_ENSUREPIP}; sys.modules['pip'] = None")
    done = bootstrap(clone, "install")
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_a_half_made_environment_is_made_anew(clone):
    with subprocess.Popen(
        [PYTHON, "-m", "syncpipe._bootstrap", "install"],
        cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        eventually((clone / ".venv" / "bin" / "python").exists)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    (clone / ".venv" / "bin" / "python").unlink(missing_ok=True)
    done = bootstrap(clone, "install")
    assert done.returncode == 0, done.stderr
    assert works(clone)


def test_another_lock_makes_another_environment(clone):
    bootstrap(clone, "install")
    (clone / "config" / "requirements.lock").write_text("# changed\n", encoding="utf-8")
    assert "making .venv" in bootstrap(clone, "install").stdout


def test_settings_of_tools_do_not(clone):
    bootstrap(clone, "install")
    with (clone / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("[tool.other]\nx = 1\n")
    assert bootstrap(clone, "install").stdout == ""


def test_two_at_once_make_one_environment(clone):
    command = [PYTHON, "-m", "syncpipe._bootstrap", "install"]
    both = [
        subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(len(text.splitlines()) for text in said) == [0, 1]
    assert works(clone)


def test_what_fails_is_named(clone):
    (clone / "config" / "requirements.lock").write_text("no such file: !\n", encoding="utf-8")
    done = bootstrap(clone, "install")
    assert done.returncode == 1
    assert "requirements.lock` failed; its output above says why" in done.stderr


def test_down_and_clean_install_nothing(clone):
    assert "nothing is running" in bootstrap(clone, "down").stdout
    assert bootstrap(clone, "clean").returncode == 0
    assert not (clone / ".venv").exists()


def test_clean_removes_what_was_made(clone):
    bootstrap(clone, "install")
    (clone / ".syncpipe").mkdir()
    assert bootstrap(clone, "clean").returncode == 0
    assert not (clone / ".venv").exists()
    assert not (clone / ".syncpipe").exists()


def test_an_unknown_word_is_answered_with_the_known_ones(clone):
    done = bootstrap(clone, "dance")
    assert done.returncode == 2
    assert "up|down|test|check" in done.stderr
