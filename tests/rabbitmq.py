"""A real RabbitMQ for tests: a private node on private ports, a virtual host for each test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import pytest

from syncpipe.supervisor import Command, Supervisor
from tests.patience import eventually
from tests.ports import free_ports
from tests.servers import short_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where Debian's package keeps the program that its wrapper, which wants root, would start.
_PROGRAMS = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
_INSTALL = "There is no RabbitMQ to start. Run: apt-get install -y rabbitmq-server"
#: Statistics often enough for tests; memory enough for many queues.
_CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
collect_statistics_interval = 500
loopback_users = none
log.file = false
log.console = true
log.console.level = warning
"""
_ADVANCED = "[{rabbit, [{quorum_tick_interval, 500}]}]."


@dataclass(frozen=True)
class RabbitServer:
    """A running private RabbitMQ; tests work in virtual hosts of their own."""

    #: Port of AMQP on 127.0.0.1.
    port: int
    #: Port of the management API there.
    management_port: int
    #: Keeps it running; ``supervisor.pids()["rabbitmq"]`` is its process id.
    supervisor: Supervisor
    _environment: dict[str, str]
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def management_url(self) -> str:
        """Address of the management API."""
        return f"http://guest:guest@127.0.0.1:{self.management_port}"

    def url(self, host: str) -> str:
        """Address of the virtual host *host*, for kombu and Celery."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{quote(host, safe='')}"

    def new_host(self) -> str:
        """Make a virtual host, as soon as the node runs, and return its name."""
        eventually(lambda: _serves(self.management_port))
        name = f"test-{next(self._numbers)}"
        self.call("PUT", f"vhosts/{name}")
        self.call(
            "PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"}
        )
        return name

    def drop_host(self, name: str) -> None:
        """Remove a virtual host with everything in it, whoever is still connected."""
        self.call("DELETE", f"vhosts/{name}")

    def call(self, method: str, path: str, body: object = None) -> object:
        """Call the management API; *path* follows ``/api/``."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management_port}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own http
            text = answer.read()
        return json.loads(text) if text else None

    def set_alarm(self, *, on: bool, of: Literal["memory", "disk"] = "memory") -> None:
        """Raise the alarm of memory or disk, or let it pass."""
        if of == "memory":
            limit = "{absolute, 1}" if on else "0.4"
            self._ask("vm_memory_monitor", "set_vm_memory_high_watermark", limit)
        else:
            bytes_free = 10**16 if on else 50_000_000
            self._ask("rabbit_disk_monitor", "set_disk_free_limit", bytes_free)

    @contextmanager
    def impatient(self, seconds: float) -> Iterator[None]:
        """Close channels opened meanwhile that hold a message for longer than so many seconds."""
        self._set_patience(consumer_timeout=int(seconds * 1000), channel_tick_interval=500)
        try:
            yield
        finally:
            self._set_patience(consumer_timeout=1_800_000, channel_tick_interval=60_000)

    def _set_patience(self, **milliseconds: int) -> None:
        for name, value in milliseconds.items():
            self._ask("application", "set_env", "rabbit", name, value)

    def _ask(self, module: str, function: str, *arguments: object) -> None:
        """Let the node call a function of its own; rabbitmqctl needs five times as much for it."""
        node = self._environment["RABBITMQ_NODENAME"]
        call = f"rpc:call('{node}', {module}, {function}, [{', '.join(map(str, arguments))}])"
        command = [
            *("erl", "-noinput", "-hidden", "+S", "1:1", "-sname", f"asker-{node}"),
            *("-eval", f"ok = {call}, halt()."),
        ]
        subprocess.run(command, env=self._environment, check=True, timeout=120, capture_output=True)


@contextmanager
def rabbitmq_server() -> Iterator[RabbitServer]:
    """Run a RabbitMQ of our own; a killed one comes back by itself."""
    if not _PROGRAMS:
        pytest.skip(_INSTALL)
    ports = free_ports(4)
    with short_directory() as root, Supervisor() as supervisor:
        environment = _environment(root, *ports)
        supervisor.start(_epmd(root, environment))
        supervisor.start(_rabbitmq(root, environment, ports[1]))
        yield RabbitServer(ports[0], ports[1], supervisor, environment)


def _environment(
    root: Path, port: int, management_port: int, distribution_port: int, epmd_port: int
) -> dict[str, str]:
    """Write the configuration below *root*; return the variables that lead to it."""
    (root / "rabbit.conf").write_text(_CONFIG.format(port=port, management_port=management_port))
    (root / "advanced.config").write_text(_ADVANCED)
    (root / "plugins").write_text("[rabbitmq_management].")
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(root),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(root / "advanced.config"),
        "RABBITMQ_CONFIG_FILE": str(root / "rabbit.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(root / "plugins"),
        "RABBITMQ_LOG_BASE": str(root),
        "RABBITMQ_MNESIA_BASE": str(root / "data"),
        "RABBITMQ_NODENAME": f"syncpipe{port}@localhost",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2",
        # The process that we start is then the broker itself, and gets the signals.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _epmd(root: Path, environment: dict[str, str]) -> Command:
    """Return Erlang's port mapper, which the node would else leave behind."""
    port = int(environment["ERL_EPMD_PORT"])
    return Command(
        name="epmd",
        argv=("epmd", "-relaxed_command_check"),
        env=environment,
        log=root / "epmd.log",
        ready=lambda: _answers(port),
        stop_signal=signal.SIGKILL,
    )


def _rabbitmq(root: Path, environment: dict[str, str], management_port: int) -> Command:
    return Command(
        name="rabbitmq",
        argv=(str(_PROGRAMS[-1]),),
        env=environment,
        log=root / "rabbitmq.log",
        ready=lambda: _serves(management_port),
        ready_timeout_s=120,
        stop_signal=signal.SIGKILL,
    )


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _serves(management_port: int) -> bool:
    """Tell whether the management API answers, which comes last."""
    address = f"http://127.0.0.1:{management_port}/api/overview"
    try:
        urllib.request.urlopen(address, timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.UNAUTHORIZED  # anything else: it is still starting
    except OSError:
        time.sleep(0.1)
        return False
    return True
