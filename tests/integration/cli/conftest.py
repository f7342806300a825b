"""``syncpipe dlq`` on a real store, with a broker and a target in memory."""

from __future__ import annotations

import os
import pwd

import pytest
from click.testing import CliRunner

from syncpipe import app as wiring
from syncpipe.cli import main
from syncpipe.cli.output import Exit
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.target import MemoryTarget
from tests.stores import AUDIT_KEY

NOW = FakeClock().now_ms()
CONFIGURATION = """
[store]
dsn = "{dsn}"
[audit]
key = "{key}"
[access]
{role} = ["cli:{user}"]
[targets.crm]
type = "postgres"
dsn = "host=nowhere"
[collections.orders]
target = "crm"
mask = {{ status = "show" }}
"""


@pytest.fixture
def broker():
    return MemoryBroker(FakeClock())


@pytest.fixture
def target():
    return MemoryTarget("crm", clock=FakeClock())


@pytest.fixture
def run(tmp_path, monkeypatch, store, module_dsn, broker, target):
    """Runs ``syncpipe dlq``, or another noun, as an admin, unless told otherwise."""
    assert store
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wiring.App, "broker", lambda _: broker)
    monkeypatch.setattr(wiring.App, "target", lambda *_: target)
    monkeypatch.setattr(wiring.SystemClock, "now_ms", lambda _: NOW)
    user = pwd.getpwuid(os.geteuid()).pw_name

    def run(*arguments, status=Exit.OK, role="admins", noun="dlq", **options):
        text = CONFIGURATION.format(dsn=module_dsn, key=AUDIT_KEY.hex(), user=user, role=role)
        (tmp_path / "syncpipe.toml").write_text(text)
        done = CliRunner().invoke(main, [noun, *arguments], prog_name="syncpipe", **options)
        assert done.exit_code == status, done.output
        return done

    return run
