from __future__ import annotations

import subprocess
import sys

import pytest

import syncpipe

#: What takes long to import, and is not needed to say what there is.
HEAVY = {"celery", "kombu", "redis", "psycopg", "structlog", "rich", "msgpack", "zstandard"}


def modules_after(code: str) -> set[str]:
    """Names of all modules that a fresh interpreter has imported after *code*."""
    report = "import sys; print('\\n', *sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_public_names_are_these_and_sorted():
    assert syncpipe.__all__ == [
        "AsyncClient",
        "Client",
        "Priority",
        "Receipt",
        "SyncpipeError",
        "load_settings",
    ]
    assert set(syncpipe.__all__) <= set(dir(syncpipe))


@pytest.mark.parametrize("name", syncpipe.__all__)
def test_every_public_name_exists_and_is_documented(name):
    assert getattr(syncpipe, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        _ = syncpipe.Clinet


def test_importing_the_package_imports_nothing_else():
    after = modules_after("import syncpipe")
    assert {name for name in after if name.startswith("syncpipe")} == {"syncpipe"}
    assert not after & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["explain", "SP-E501"]])
def test_what_needs_no_services_loads_none_of_their_libraries(arguments):
    code = f"from syncpipe.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass"
    assert not modules_after(code) & HEAVY


def test_help_loads_no_command():
    code = "from syncpipe.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    ours = {name for name in modules_after(code) if name.startswith("syncpipe")}
    assert ours == {"syncpipe", "syncpipe.cli", "syncpipe.cli.output", "syncpipe.errors"}
