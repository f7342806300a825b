"""The command line: ``syncpipe <noun> <verb>``.

A command's module is imported when the command runs, so `syncpipe --help` needs click alone. One
module per noun; each is a thin shell over the same services that Python callers use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import NoSuchCommand

from syncpipe import __version__
from syncpipe.cli.output import Failure
from syncpipe.errors import SyncpipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Every command: the module and name of its click object, and its line in the overview.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "audit": (
        "syncpipe.cli.audit:audit",
        "Look at what people did, and verify that nobody has changed it.",
    ),
    "bench": (
        "syncpipe.cli.bench:bench",
        "Measure how fast it is here, beside what PostgreSQL itself can take.",
    ),
    "config": ("syncpipe.cli.config:config", "Show and check the configuration."),
    "dictionary": (
        "syncpipe.cli.dictionary:dictionary",
        "Learn from samples how small envelopes become smaller, and show what was learned.",
    ),
    "demo": (
        "syncpipe.cli.demo:demo",
        "Run real data through the real pipeline on private services, and check every row.",
    ),
    "dlq": (
        "syncpipe.cli.dlq:dlq",
        "See what was given up, and why; mend it, replay it, or put it away.",
    ),
    "down": (
        "syncpipe.cli.down:down",
        "Stop the services and workers of ./.syncpipe; their data stays until the next `up`.",
    ),
    "explain": ("syncpipe.cli.explain:explain", "Explain an error code, or list them all."),
    "init": ("syncpipe.cli.init:init", "Write a commented configuration to start from."),
    "migrate": (
        "syncpipe.cli.migrate:migrate",
        "Bring store and broker to where operations need them; may run again and again.",
    ),
    "op": ("syncpipe.cli.op:op", "Send operations: one, or a file of them."),
    "queue": (
        "syncpipe.cli.queue:queue",
        "Show and empty the queues, and return what dead workers held.",
    ),
    "status": (
        "syncpipe.cli.status:status",
        "Show what waits in which lane, how old it is, who works, and what is not well.",
    ),
    "replay": (
        "syncpipe.cli.replay:replay",
        "Look at the jobs that send dead letters again; pause, resume and cancel them.",
    ),
    "target": ("syncpipe.cli.target:target", "Prepare, check and look at targets."),
    "ui": ("syncpipe.cli.ui:ui", "Show dead letters and pipeline in the browser, in Flower."),
    "up": (
        "syncpipe.cli.up:up",
        "Start private services and workers, run the demonstration on them, and check every row.",
    ),
    "worker": ("syncpipe.cli.worker:worker", "Run worker processes and keep them running."),
}


class LazyGroup(click.Group):
    """A group that imports a command only to run it, and makes one message of an error of ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names of all commands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            NoSuchCommand: there is none of that name; it proposes the nearest.

        """
        if cmd_name not in COMMANDS:
            if cmd_name.startswith("-"):
                return None
            raise NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write the overview without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run; an error of ours becomes one message with what to do, and exit code 1."""
        try:
            return super().invoke(ctx)
        except SyncpipeError as error:
            raise Failure(error) from error


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="syncpipe")
def main() -> None:
    """Sync operations to their targets, in order and once.

    Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 nothing matched, 4 done in part, 5 unhealthy.
    """
