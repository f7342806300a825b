"""From a fresh clone to a running program, with nothing but Python and this file.

``python3 -m syncpipe._bootstrap up`` and its like are what the Makefile calls. They make ``.venv``
from the hashed lock and then become the program in there that does the work. This runs before
anything is installed, so it imports the standard library only.

The environment is made by uv where that is found, else by venv and pip, else (Debian without
python3-venv) by venv and the pip of the Python that runs this. A stamp is written last: an
environment without it, or with that of another lock, is made anew, so an interrupted installation
repairs itself, and a finished one is recognised at once and needs no network.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The clone.
ROOT = Path(__file__).resolve().parent.parent
#: The environment of this clone.
VENV = ROOT / ".venv"
#: Its Python.
PYTHON = VENV / "bin" / "python"
#: Says which lock the environment was made from; written when it is complete.
STAMP = VENV / ".syncpipe-stamp"
#: Exactly what is installed, with hashes, for pip; exported from uv.lock.
LOCK = ROOT / "config" / "requirements.lock"
#: Data, logs and record of the private services.
STATE = ROOT / ".syncpipe"
#: What `clean` removes beside the environment and the state.
LEFTOVERS = (
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "build",
    "dist",
)
#: How uv writes LOCK from uv.lock.
EXPORT = (
    *("uv", "export", "--frozen", "--offline", "--no-cache", "--no-header", "--no-annotate"),
    *("--no-emit-project", "--format", "requirements.txt"),
)
#: What the benchmark's other systems need, in an environment of their own.
PEERS_LOCK = ROOT / "tests" / "benchmarks" / "requirements" / "peers.txt"
#: The dependencies that the environment is made of, and those of the other systems.
GROUPS = ("--all-extras", "--all-groups", "--no-group", "bench")
PEERS_GROUPS = ("--only-group", "bench")
#: The locks for pip, and of which groups they are.
LOCKS = {LOCK: GROUPS, PEERS_LOCK: PEERS_GROUPS}
#: Test processes for each processor, as tests mostly wait for servers and workers; and how many
#: there are at most, as each starts servers of its own.
TESTERS, MOST_TESTERS = 3, 8
#: The gates of `check`, each a program of the environment.
GATES = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    # Without a cache: it would lie in a home that need not be there.
    ("uv", "lock", "--check", "--offline", "--no-cache"),
)


def main(arguments: list[str]) -> int:
    """Do what the first of *arguments* names, with the rest; return the exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python3 -m syncpipe._bootstrap {'|'.join(COMMANDS)} …\n")
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        sys.stderr.write("\nsyncpipe: interrupted; the same command again starts over.\n")
        return 130
    except PermissionError as error:
        return _fail(f"{error}. Work in a clone that belongs to you.")
    except OSError as error:
        return _fail(f"{error}.")
    except subprocess.CalledProcessError as error:
        return _fail(f"`{' '.join(map(str, error.cmd))}` failed; its output above says why.")


def up(arguments: list[str]) -> int:
    """Run the main job on private services; ``--keep`` leaves them running."""
    install([])
    _become("-m", "syncpipe.cli", "up", *arguments)


def down(arguments: list[str]) -> int:
    """Stop the services that ``up --keep`` left running."""
    if PYTHON.exists() and STATE.exists():
        _become("-m", "syncpipe.cli", "down", *arguments)
    _say("nothing is running.")
    return 0


def test(arguments: list[str]) -> int:
    """Run the tests that need no further system packages, in several processes.

    A process that has nothing left to do takes from another what that has not begun: the slow tests
    stand together at the beginning, and would else all be left to the first.
    """
    install([])
    testers = min(TESTERS * (os.cpu_count() or 1), MOST_TESTERS)
    _become("-m", "pytest", "-n", str(testers), "--dist", "worksteal", *arguments)


def check(_arguments: list[str]) -> int:
    """Run every gate, all of them even if one fails, and name those that failed."""
    install([])
    failed = [" ".join(gate) for gate in GATES if _gate_fails(gate)]
    failed += [
        f"{lock.relative_to(ROOT)} is not what uv.lock says (`make lock`)"
        for lock, groups in LOCKS.items()
        if _export(groups) != lock.read_text(encoding="utf-8")
    ]
    for gate in failed:
        sys.stderr.write(f"syncpipe: FAILED {gate}\n")
    return 1 if failed else 0


def chaos_brokers(arguments: list[str]) -> int:
    """Kill workers and brokers under load and count what is lost; needs RabbitMQ."""
    install([])
    _become("-m", "tests.chaos.brokers", *arguments)


def bench(arguments: list[str]) -> int:
    """Measure syncpipe beside other systems; makes an environment for each that needs one."""
    install([])
    _become("-m", "tests.benchmarks", *arguments)


def chaos_targets(arguments: list[str]) -> int:
    """Have targets, stores, operations and workers fail, and look who is harmed."""
    install([])
    _become("-m", "tests.chaos.targets", *arguments)


def lock(_arguments: list[str]) -> int:
    """Bring all locks up to date with pyproject.toml; needs the network."""
    install([])
    index = "https://pypi.org/simple"
    subprocess.run(["uv", "lock", "--default-index", index], env=_environment(), check=True)
    for place, groups in LOCKS.items():
        place.write_text(_export(groups), encoding="utf-8")
    return 0


def clean(_arguments: list[str]) -> int:
    """Stop what runs and remove everything that was made here."""
    if PYTHON.exists() and (STATE / "services.json").exists():
        _in_environment(PYTHON, "-m", "syncpipe.cli", "down")
    for path in (VENV, STATE, *(ROOT / name for name in LEFTOVERS)):
        if path.exists():
            shutil.rmtree(path)
    return 0


def install(_arguments: list[str]) -> int:
    """Make the environment, unless it is complete."""
    wanted = _fingerprint()
    if _stamp() == wanted:
        return 0
    if not os.access(ROOT, os.W_OK):
        raise PermissionError(errno.EACCES, "no right to write", str(ROOT))
    with _alone():
        # Somebody else may have made it while we waited.
        if _stamp() != wanted:
            _make_environment()
            STAMP.write_text(wanted, encoding="utf-8")
    return 0


def _fingerprint() -> str:
    """Digest of all that an environment is made from, and of its place, which it cannot leave."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [project["project"], project["build-system"], str(ROOT), LOCK.read_text("utf-8")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stamp() -> str | None:
    """Return what the environment was made from; None if it is unfinished or its Python is gone."""
    return STAMP.read_text(encoding="utf-8") if PYTHON.exists() and STAMP.exists() else None


@contextmanager
def _alone() -> Iterator[None]:
    """Let one installation at a time work in this clone."""
    with (ROOT / "pyproject.toml").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_environment() -> None:
    uv = shutil.which("uv")
    if uv:
        try:
            return _with_uv(uv)
        except subprocess.CalledProcessError:
            _say("uv could not; trying pip.")
    if find_spec("ensurepip"):
        return _with_venv()
    if find_spec("pip"):
        return _with_bare_venv()
    sys.exit(
        "syncpipe: this Python has neither ensurepip nor pip. Install one of them "
        "(Debian: apt install python3-venv), or uv."
    )


def _with_uv(uv: str) -> None:
    _say(f"making .venv with {uv}")
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(VENV)}
    _run(uv, "venv", "--clear", "--quiet", "--python", sys.executable, VENV)
    _run(
        *(uv, "sync", "--frozen", "--quiet", *GROUPS),
        *("--no-install-project", "--python", sys.executable),
        env=environment,
    )
    _install_project(uv, "pip", "install", "--quiet", "--python", PYTHON)


def _with_venv() -> None:
    _say(f"making .venv with venv and pip of {sys.executable}")
    _run(sys.executable, "-m", "venv", "--clear", VENV)
    _with_pip(PYTHON, "-m", "pip")


def _with_bare_venv() -> None:
    _say(f"making .venv with {sys.executable}, which has no ensurepip, and its own pip")
    _run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    _with_pip(sys.executable, "-m", "pip", "--python", PYTHON)


def _with_pip(*pip: str | Path) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    _run(*pip, "install", *quiet, "--require-hashes", "-r", LOCK)
    _install_project(*pip, "install", *quiet)


def _install_project(*installer: str | Path) -> None:
    """Install this clone in place; everything that this takes has been installed before."""
    _run(*installer, "--no-index", "--no-deps", "--no-build-isolation", "--editable", ROOT)


def _export(groups: tuple[str, ...]) -> str:
    """Return what the lock for pip of these *groups* should be."""
    done = subprocess.run(
        [*EXPORT, *groups],
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def _gate_fails(gate: tuple[str, ...]) -> bool:
    _say(" ".join(gate))
    return _in_environment(*gate) != 0


def _in_environment(*command: str | Path) -> int:
    return subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode


def _environment() -> dict[str, str]:
    """Return our environment with the programs of .venv first."""
    path = os.pathsep.join((str(VENV / "bin"), os.environ.get("PATH", os.defpath)))
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV)}


def _become(*arguments: str) -> NoReturn:
    """Go on as the Python of the environment."""
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(PYTHON, [str(PYTHON), *arguments], _environment())


def _run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, cwd=ROOT, env=env, check=True)


def _say(text: str) -> None:
    sys.stdout.write(f"syncpipe: {text}\n")
    sys.stdout.flush()


def _fail(text: str) -> int:
    sys.stderr.write(f"syncpipe: {text}\n")
    return 1


#: What can be asked for.
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "up": up,
    "down": down,
    "test": test,
    "check": check,
    "chaos-brokers": chaos_brokers,
    "chaos-targets": chaos_targets,
    "bench": bench,
    "lock": lock,
    "clean": clean,
    "install": install,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
