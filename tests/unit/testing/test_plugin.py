"""The pytest plugin, as a service uses it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
LIGHT = """
import sys
import pytest
before = set(sys.modules)
import syncpipe.testing.plugin
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("syncpipe")))
"""


def _python(*arguments, cwd):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_examples_of_the_page_on_testing_pass(tmp_path):
    page = (ROOT / "docs" / "testing.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "test_service.py").write_text("\n".join(examples))
    options = ("-p", "syncpipe.testing.plugin", "-p", "no:cacheprovider", "-q")
    ran = _python("-m", "pytest", *options, cwd=tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout


def test_importing_the_plugin_imports_nothing_heavy(tmp_path):
    assert _python("-c", LIGHT, cwd=tmp_path).stdout.split() == []


def test_the_plugin_is_registered():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["pytest11"] == {"syncpipe": "syncpipe.testing.plugin"}
