"""What `syncpipe ui` makes of options, variables and credentials."""

from __future__ import annotations

import os
from unittest.mock import patch

import pytest
from tornado.options import options

from syncpipe.errors import ConfigError
from syncpipe.ui.serving import Launch, configured, read_credentials

NAMES = ("address", "port", "basic_auth", "auth", "url_prefix", "read_only", "enable_events")
PUBLIC = "0.0.0.0"  # noqa: S104


@pytest.fixture(autouse=True)
def untouched():
    """Flower's options are one for the process: they are put back."""
    before = {name: getattr(options, name) for name in (*NAMES, "inspect_timeout", "unix_socket")}
    yield
    for name, value in before.items():
        options._options[name.replace("_", "-")]._value = value


@pytest.fixture
def environment():
    with patch.dict(os.environ):
        for name in [each for each in os.environ if each.startswith("FLOWER_")]:
            del os.environ[name]
        yield os.environ


@pytest.fixture
def credentials(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / "credentials"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_it_stays_at_this_machine_unless_told_otherwise(environment):
    assert environment is os.environ
    found = configured(Launch())
    assert (found.address, found.enable_events, found.read_only) == ("127.0.0.1", False, False)


@pytest.mark.parametrize("address", [PUBLIC, "", "::", "10.1.2.3", "sync.example"])
def test_it_goes_nowhere_else_without_authentication(environment, address):
    with pytest.raises(ConfigError, match="FLOWER_BASIC_AUTH"):
        configured(Launch(address=address))
    environment["FLOWER_ADDRESS"] = address or PUBLIC
    with pytest.raises(ConfigError, match="say who they are"):
        configured(Launch())


def test_with_authentication_it_does(environment, credentials):
    path = credentials("# people\nann:secret\n\nbob:a:b\n")
    assert configured(Launch(address=PUBLIC, credentials=path)).basic_auth == [
        "ann:secret",
        "bob:a:b",
    ]
    environment["FLOWER_BASIC_AUTH"] = "eve:x"
    assert configured(Launch(address=PUBLIC)).basic_auth == ["eve:x"]


def test_the_command_line_wins_over_variables(environment):
    environment |= {"FLOWER_PORT": "7001", "FLOWER_URL_PREFIX": "a", "FLOWER_READ_ONLY": "true"}
    found = configured(Launch(port=7002, url_prefix="b"))
    assert (found.port, found.url_prefix, found.read_only) == (7002, "b", True)


def test_a_variable_that_is_wrong_is_told(environment):
    environment["FLOWER_PORT"] = "many"
    with pytest.raises(ConfigError, match="FLOWER_"):
        configured(Launch())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_credentials_that_others_may_read_are_refused(credentials, mode):
    with pytest.raises(ConfigError, match="chmod 600"):
        read_credentials(credentials("ann:secret", mode))


@pytest.mark.parametrize(
    "text", ["", "\n# nobody\n", "ann\n", ":secret\n", "ann:\n", "ann:x\nbob\n"]
)
def test_credentials_that_are_none_are_refused(credentials, text):
    with pytest.raises(ConfigError, match="NAME:PASSWORD"):
        read_credentials(credentials(text))


def test_credentials_that_are_not_there_are_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_credentials(tmp_path / "nothing")
